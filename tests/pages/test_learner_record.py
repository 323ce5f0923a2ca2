"""The page of one learner over HTTP: what it shows is what is stored, and looking changes nothing."""

import csv
import re
from io import StringIO
from typing import Any

import pytest
from sqlalchemy import select

from headway.assessments.model import NewGrade
from headway.db.types import metadata
from headway.enrollments.tables import enrollments
from headway.identity import Caller, Role
from headway.instants import HOUR, MINUTE
from headway.learning.model import ActivityType, Event, Report
from headway.messaging.tables import messages
from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.pages.visitor import Shown, Visitor
from tests.world import NOON, World

PATH = "/app/courses/{course}/learners/{learner_id}"
HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'


@pytest.fixture
def path(school: School) -> str:
    filled: str = school.filled(PATH)
    return filled


async def study(world: World, school: School, unit: str, *, start: int, minutes: int) -> None:
    end = start + minutes * MINUTE
    world.clock.now = end
    event = Event(
        f"at {start}",
        ActivityType.UNIT_VIEW,
        int(school.ids["course"]),
        unit_id=int(school.ids[unit]),
        start_time=start,
        end_time=end,
    )
    report = Report(int(school.ids["learner_id"]), end, (event,))
    await world.write(world.services.tracking.record, [report], end)


async def test_figures_and_calendar_are_what_is_stored(world: World, school: School, visit: Visit, path: str) -> None:
    await study(world, school, "unit", start=NOON + HOUR, minutes=50)
    await study(world, school, "unit", start=NOON + 25 * HOUR, minutes=15)
    tutor = visit("tutor")
    tutor.client.cookies.set("headway-zone", "America/New_York", domain="headway.test")

    page = await tutor.open(path)

    of_learner = enrollments.c.user_id == int(school.ids["learner_id"])
    ((percent, study_ms),) = await world.rows(select(enrollments.c.percent, enrollments.c.study_ms).where(of_learner))
    assert page.status == 200, page.text
    cards = [" ".join(card.get_text(" ").split()) for card in page.soup.select("#figures .figure")]
    assert cards[:3] == [f"{percent // 100}%", "0 / 3", "1 h 5 min"]
    assert study_ms == 65 * MINUTE
    days = [[cell.get("data-value") for cell in row.find_all(["th", "td"])] for row in page.soup.select("#study tbody tr")]
    assert days == [["2026-01-01", str(50 * MINUTE)], ["2026-01-02", str(15 * MINUTE)]]
    assert [row[0] for row in page.rows("#study tbody tr")] == ["Jan 1, 2026", "Jan 2, 2026"]
    assert await download(tutor, f"{path}/study.csv") == [
        ["Day", "Study time (minutes)"],
        ["2026-01-01", "50.0"],
        ["2026-01-02", "15.0"],
    ]


async def download(visitor: Visitor, path: str) -> list[list[str]]:
    answer = await visitor.client.get(path)
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.reader(StringIO(answer.content.decode("utf-8-sig"))))


async def test_each_unit_says_why(world: World, school: School, visit: Visit, path: str) -> None:
    await study(world, school, "unit", start=NOON + HOUR, minutes=5)

    page = await visit("tutor").open(path)

    rows = page.rows("#units tbody tr")
    assert [(row[0].split()[0], row[1], row[2], row[3]) for row in rows] == [
        ("One", "begun", "0%", "5 min"),
        ("Two", "not begun", "0%", "0 s"),
        ("Three", "not begun", "0%", "0 s"),
    ]
    assert "It has not been marked yet." in rows[0][0]
    header, *downloaded = await download(visit("tutor"), f"{path}/units.csv")
    assert header == ["Unit", "Status", "Progress (%)", "Study time (minutes)", "Completed"]
    assert downloaded == [
        ["One", "IN_PROGRESS", "0.0", "5.0", ""],
        ["Two", "NOT_STARTED", "0.0", "0.0", ""],
        ["Three", "NOT_STARTED", "0.0", "0.0", ""],
    ]
    assert "the mean of the 3 required units: 0% divided by 3 is 0%" in page.text


async def test_optional_units_that_are_not_begun_are_folded_away(world: World, visit: Visit) -> None:
    course = await world.course()
    learner, owner = await world.learner(course), await world.find_user(course.owner_id)
    tutor = visit("tutor")
    tutor.client.cookies.set("headway-access", world.services.tokens.issue(owner), domain="headway.test")
    path = f"/app/courses/{course.id}/learners/{learner.id}"
    folded = (await tutor.open(path)).soup.select("#units .others")

    (text,) = [" ".join(each.get_text(" ").split()) for each in folded]
    assert text.startswith("1 optional unit that is not begun")
    assert "Extra optional" in text
    end = world.clock()
    event = Event("seen", ActivityType.UNIT_VIEW, course.id, unit_id=course.units[-1].id, end_time=end)
    await world.write(world.services.tracking.record, [Report(learner.id, end, (event,))], end)
    page = await tutor.open(path)
    assert page.soup.select("#units .others") == []
    assert page.rows("#units tbody tr")[-1][0].startswith("Extra optional")


async def test_work_is_shown_with_its_grade_and_feedback(world: World, school: School, visit: Visit, path: str) -> None:
    staff = Caller(int(school.ids["tutor_id"]), Role.INSTRUCTOR)
    tutor = visit("tutor")
    assert "not graded yet" in (await tutor.open(path)).text
    await world.write(world.services.assessments.grade, staff, school.ids["submission"], NewGrade(7.5, HOSTILE))

    page = await tutor.open(path)

    (work,) = page.soup.select("#work .entry")
    text = " ".join(work.get_text(" ").split())
    assert text.startswith("Task 7.5 / 10")
    assert HOSTILE in text
    assert [link["href"] for link in work.find_all("a")][1:] == ["https://github.com/ada/engine"]
    assert "Task was graded: 7.5 / 10" in page.text
    assert "75% 1 of 1 graded" in page.text


async def test_a_message_is_sent_and_what_was_typed_is_kept(world: World, school: School, visit: Visit, path: str) -> None:
    tutor = visit("tutor")
    page = await tutor.open(path)

    sent = await tutor.fill(page, f"{path}/message", message=f"Hello {HOSTILE}")

    assert (sent.status, sent.path) == (200, path)
    assert "Message sent." in sent.text
    assert f"You wrote Hello {HOSTILE}" in sent.text
    assert sent.soup.find("script", string=re.compile("alert")) is None
    assert not sent.soup.select("main img")
    refused = await tutor.fill(page, f"{path}/message", message=" " * 5)
    assert refused.status == 422
    assert refused.values(f"{path}/message") == {"message": [" " * 5]}
    assert refused.soup.select_one("#message-error") is not None
    assert len(await world.rows(select(messages).where(messages.c.sender_id == int(school.ids["tutor_id"])))) == 2


async def test_who_needs_attention_is_shown_with_why_and_what_to_write(
    world: World, school: School, visit: Visit, path: str
) -> None:
    await study(world, school, "unit", start=NOON + HOUR, minutes=5)
    assert (await visit("tutor").open(path)).soup.select_one(".listed") is None
    world.clock.advance(seconds=9 * 24 * 3600)
    tutor = visit("tutor")

    page = await tutor.open(path)

    (listed,) = page.soup.select(".listed")
    assert "not seen for 9 days" in " ".join(listed.get_text(" ").split())
    (text,) = page.values(f"{path}/message")["message"]
    assert text.startswith("Hello PARTICIPANT 2,")
    sent = await tutor.fill(page, f"{path}/message")
    assert "Message sent." in sent.text
    assert "Messaged just now." in sent.text
    again = await tutor.fill(sent, f"{path}/message")
    assert (again.status, again.values(f"{path}/message")["message"]) == (422, [text])


async def test_a_note_is_seen_by_staff_and_deleted_by_its_author(visit: Visit, school: School, path: str) -> None:
    tutor, admin = visit("tutor"), visit("admin")
    added = await tutor.fill(await tutor.open(path), f"{path}/note", text=f"Call {HOSTILE}")
    assert "Note added." in added.text
    (delete,) = [str(form["action"]) for form in added.soup.select("form") if str(form["action"]).endswith("/delete")]
    seen = await admin.open(path)

    assert f"Call {HOSTILE}" in seen.text
    assert "/delete" not in seen.html
    assert (await admin.submit(delete)).status == 404
    assert (await visit("other tutor").submit(delete)).status == 403
    assert "Note deleted." in (await tutor.submit(delete)).text
    assert "Call" not in (await admin.open(path)).text
    refused = await tutor.fill(added, f"{path}/note", text=" ")
    assert (refused.status, refused.values(f"{path}/note")) == (422, {"text": [" "]})


async def test_the_timeline_is_paged_by_links(world: World, school: School, visit: Visit, path: str) -> None:
    tutor = visit("tutor")
    for number in range(25):
        world.clock.advance(seconds=60)
        await tutor.submit(f"{path}/message", {"message": f"Message {number}"})
    page = await tutor.open(path)
    shown = [" ".join(item.get_text(" ").split()) for item in page.soup.select(".timeline li")]

    older = page.soup.select_one('#timeline a[href*="before="]')
    assert older is not None
    next_page = await tutor.open(str(older["href"]))

    rest = [" ".join(item.get_text(" ").split()) for item in next_page.soup.select(".timeline li")]
    assert [text.split()[3] for text in [*shown, *rest] if text.startswith("You wrote")] == [str(n) for n in range(24, -1, -1)]
    assert any("Handed in Task" in text for text in rest)
    assert rest[-1].startswith("Enrolled")
    assert (await tutor.open(f"{path}?before=nonsense")).status == 400


async def test_to_look_changes_no_stored_row(world: World, school: School, visit: Visit, path: str) -> None:
    await study(world, school, "unit", start=NOON + HOUR, minutes=5)
    tutor = visit("tutor")
    before = await everything(world)

    for _ in range(2):
        assert (await tutor.open(path)).status == 200

    assert await everything(world) == before


async def everything(world: World) -> dict[str, list[Any]]:
    """Return all rows of all tables, but for the log of who was shown what."""
    tables = [table for table in metadata.sorted_tables if table.name != "disclosures"]
    return {table.name: sorted(map(repr, await world.rows(select(table)))) for table in tables}


@pytest.mark.parametrize(
    "wrong", ["/app/courses/{course}/learners/{stranger_id}", "/app/courses/{course}/learners/0", "/app/courses/x/learners/1"]
)
async def test_who_is_not_in_the_course_is_not_found(school: School, visit: Visit, wrong: str) -> None:
    assert (await visit("tutor").open(school.filled(wrong))).status == 404


async def test_only_staff_writes(world: World, school: School, visit: Visit, path: str) -> None:
    before = await world.rows(select(messages))

    for role in ("learner", "peer", "other tutor", "stranger", "nobody"):
        answered = await visit(role).submit(f"{path}/message", {"message": "Hello"})
        assert answered.status in {403, 404} or answered.path == "/app/sign-in", role

    assert await world.rows(select(messages)) == before


async def test_a_learner_is_removed_certified_or_loses_access_along_the_status_machine(
    world: World, school: School, visit: Visit, path: str
) -> None:
    tutor = visit("tutor")

    async def status() -> str:
        of_learner = enrollments.c.user_id == school.people["learner"].id
        return str((await world.rows(select(enrollments.c.status).where(of_learner)))[0][0])

    def offered(shown: Shown) -> list[str]:
        return [str(each["value"]) for each in shown.soup.select("button[name=status]")]

    assert offered(await tutor.open(path)) == ["DROPPED", "EXPIRED"]
    refused = await tutor.submit(f"{path}/status", {"status": "CERTIFIED"})
    assert (refused.status, await status()) == (409, "ENROLLED")

    removed = await tutor.submit(f"{path}/status", {"status": "DROPPED"})
    assert "The enrollment is changed." in removed.text
    assert (offered(removed), await status()) == (["EXPIRED"], "DROPPED")
    for role in ("learner", "peer", "other tutor"):
        assert (await visit(role).submit(f"{path}/status", {"status": "EXPIRED"})).status in {403, 404}

    await world.write(world.services.enrollments.enroll, school.people["learner"].id, int(school.ids["course"]))
    for module in ("module", "second_module"):
        done = f"/api/v1/learner/me/progress/{school.ids['course']}"
        assert (await school.ask("learner", "PATCH", done, {"moduleId": school.ids[module]})).is_success
    assert "CERTIFIED" in offered(await tutor.open(path))
    wrong = await tutor.submit(f"{path}/status", {"status": "CERTIFIED", "certificate_url": "javascript:alert(1)"})
    assert (wrong.status, await status()) == (422, "COMPLETED")
    assert wrong.values(f"{path}/status")["certificate_url"] == ["javascript:alert(1)"]
    await tutor.submit(f"{path}/status", {"status": "CERTIFIED", "certificate_url": "https://certificates.example/1"})
    assert await status() == "CERTIFIED"
    assert offered(await tutor.open(path)) == []


async def test_access_is_limited_extended_and_renewed(world: World, school: School, visit: Visit, path: str) -> None:
    tutor = visit("tutor")
    of_learner = enrollments.c.user_id == int(school.ids["learner_id"])
    stored = select(enrollments.c.status, enrollments.c.access_until).where(of_learner)
    assert "Access has no end." in (await tutor.open(path)).text

    for fields, message in (
        ({}, "must be given, or a time, but not both"),
        ({"days": "1", "until": "2026-02-01T10:00"}, "must be given, or a time, but not both"),
        ({"until": "2025-02-01T10:00"}, "must be in the future"),
        ({"until": "soon"}, "must be a date and a time"),
    ):
        refused = await tutor.submit(f"{path}/access", fields)
        assert refused.status == 422
        assert message in refused.text
    assert (await tutor.submit(f"{path}/access", {"days": "1"})).status == 409, "there is no end to extend"

    limited = await tutor.submit(f"{path}/access", {"until": "2026-02-01T12:00"})
    assert "The access is changed." in limited.text
    assert "Access until" in limited.text
    assert await world.rows(stored) == [("ENROLLED", NOON + 31 * 24 * HOUR)]
    await tutor.submit(f"{path}/access", {"days": "10"})
    assert await world.rows(stored) == [("ENROLLED", NOON + 41 * 24 * HOUR)]
    ended = await tutor.submit(f"{path}/status", {"status": "EXPIRED"})
    assert "Renew the access" in ended.text
    await tutor.submit(f"{path}/access", {"days": "5"})
    assert await world.rows(stored) == [("ENROLLED", NOON + 5 * 24 * HOUR)], "from now on"
    assert (await visit("learner").submit(f"{path}/access", {"days": "5"})).status == 403
