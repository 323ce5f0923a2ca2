"""The page of a course's settings and the page of who is here, without scripts."""

import csv
from io import StringIO
from typing import Any

import pytest
from sqlalchemy import select

from headway.accounts.tables import users
from headway.courses.model import CourseTree
from headway.enrollments.tables import enrollments, waiting_list
from headway.identity import Caller, CourseRole, Role
from headway.learning.model import ActivityType, Event, Report
from tests.contract.rights.conftest import School
from tests.pages.conftest import BOTH_DATABASES, Visit
from tests.pages.visitor import Shown, Visitor
from tests.world import World

pytestmark = BOTH_DATABASES

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}"
DETAILS = {
    "title": "Another title",
    "description": "About it",
    "subject": "Engines",
    "level": "Advanced",
    "external_id": "course-v1:X+Y+2026",
    "source": "openedx",
    "starts_at": "2026-02-01T09:00",
    "ends_at": "2026-03-01T17:30",
    "enroll_from": "2026-01-01T00:00",
    "enroll_until": "2026-02-15T00:00",
    "capacity": "5",
    "access_days": "90",
    "published": "true",
    "sequential": "true",
}


@pytest.fixture
def path(school: School) -> str:
    return str(school.filled("/app/courses/{course}/settings"))


async def course_of(world: World, school: School) -> CourseTree:
    return await world.read(world.services.courses.find, int(school.ids["course"]))


async def with_address(world: World, name: str, role: Role = Role.PARTICIPANT, **given: Any) -> int:
    return (await world.write(world.services.accounts.create, role=role, name=name, email=f"{name}@example.org", **given)).id


def results(shown: Shown) -> list[tuple[str, str]]:
    rows = shown.soup.select("#enroll tbody tr:has(.badge)")
    return [(row.select_one(".address").get_text(), row.select_one(".badge").get_text()) for row in rows if row.th]  # type: ignore[union-attr]


async def test_details_are_changed_and_shown_in_the_zone_of_the_viewer(
    visit: Visit, world: World, school: School, path: str
) -> None:
    tutor = visit("tutor")
    tutor.client.cookies.set("headway-zone", "America/New_York", domain="headway.test")
    page = await tutor.open(path)

    shown = await tutor.fill(page, f"{path}/details#details", **DETAILS)

    assert "The course is saved." in shown.text
    held = shown.values(f"{path}/details#details")
    assert {name: held[name][0] for name in DETAILS} == DETAILS
    stored = (await course_of(world, school)).course
    assert (stored.title, stored.capacity, stored.access_days, stored.is_sequential) == ("Another title", 5, 90, True)
    assert stored.starts_at == 1_769_954_400_000, "09:00 in New York is 14:00 UTC"
    tree = await course_of(world, school)
    assert [unit.title for unit in tree.units] == ["One", "Two", "Three"]
    assert not any(unit.is_retired for unit in tree.units)
    assert [each.title for each in tree.active_assessments] == ["Task"]

    empty = {name: "" for name in DETAILS if name not in {"title", "published", "sequential"}}
    fields = {"title": "Bare", **empty, "seen": held["seen"][0]}
    await tutor.submit(f"{path}/details", fields)
    bare = (await course_of(world, school)).course
    assert (bare.description, bare.starts_at, bare.capacity, bare.is_published) == (None, None, None, False)


async def test_a_time_that_is_not_touched_keeps_its_seconds(visit: Visit, world: World, school: School, path: str) -> None:
    odd = 1_769_954_423_456
    course = await course_of(world, school)
    edit, staff = world.services.course_editing.change, Caller(school.people["tutor"].id, Role.INSTRUCTOR)
    await world.write(edit, staff, course.id, lambda stored: with_start(stored, odd))

    await visit("tutor").fill(await visit("tutor").open(path), f"{path}/details#details", title="Other")

    assert (await course_of(world, school)).course.starts_at == odd


def with_start(stored: CourseTree, at: int) -> Any:
    import msgspec  # noqa: PLC0415 - one use

    return msgspec.structs.replace(stored.unchanged, starts_at=at)


async def test_refused_details_keep_what_was_typed(visit: Visit, world: World, school: School, path: str) -> None:
    tutor = visit("tutor")
    page = await tutor.open(path)

    for changed, message in (
        ({"ends_at": "2026-01-31T12:00", "starts_at": "2026-02-01T12:00"}, "must be"),
        ({"starts_at": "soon"}, "must be a date and a time"),
        ({"capacity": "-1"}, ">= 0"),
        ({"title": " "}, "must"),
        ({"capacity": "1"}, "2 seats are taken already."),
    ):
        shown = await tutor.fill(page, f"{path}/details#details", **{**DETAILS, "description": HOSTILE, **changed})
        assert shown.status in {409, 422}
        assert message in shown.text
        held = shown.values(f"{path}/details#details")
        assert held["description"] == [HOSTILE]
        assert all(held[name] == [value] for name, value in changed.items())
        assert shown.soup.find("img", src="x") is None
    assert (await course_of(world, school)).course.title == "Course"


async def test_an_edit_by_somebody_else_is_noticed_and_shown(visit: Visit, world: World, school: School, path: str) -> None:
    tutor, admin = visit("tutor"), visit("admin")
    page = await tutor.open(path)
    await admin.fill(await admin.open(path), f"{path}/details#details", title="By the administrator")

    shown = await tutor.fill(page, f"{path}/details#details", title="By the tutor")

    assert shown.status == 409
    assert "Somebody else has changed the course meanwhile." in shown.text
    assert "It is now: By the administrator" in shown.text
    assert shown.values(f"{path}/details#details")["title"] == ["By the tutor"]
    assert "The course is saved." in (await tutor.fill(shown, f"{path}/details#details")).text
    assert (await course_of(world, school)).course.title == "By the tutor"


async def test_addresses_are_enrolled_with_a_result_for_each(visit: Visit, world: World, school: School, path: str) -> None:
    await with_address(world, "ada")
    await with_address(world, "bob")
    course = int(school.ids["course"])
    tutor = visit("tutor")
    await tutor.fill(await tutor.open(path), f"{path}/details#details", capacity="3")

    page = await tutor.open(path)
    shown = await tutor.fill(
        page, f"{path}/enroll#enroll", addresses=f"ada@example.org\nnobody@example.org, {HOSTILE}", wait="true"
    )
    assert shown.status == 200
    assert results(shown)[:3] == [
        ("ada@example.org", "Enrolled"),
        ("nobody@example.org", "Invited: there is no account yet"),
        (HOSTILE.split(maxsplit=1)[0], "This is not an e-mail address"),
    ]
    assert shown.soup.find("img", src="x") is None
    held = shown.values(f"{path}/enroll#enroll")
    assert held["addresses"][0].splitlines()[0] == HOSTILE.split(maxsplit=1)[0], "what is left to do stays in the form"
    assert "ada@example.org" not in held["addresses"][0]

    again = await tutor.fill(page, f"{path}/enroll#enroll", addresses="ada@example.org bob@example.org", wait="true")
    assert results(again) == [
        ("ada@example.org", "Was enrolled already"),
        ("bob@example.org", "Waits for a seat, place 1"),
    ]
    assert len(await world.rows(select(enrollments.c.user_id).where(enrollments.c.course_id == course))) == 3
    assert len(await world.rows(select(users.c.id))) == len(school.people) + 2, "none is created"
    refused = await tutor.fill(page, f"{path}/enroll#enroll", addresses=" ; ")
    assert refused.status == 422
    assert "must be 1 to 2000 e-mail addresses" in refused.text

    (waiter,) = await world.rows(select(waiting_list.c.user_id).where(waiting_list.c.course_id == course))
    removed = await tutor.submit(f"{path}/waiting/{waiter[0]}/remove")
    assert "off the waiting list" in removed.text
    assert "Nobody waits for a seat." in removed.text


async def test_the_waiting_list_is_reordered_and_somebody_let_in(visit: Visit, world: World, school: School) -> None:
    full, tutor = school.ids["full"], visit("tutor")
    path = f"/app/courses/{full}/settings"
    peer, stranger = school.people["peer"], school.people["stranger"]
    assert [row[1] for row in (await tutor.open(path)).rows("#seats tbody tr")] == [peer.name, stranger.name]

    moved = await tutor.submit(f"{path}/waiting/{stranger.id}/move", {"position": "1"})
    assert f"{stranger.name} has place 1 now." in moved.text
    assert [row[1] for row in moved.rows("#seats tbody tr")] == [stranger.name, peer.name]
    seated = await tutor.submit(f"{path}/waiting/{peer.id}/admit")
    assert "The learner is enrolled." in seated.text
    assert [row[1] for row in seated.rows("#seats tbody tr")] == [stranger.name]
    assert await world.rows(select(enrollments.c.user_id).where(enrollments.c.course_id == int(full))) == [(peer.id,)]
    again = await tutor.submit(f"{path}/waiting/{peer.id}/admit")
    assert again.status == 404


async def test_invitations_are_listed_and_withdrawn(visit: Visit, world: World, school: School, path: str) -> None:
    tutor = visit("tutor")
    shown = await tutor.open(path)
    assert [row[0] for row in shown.rows("#enroll tbody tr")] == ["invited@school.test"]
    assert "1 invitation." in shown.text

    withdrawn = await tutor.submit(f"{path}/invitations/{school.ids['invitation']}/withdraw")

    assert "The invitation is withdrawn." in withdrawn.text
    assert "invited@school.test" not in withdrawn.text
    await with_address(world, "new")
    assert (await tutor.submit(f"{path}/invitations/{school.ids['invitation']}/withdraw")).status == 404


async def test_staff_is_appointed_by_address_and_the_last_owner_stays(
    visit: Visit, world: World, school: School, path: str
) -> None:
    colleague = await with_address(world, "grace", Role.INSTRUCTOR)
    await with_address(world, "ada")
    tutor = visit("tutor")

    shown = await tutor.submit(f"{path}/staff", {"email": "GRACE@example.org", "role": "instructor"})
    assert "grace belongs to the staff now." in shown.text
    for email, status, message in (
        ("ada@example.org", 409, "needs an INSTRUCTOR or ADMIN"),
        ("nobody@example.org", 422, "belongs to no account"),
        ("no address", 422, ""),
    ):
        refused = await tutor.submit(f"{path}/staff", {"email": email, "role": "owner"})
        assert refused.status == status
        assert message in refused.text
        assert refused.values(f"{path}/staff#staff")["email"] == [email]

    last = await tutor.submit(f"{path}/staff/{school.people['tutor'].id}/role", {"role": "instructor"})
    assert last.status == 409
    assert "The course needs another owner first." in last.text
    await tutor.submit(f"{path}/staff/{colleague}/role", {"role": "owner"})
    left = await tutor.submit(f"{path}/staff/{school.people['tutor'].id}/remove")
    assert left.path == "/app/courses"
    assert (await tutor.open(path)).status == 403


async def test_a_member_who_is_no_owner_cannot_change_the_staff(visit: Visit, world: World, school: School, path: str) -> None:
    other, staff = school.people["other tutor"], world.services.course_staff
    owner = Caller(school.people["tutor"].id, Role.INSTRUCTOR)
    await world.write(staff.set_role, owner, int(school.ids["course"]), other.id, CourseRole.INSTRUCTOR)
    member: Visitor = visit("other tutor")

    shown = await member.open(path)

    assert shown.status == 200
    assert shown.soup.find("form", action=f"{path}/staff#staff") is None
    for action, fields in (
        (f"{path}/staff", {"email": "a@b.org", "role": "owner"}),
        (f"{path}/staff/{owner.user_id}/remove", {}),
    ):
        refused = await member.submit(action, fields)
        assert refused.status in {403, 422}
    assert [row[0] for row in shown.rows("#staff tbody tr")] == [school.people["tutor"].name, other.name]


@pytest.mark.parametrize(
    "action",
    [
        *("details", "enroll", "staff", "staff/1/role", "staff/1/remove", "waiting/1/remove"),
        *("waiting/1/move", "waiting/1/admit", "invitations/1/withdraw"),
    ],
)
async def test_nobody_else_changes_a_course(visit: Visit, path: str, action: str, world: World, school: School) -> None:
    fields = {"title": "Mine", "seen": "", "addresses": "a@b.org", "email": "a@b.org", "role": "owner", "position": "1"}
    for role in ("learner", "peer", "stranger", "other tutor"):
        assert (await visit(role).submit(f"{path}/{action}", fields)).status == 403
    assert (await visit("nobody").submit(f"{path}/{action}", fields)).path == "/app/sign-in"
    assert (await course_of(world, school)).course.title == "Course"


async def test_the_csv_has_every_enrollment(visit: Visit, world: World, school: School, path: str) -> None:
    response = (await visit("tutor").open(f"{path}/enrollments.csv")).response
    header, *rows = csv.reader(StringIO(response.text.removeprefix("\ufeff")))

    assert header[:3] == ["Learner", "Id", "Status"]
    stored = await world.rows(select(enrollments.c.user_id, enrollments.c.status).order_by(enrollments.c.user_id))
    assert [(int(row[1]), row[2]) for row in rows] == stored
    assert (await visit("learner").open(f"{path}/enrollments.csv")).status == 403


async def test_the_structure_says_each_rule_in_words(visit: Visit, world: World) -> None:
    course = await world.course()
    shown = await visit("admin").open(f"/app/courses/{course.id}/settings")

    assert [row[1:] for row in shown.rows("#structure tbody tr")] == [
        ["required", "the learner's mark"],
        ["required", "opening it"],
        ["required", "1 min of study"],
        ["required", "scrolling through 80%"],
        ["required", "watching 95% of the video"],
        ["required", "a score of at least 50%"],
        ["optional", "the learner's mark"],
    ]


async def test_who_is_here_is_shown_without_scripts(visit: Visit, world: World, school: School) -> None:
    course = await course_of(world, school)
    await world.write(world.services.accounts.change, school.people["learner"].id, name=HOSTILE)
    path = f"/app/courses/{course.id}/live"
    assert "Nobody is here now." in (await visit("tutor").open(path)).text

    event = Event("here", ActivityType.UNIT_VIEW, course.id, unit_id=course.units[0].id, duration_seconds=120)
    report = Report(school.people["learner"].id, world.clock(), (event,))
    await world.write(world.services.tracking.record, [report], world.clock())
    world.clock.advance(seconds=120)
    shown = await visit("tutor").open(path)

    (row,) = shown.rows("#here tbody tr")
    assert row[:2] == [HOSTILE, "One"]
    assert row[4:6] == ["4 min", "2 minutes ago"]
    assert "learner is here now" in shown.text
    assert shown.soup.find("img", src="x") is None
    assert shown.soup.find("script", string="alert(1)") is None


async def test_hostile_texts_in_every_field_are_text(visit: Visit, world: World, school: School, path: str) -> None:
    await world.write(world.services.accounts.change, school.people["tutor"].id, name=HOSTILE)
    waiter = await with_address(world, "waiter")
    tutor = visit("tutor")
    await world.write(world.services.accounts.change, waiter, name=HOSTILE)
    texts = dict.fromkeys(("title", "description", "subject", "level"), HOSTILE)
    await tutor.fill(await tutor.open(path), f"{path}/details#details", **texts, capacity="2")
    shown = await tutor.submit(f"{path}/enroll", {"addresses": "waiter@example.org", "wait": "true"})
    held = shown.values(f"{path}/details#details")
    assert {name: held[name] for name in texts} == {name: [HOSTILE] for name in texts}
    for each in (shown, await tutor.open(path), await tutor.open("/app/courses")):
        assert each.soup.find("script", string="alert(1)") is None
        assert each.soup.find("img", src="x") is None
        assert "49" not in each.text
    assert shown.text.count(HOSTILE) >= 2


async def test_an_external_id_of_another_course_is_refused_in_its_field(
    visit: Visit, world: World, school: School, path: str
) -> None:
    tutor, before = visit("tutor"), (await course_of(world, school)).course.external_id
    await world.course(external_id="taken")

    shown = await tutor.fill(await tutor.open(path), f"{path}/details#details", external_id="taken", source="moodle")

    assert shown.status == 409
    assert "belongs to another course" in shown.text
    assert shown.values(f"{path}/details#details")["external_id"] == ["taken"]
    assert (await course_of(world, school)).course.external_id == before
