"""The record of one learner: what its staff reads is what is stored, and reading changes nothing."""

from datetime import UTC
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from headway.accounts.model import User
from headway.assessments.model import NewGrade
from headway.courses.completion import EngagementMetrics
from headway.courses.model import CourseTree, NewAssessment
from headway.db.types import metadata
from headway.enrollments.tables import enrollments
from headway.errors import Forbidden, HeadwayError, NotFound
from headway.identity import Caller, Role
from headway.instants import HOUR, MINUTE
from headway.learning.model import ActivityType, Event, Report
from headway.learning.tables import learner_activity_logs
from headway.reports.learner_model import Entry, Happening
from headway.reports.learner_record import LearnerRecord
from tests.world import NOON, World


class Case(NamedTuple):
    """A learner who studied two units, handed work in twice and wrote with the tutor."""

    world: World
    course: CourseTree
    tutor: Caller
    learner: User

    async def read(self, caller: Caller | None = None, user_id: int | None = None) -> LearnerRecord:
        read = self.world.services.learner_records.read
        return await self.world.read(read, caller or self.tutor, self.course.id, user_id or self.learner.id)

    async def timeline(self, limit: int) -> list[Entry]:
        """Read the timeline page by page."""
        record, shown, before = await self.read(), [], None
        while True:
            read = self.world.services.learner_records.timeline
            page = await self.world.read(read, self.tutor, record, before=before, limit=limit)
            shown += page.entries
            if page.next is None:
                return shown
            before = page.next


@pytest.fixture
async def case(world: World) -> Case:
    course = await world.course(assessments=(NewAssessment("Essay", due_at=NOON + 30 * HOUR, max_grade=20),))
    learner, tutor = await world.learner(course), Caller(course.owner_id, Role.INSTRUCTOR)
    made = Case(world, course, tutor, learner)
    viewed, timed = course.units[1], course.units[2]
    await study(made, timed.id, start=NOON + HOUR, minutes=20)
    await study(made, viewed.id, start=NOON + HOUR + 10 * MINUTE, minutes=30)
    await study(made, timed.id, start=NOON + 25 * HOUR, minutes=5)
    services, essay, by = world.services, course.assessments[0].id, Caller(learner.id, Role.PARTICIPANT)
    world.clock.now = NOON + 28 * HOUR
    await world.write(services.assessments.submit, by, essay, "https://github.com/a/first")
    world.clock.now = NOON + 31 * HOUR
    newest, _ = await world.write(services.assessments.submit, by, essay, "https://github.com/a/second")
    world.clock.now += HOUR
    await world.write(services.assessments.grade, tutor, newest.id, NewGrade(14, "Well done"))
    await world.write(services.messaging.send, tutor.user_id, learner.id, "How is it going?")
    world.clock.now += HOUR
    await world.write(services.messaging.send, learner.id, tutor.user_id, "Fine")
    return made


async def study(case: Case, unit_id: int, *, start: int, minutes: int) -> None:
    end = start + minutes * MINUTE
    case.world.clock.now = end
    event = Event(
        f"{unit_id} at {start}", ActivityType.UNIT_VIEW, case.course.id, unit_id=unit_id, start_time=start, end_time=end
    )
    ((verdict,),) = await case.world.write(case.world.services.tracking.record, [Report(case.learner.id, end, (event,))], end)
    assert verdict.outcome == "accepted"


async def test_study_time_is_that_of_the_enrollment_and_of_the_events(case: Case) -> None:
    record = await case.read()

    of_events = select(learner_activity_logs.c.start_time, learner_activity_logs.c.end_time)
    minutes = {at for start, end in await case.world.rows(of_events) for at in range(start, end, MINUTE)}
    ((stored,),) = await case.world.rows(select(enrollments.c.study_ms))
    by_day = record.study_by_day(UTC)
    assert stored == len(minutes) * MINUTE == sum(by_day.values())
    assert [(day.isoformat(), ms // MINUTE) for day, ms in by_day.items()] == [("2026-01-01", 40), ("2026-01-02", 5)]
    assert [day.isoformat() for day in record.study_by_day(ZoneInfo("Pacific/Auckland"))] == ["2026-01-02", "2026-01-03"]


async def test_timeline_tells_what_happened_newest_first(case: Case) -> None:
    viewed, timed = case.course.units[1].id, case.course.units[2].id

    entries = await case.timeline(limit=50)

    assert [(each.kind, each.unit_id or each.text or each.at - NOON) for each in entries] == [
        (Happening.MESSAGE_RECEIVED, "Fine"),
        (Happening.MESSAGE_SENT, "How is it going?"),
        (Happening.GRADED, 32 * HOUR),
        (Happening.SUBMITTED, 31 * HOUR),
        (Happening.SUBMITTED, 28 * HOUR),
        (Happening.UNIT_COMPLETED, viewed),
        (Happening.UNIT_COMPLETED, timed),
        (Happening.UNIT_STARTED, viewed),
        (Happening.UNIT_STARTED, timed),
        (Happening.ENROLLED, 0),
    ]
    assert [each.work.is_late for each in entries if each.work] == [True, True, False]
    starts = {each.unit_id: each.at for each in entries if each.kind is Happening.UNIT_STARTED}
    assert starts == {timed: NOON + HOUR, viewed: NOON + HOUR + 10 * MINUTE}


async def test_what_was_told_late_is_shown_when_it_happened(case: Case) -> None:
    scrolled, at = case.course.units[3].id, NOON + 2 * HOUR
    metrics = EngagementMetrics(scroll_depth=100)
    event = Event("late", ActivityType.UNIT_VIEW, case.course.id, unit_id=scrolled, end_time=at, metrics=metrics)
    now = case.world.clock.now = NOON + 50 * HOUR

    await case.world.write(case.world.services.tracking.record, [Report(case.learner.id, now, (event,))], now)

    shown = {each.kind: each.at for each in await case.timeline(limit=50) if each.unit_id == scrolled}
    assert shown == {Happening.UNIT_STARTED: at, Happening.UNIT_COMPLETED: at}


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_of_the_timeline_leave_nothing_out(case: Case, limit: int) -> None:
    for text in ("One", "Two", "Three"):  # all within one millisecond
        await case.world.write(case.world.services.messaging.send, case.tutor.user_id, case.learner.id, text)

    entries = await case.timeline(limit=limit)

    assert [each.key for each in entries] == [each.key for each in await case.timeline(limit=100)]
    assert {"One", "Two", "Three", "Fine"} <= {each.text for each in entries}


async def test_messages_with_others_are_not_shown(case: Case) -> None:
    colleague = await case.world.user(Role.INSTRUCTOR)
    record = await case.read(Caller(colleague.id, Role.ADMIN))
    timeline = case.world.services.learner_records.timeline

    shown = await case.world.read(timeline, Caller(colleague.id, Role.ADMIN), record, limit=50)

    assert not any(each.kind in {Happening.MESSAGE_SENT, Happening.MESSAGE_RECEIVED} for each in shown.entries)


async def test_reading_changes_no_stored_row(case: Case) -> None:
    before = await everything(case.world)

    await case.read()
    await case.timeline(limit=3)

    assert await everything(case.world) == before


async def everything(world: World) -> dict[str, list[Any]]:
    """Return all rows of all tables, but for the log of who was shown what."""
    tables = [table for table in metadata.sorted_tables if table.name != "disclosures"]
    return {table.name: sorted(map(repr, await world.rows(select(table)))) for table in tables}


@pytest.mark.parametrize(
    ("who", "error", "code"),
    [
        ("learner", Forbidden, "FORBIDDEN"),
        ("peer", Forbidden, "FORBIDDEN"),
        ("other tutor", Forbidden, "FORBIDDEN"),
        ("unknown user", NotFound, "USER_NOT_FOUND"),
        ("not enrolled", NotFound, "NOT_ENROLLED"),
    ],
)
async def test_only_staff_reads_and_only_of_learners_of_the_course(
    case: Case, who: str, error: type[HeadwayError], code: str
) -> None:
    caller, user_id = case.tutor, case.learner.id
    match who:
        case "learner":
            caller = Caller(case.learner.id, Role.PARTICIPANT)
        case "peer":
            caller = Caller((await case.world.learner(case.course)).id, Role.PARTICIPANT)
        case "other tutor":
            caller = Caller((await case.world.user(Role.INSTRUCTOR)).id, Role.INSTRUCTOR)
        case "unknown user":
            user_id = 999_999
        case _:
            user_id = (await case.world.user()).id

    with pytest.raises(error) as raised:
        await case.read(caller, user_id)

    assert raised.value.kind == code
