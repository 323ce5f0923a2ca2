"""A learner's courses, units and assessments, as a browser without scripts shows them."""

import pytest
from sqlalchemy import func, select

from headway.accounts.model import User
from headway.assessments.model import NewGrade
from headway.assessments.tables import submissions
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewAssessment, NewCourse, NewModule, NewUnit
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.enrollments.tables import enrollments, waiting_list
from headway.identity import Caller, Role
from headway.instants import DAY, HOUR, MINUTE
from headway.learning.model import ActivityType, Event, Report
from headway.learning.tables import learner_activity_logs, unit_progress
from headway.messaging.tables import messages
from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.pages.test_account import HOSTILE
from tests.pages.visitor import Shown
from tests.world import NOON, World

URL = "https://github.com/ada/engine"


async def make_course(world: World, *units: NewUnit, owner: User | None = None, **given: object) -> CourseTree:
    owner = owner or await world.user(Role.INSTRUCTOR)
    fields = {"title": "Engines", "modules": (NewModule("Parts", units=units or (NewUnit("One"), NewUnit("Two"))),), **given}
    return await world.write(world.services.course_editing.create, NewCourse(**fields), owner_id=owner.id)  # type: ignore[arg-type]


async def study(world: World, learner: User, course: CourseTree, *, end: int, minutes: int, unit: int = 0) -> None:
    unit_id, length = course.units[unit].id, minutes * MINUTE
    event = Event(
        world.services.new_id(), ActivityType.UNIT_VIEW, course.id, unit_id=unit_id, start_time=end - length, end_time=end
    )
    await world.write(world.services.tracking.record, [Report(learner.id, end, (event,))], world.clock())


async def count_events(world: World) -> int:
    return int((await world.rows(select(func.count()).select_from(learner_activity_logs)))[0][0])


# My courses


async def test_my_courses_lead_to_the_next_step(visit: Visit, school: School, world: World) -> None:
    course = await make_course(world)
    learner = school.people["learner"]
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    await study(world, learner, course, end=NOON - 2 * HOUR, minutes=30, unit=1)

    shown = await visit("learner").open("/app/learning")

    (card,) = [each for each in shown.soup.select(".course-card") if "Engines" in each.get_text()]
    (step,) = card.select("a.primary")
    assert step["href"] == f"/app/learning/{course.id}/units/{course.units[0].id}"
    assert " ".join(step.get_text().split()) == "Continue One"
    assert "0 of 2 required units complete" in card.get_text(" ")
    assert "Last studied: Two , 2 hours ago" in " ".join(card.get_text(" ").split())
    assert "30 min" in shown.text
    assert "Days in a row" not in shown.text


async def test_whoever_is_in_no_course_is_led_to_the_catalogue(visit: Visit) -> None:
    shown = await visit("stranger").open("/app/learning")

    assert "You are not in a course yet." in shown.text
    assert shown.soup.select_one(".empty a[href='/app/catalogue']") is not None
    assert "Nothing is due." in shown.text
    assert "No unread messages" in shown.text


async def test_what_is_due_comes_in_the_order_of_its_dates(visit: Visit, school: School, world: World) -> None:
    tasks = [NewAssessment("Some day"), NewAssessment("Soon", due_at=NOON + DAY), NewAssessment("Missed", due_at=NOON - DAY)]
    course = await make_course(world, assessments=(*tasks, NewAssessment("Done", due_at=NOON)))
    learner = school.people["learner"]
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    caller = Caller(learner.id, Role.PARTICIPANT)
    await world.write(world.services.assessments.submit, caller, course.assessments[3].id, URL)

    shown = await visit("learner").open("/app/learning")

    items = [" ".join(each.get_text(" ").split()) for each in shown.soup.select("aside section:first-of-type li")]
    assert [each.split(" Engines")[0] for each in items] == ["Missed", "Soon", "Some day"]
    assert "was due" in items[0]
    assert "no due date" in items[2]


async def test_places_on_waiting_lists_and_unread_messages_are_shown(visit: Visit, school: School, world: World) -> None:
    course = await make_course(world, capacity=0)
    peer = school.people["peer"]
    await world.write(world.services.enrollments.enroll_or_wait, peer.id, course.id)

    shown = await visit("peer").open("/app/learning")

    assert "Engines place 1" in shown.text
    assert "1 unread message" in shown.text


async def test_a_streak_is_shown_to_who_wants_it(visit: Visit, school: School, world: World) -> None:
    course, learner = await make_course(world), school.people["learner"]
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    for days in (0, 1, 2):
        await study(world, learner, course, end=NOON - days * DAY, minutes=5)
    visitor = visit("learner")

    chosen = await visitor.submit("/app/account/streak", {"is_shown": "true"})
    assert "Hide days in a row" in chosen.text
    assert (
        "up to today, or to yesterday while today has none yet. At most 366 are counted. 3"
        in (await visitor.open("/app/learning")).text
    )

    await visitor.submit("/app/account/streak", {"is_shown": "false"})
    assert "Days in a row" not in (await visitor.open("/app/learning")).text


async def test_study_of_a_day_is_that_of_the_viewers_zone(visit: Visit, school: School, world: World) -> None:
    course, learner = await make_course(world), school.people["learner"]
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    # 22:30 to 23:30 UTC on 2025-12-31: half an hour on each side of midnight in Berlin.
    await study(world, learner, course, end=NOON - 12 * HOUR - 30 * MINUTE, minutes=60)
    visitor = visit("learner")
    in_utc = await visitor.open(f"/app/learning/{course.id}", **{"Accept-Language": "en-GB"})
    visitor.client.cookies.set("headway-zone", "Europe/Berlin", domain="headway.test")
    in_berlin = await visitor.open(f"/app/learning/{course.id}", **{"Accept-Language": "en-GB"})

    assert in_utc.rows("figure tbody tr") == [["31 Dec 2025", "1 h 0 min"]]
    assert in_berlin.rows("figure tbody tr") == [["31 Dec 2025", "30 min"], ["1 Jan 2026", "30 min"]]


# One course


async def test_a_course_explains_each_percent(visit: Visit, school: School, world: World) -> None:
    units = (
        NewUnit("Read", completion=Completion(Rule.TIME, 1200)),
        NewUnit("Mark"),
        NewUnit("Extra", is_required=False, completion=Completion(Rule.VIEWED)),
    )
    course, learner = await make_course(world, *units), school.people["learner"]
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    await study(world, learner, course, end=NOON, minutes=10)

    shown = await visit("learner").open(f"/app/learning/{course.id}")

    reasons = [" ".join(each.get_text(" ").split()) for each in shown.soup.select(".unit-row")]
    assert "It is complete after 20 min of study." in reasons[0]
    assert "10 min of 20 min have been studied." in reasons[0]
    assert "Why 50%?" in reasons[0]
    assert "50% in the mean of the course." in reasons[0]
    assert "It has not been marked yet." in reasons[1]
    assert "It is optional: it does not change the percent of the course." in reasons[2]
    assert "The percent is the mean of the 2 required units: 50% divided by 2 is 25%, rounded down." in shown.text
    (stored,) = await world.rows(select(enrollments.c.percent).where(enrollments.c.course_id == course.id))
    assert stored == (2_500,)
    progress = shown.soup.select_one(".course-percent progress")
    assert progress is not None
    assert progress["value"] == "2500"


async def test_a_locked_unit_says_why_and_has_no_link(visit: Visit, school: School, world: World) -> None:
    course, learner = await make_course(world, is_sequential=True), school.people["learner"]
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    visitor = visit("learner")
    second = f"/app/learning/{course.id}/units/{course.units[1].id}"

    shown = await visitor.open(f"/app/learning/{course.id}")
    locked = await visitor.open(second)

    assert "Complete the required units before it first." in shown.text
    assert shown.soup.find("a", href=second) is None
    assert "This unit is locked." in locked.text
    refused = await visitor.submit(f"{second}/complete")
    assert refused.status == 409
    assert "The units before this one have to be completed first." in refused.text
    assert await world.rows(select(unit_progress.c.unit_id)) == []


async def test_once_all_is_done_an_optional_unit_is_offered_as_such(visit: Visit, school: School, world: World) -> None:
    course, learner = await make_course(world, NewUnit("One"), NewUnit("Extra", is_required=False)), school.people["learner"]
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    visitor = visit("learner")
    await visitor.submit(f"/app/learning/{course.id}/units/{course.units[0].id}/complete")

    for path in ("/app/learning", f"/app/learning/{course.id}"):
        shown = await visitor.open(path)
        (step,) = [each for each in shown.soup.select(".next-step") if "Extra" in each.get_text()]
        assert " ".join(step.get_text().split()) == "Optional: Extra"
        assert "primary" not in step["class"]


async def test_leaving_a_course_is_confirmed_and_keeps_progress(visit: Visit, school: School, world: World) -> None:
    course, learner = await make_course(world), school.people["learner"]
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    visitor = visit("learner")

    page = await visitor.open(f"/app/learning/{course.id}")
    assert page.form(f"/app/learning/{course.id}/leave").find_parent("details") is not None
    shown = await visitor.fill(page, f"/app/learning/{course.id}/leave")

    assert "You have left the course. Your progress is kept." in shown.text
    again = await visitor.open(f"/app/learning/{course.id}")
    assert "Enroll again" in again.text
    assert "Your progress, which is kept: 0%" in again.text
    refused = await visitor.submit(f"/app/learning/{course.id}/leave")
    assert refused.status == 404


async def test_enrolling_from_the_page_of_a_course(visit: Visit, world: World) -> None:
    course = await make_course(world)
    visitor = visit("stranger")

    page = await visitor.open(f"/app/learning/{course.id}")
    assert "Read" not in page.text
    shown = await visitor.fill(page, f"/app/learning/{course.id}/enroll")

    assert shown.path == f"/app/learning/{course.id}"
    assert "You are enrolled." in shown.text
    assert "Start One" in shown.text
    twice = await visitor.submit(f"/app/learning/{course.id}/enroll")
    assert twice.status == 409
    assert "You are enrolled in this course already." in twice.text


async def test_the_waiting_list_is_joined_and_left(visit: Visit, world: World) -> None:
    course = await make_course(world, capacity=0)
    visitor = visit("stranger")

    refused = await visitor.submit(f"/app/learning/{course.id}/enroll")
    assert refused.status == 409
    assert "Every seat of this course is taken." in refused.text
    shown = await visitor.fill(refused, f"/app/learning/{course.id}/enroll")
    assert "You are on the waiting list, at place 1." in shown.text
    waiting = select(waiting_list.c.user_id).where(waiting_list.c.course_id == course.id)
    assert len(await world.rows(waiting)) == 1
    await visitor.fill(shown, f"/app/learning/{course.id}/leave")
    assert await world.rows(waiting) == []


async def test_staff_look_at_a_course_as_learners_do_and_nothing_is_counted(visit: Visit, school: School, world: World) -> None:
    course_id, unit_id = school.ids["course"], school.ids["unit"]
    visitor = visit("tutor")
    before = await count_events(world)

    page = await visitor.open(f"/app/learning/{course_id}")
    unit = await visitor.open(f"/app/learning/{course_id}/units/{unit_id}")

    assert "nothing is counted or stored" in page.text
    assert "Nothing is counted or stored." in unit.text
    assert page.soup.select("main form") == []
    assert unit.soup.select("main form") == []
    assert unit.soup.find("script", src=lambda source: source is not None and "unit.js" in source) is None
    refused = await visitor.submit(f"/app/learning/{course_id}/units/{unit_id}/complete")
    assert refused.status == 403
    assert await count_events(world) == before
    assert await world.rows(select(unit_progress.c.unit_id)) == []


# One unit


async def test_a_unit_is_marked_complete_and_leads_on(visit: Visit, school: School, world: World) -> None:
    course, learner = await make_course(world), school.people["learner"]
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    visitor, (one, two) = visit("learner"), course.units[:2]
    path = f"/app/learning/{course.id}/units/{one.id}"

    page = await visitor.open(path)
    assert page.soup.select_one("a[rel=prev]") is None
    after = page.soup.select_one("a[rel=next]")
    assert after is not None
    assert after["href"] == f"/app/learning/{course.id}/units/{two.id}"
    shown = await visitor.fill(page, f"{path}/complete")

    assert "You have completed “One”." in shown.text
    assert "Continue Two" in shown.text
    assert shown.soup.find("form", action=f"{path}/complete") is None
    assert await world.rows(select(unit_progress.c.unit_id, unit_progress.c.status)) == [(one.id, "COMPLETED")]


@pytest.mark.parametrize("path", ["units/999999", "units/none", "assessments/999999"])
async def test_what_is_not_in_the_course_is_not_found(visit: Visit, school: School, path: str) -> None:
    assert (await visit("learner").open(f"/app/learning/{school.ids['course']}/{path}")).status == 404


# Certificates


async def test_certificates_are_listed_with_their_links(visit: Visit, school: School, world: World) -> None:
    owner = await world.user(Role.INSTRUCTOR)
    course = await make_course(world, NewUnit("One"), owner=owner)
    visitor, learner = visit("learner"), school.people["learner"]
    assert "You have not completed a course yet." in (await visitor.open("/app/certificates")).text
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    await visitor.submit(f"/app/learning/{course.id}/units/{course.units[0].id}/complete")
    assert "No certificate has been issued" in (await visitor.open("/app/certificates")).text

    change = StatusChange(EnrollmentStatus.CERTIFIED, "https://certificates.example/7")
    tutor = Caller(owner.id, Role.INSTRUCTOR)
    await world.write(world.services.enrollments.set_status, tutor, course.id, learner.id, change)

    shown = await visitor.open("/app/certificates")
    link = shown.soup.find("a", string="Open the certificate")
    assert link is not None
    assert link["href"] == "https://certificates.example/7"


# Hostile texts


async def test_no_text_of_a_course_is_rendered_as_html(visit: Visit, school: School, world: World) -> None:
    owner = await world.user(Role.INSTRUCTOR)
    await world.write(world.services.accounts.change_profile, owner.id, name=HOSTILE)
    course = await make_course(
        world,
        NewUnit(HOSTILE, kind="page"),
        NewUnit(HOSTILE),
        owner=owner,
        title=HOSTILE,
        description=HOSTILE,
        subject=HOSTILE[:100],
        level=HOSTILE[:100],
        assessments=(NewAssessment(HOSTILE, description=HOSTILE),),
    )
    learner, visitor = school.people["learner"], visit("learner")
    task = f"/app/learning/{course.id}/assessments/{course.assessments[0].id}"
    unit = f"/app/learning/{course.id}/units/{course.units[0].id}"
    for path in ("/app/catalogue", f"/app/learning/{course.id}"):
        assert_is_text(await visitor.open(path))
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    await visitor.submit(task, {"submission_url": "https://github.com/a?x='1'"})
    submission, _ = await world.write(
        world.services.assessments.submit, Caller(learner.id, Role.PARTICIPANT), course.assessments[0].id, URL
    )
    tutor = Caller(owner.id, Role.INSTRUCTOR)
    await world.write(world.services.assessments.grade, tutor, submission.id, NewGrade(1, HOSTILE))

    for path in ("/app/learning", f"/app/learning/{course.id}", unit, task, "/app/messages", "/app/catalogue?q=%3Cscript%3E"):
        assert_is_text(await visitor.open(path))
    assert_is_text(await visitor.submit(f"{unit}/complete"))


def assert_is_text(shown: Shown) -> None:
    assert shown.status == 200
    assert [each for each in shown.soup.find_all("script") if not each.get("src")] == []
    assert shown.soup.find("img", src="x") is None
    # Neither is it a template.
    assert ">49" not in shown.html


@pytest.mark.parametrize("role", ["nobody", "stranger", "other tutor"])
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/app/learning/{course}/leave", {}),
        ("/app/learning/{hidden_course}/enroll", {}),
        ("/app/learning/{course}/units/{unit}/complete", {}),
        ("/app/learning/{course}/units/{unit}/answers", {"answer0": "1"}),
        ("/app/learning/{course}/assessments/{assessment}", {"submission_url": URL}),
        ("/app/messages/{learner_id}", {"message": "Hello"}),
        ("/app/messages/{learner_id}/read", {}),
    ],
)
async def test_who_is_not_enrolled_changes_nothing(
    visit: Visit, school: School, world: World, role: str, path: str, fields: dict[str, str]
) -> None:
    hidden = await make_course(world, is_published=False)
    school.ids["hidden_course"] = str(hidden.id)
    counted = (enrollments, learner_activity_logs, unit_progress, submissions, messages)
    before = [await world.rows(select(func.count()).select_from(table)) for table in counted]

    shown = await visit(role).submit(school.filled(path), fields)

    assert shown.path == "/app/sign-in" if role == "nobody" else shown.status in {403, 404}
    assert [await world.rows(select(func.count()).select_from(table)) for table in counted] == before


@pytest.mark.parametrize("header", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}])
async def test_another_site_does_nothing_in_a_learners_name(
    visit: Visit, school: School, world: World, header: dict[str, str]
) -> None:
    path = f"/app/learning/{school.ids['course']}/leave"

    shown = await visit("learner").submit(path, {}, **header)

    assert shown.status == 403
    of_learner = select(enrollments.c.status).where(enrollments.c.user_id == school.people["learner"].id)
    assert await world.rows(of_learner) == [("ENROLLED",)]
