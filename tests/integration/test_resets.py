"""Staff reset progress and undo it: what stays, what is told, what arrives late, and what verify says of changed rows."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from headway.audit.model import EntryFilter
from headway.courses.completion import Completion, Rule
from headway.courses.model import NewUnit
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.enrollments.tables import enrollments
from headway.errors import Conflict, Forbidden, NotFound
from headway.identity import Caller, Role
from headway.instants import DAY, HOUR, SECOND
from headway.learning.model import ActivityType, Event, Heartbeat, Outcome, Report
from headway.learning.reads import explain_progress
from headway.learning.reset_model import Attempt, Reset, ResetRequest
from headway.learning.tables import resets, set_aside_days
from headway.learning.unit_progress import UnitStatus
from headway.paging.service import Walk
from tests.integration.archives import archive, verify
from tests.integration.classroom import Classroom, classroom
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course, unchanged_unit
from tests.integration.receivers import Hooks
from tests.world import World

VIEWED, MINUTE_OF_STUDY = Completion(Rule.VIEWED), Completion(Rule.TIME, 60)
ALL = ResetRequest()
CERTIFICATE = "https://certificates.example.org/1"


class Desk:
    """The staff of a classroom at work."""

    def __init__(self, room: Classroom) -> None:
        self.room, self.world = room, room.world
        self.staff = Caller(room.course.owner_id, Role.INSTRUCTOR)
        self.where = self.staff, room.course.id, room.learner.id

    def unit_id(self, place: int) -> int:
        return self.room.course.units[place].id

    async def reset(self, request: ResetRequest = ALL) -> Reset:
        self.world.clock.advance(seconds=60)
        made = await self.world.write(self.world.services.resetting.reset, *self.where, request)
        self.world.clock.advance(seconds=60)
        return made

    async def undo(self, reset: Reset) -> Reset:
        return await self.world.write(self.world.services.resetting.undo, *self.where, reset.id)

    async def attempts(self, caller: Caller | None = None) -> list[Attempt]:
        learner_id, course_id = self.room.learner.id, self.room.course.id
        return await self.world.read(self.world.services.resets.read_attempts, caller or self.staff, course_id, learner_id)

    async def certify(self) -> None:
        change = StatusChange(EnrollmentStatus.CERTIFIED, CERTIFICATE)
        await self.world.write(self.world.services.enrollments.set_status, *self.where, change)

    async def enrolled(self) -> Any:
        found = await self.world.read(self.world.services.enrollments.find, self.room.learner.id, self.room.course.id)
        assert found is not None
        return found

    def studied(self, name: str, seconds: int, *, unit: int = 0, ago: int = 0) -> Event:
        """An event that ended so many seconds ago, after study."""
        end = self.world.clock() - ago * SECOND
        unit_id = self.unit_id(unit)
        kind, start = ActivityType.LINK_CLICK, end - seconds * SECOND
        return Event(name, kind, self.room.course.id, unit_id=unit_id, start_time=start, end_time=end)


async def desk(world: World, *completions: Completion) -> Desk:
    return Desk(await classroom(world, *completions))


async def refusal(reset: Any) -> str:
    with pytest.raises((Conflict, NotFound, Forbidden)) as raised:
        await reset
    return raised.value.kind


async def test_what_was_done_before_a_reset_and_is_told_after_it_counts_once_it_is_undone(world: World) -> None:
    at = await desk(world, VIEWED)
    view = at.room.view(0)
    late = Event("late", view.activity_type, view.course_id, unit_id=view.unit_id, end_time=world.clock() - HOUR)
    await at.room.record(at.studied("begun", 30))
    made = await at.reset()

    assert await at.room.record(late, late) == [Outcome.ACCEPTED, Outcome.DUPLICATE]
    assert await at.room.unit_percent(0) == (0, "NOT_STARTED")
    assert await differences(world) == []

    await at.undo(made)
    assert await at.room.unit_percent(0) == (10_000, "COMPLETED")
    assert await at.room.record(late) == [Outcome.DUPLICATE]
    assert await differences(world) == []


async def test_kept_study_time_is_shown_and_does_not_count_for_the_rule(world: World) -> None:
    at = await desk(world, MINUTE_OF_STUDY)
    await at.room.record(at.studied("hour", 3600))
    await at.reset()

    explained = await world.read(explain_progress, at.room.learner.id, at.room.course.id, now=world.clock())
    assert (explained.units[0].study_ms, explained.units[0].counted_study_ms) == (HOUR, 0)
    assert explained.units[0].counts_from is not None
    assert explained.units[0].missing == "60 more seconds of study"
    assert (await at.enrolled()).study_ms == HOUR

    await at.room.record(at.studied("again", 30))
    assert await at.room.unit_percent(0) == (5_000, "IN_PROGRESS")
    assert await differences(world) == []


async def test_study_time_that_is_not_kept_leaves_all_sums_and_comes_back(world: World) -> None:
    at = await desk(world, VIEWED, VIEWED)
    await at.room.record(at.studied("first", 3600), at.studied("second", 600, unit=1, ago=7200))
    made = await at.reset(ResetRequest(unit_id=at.unit_id(0), keeps_study=False))
    assert (await at.enrolled()).study_ms == 600 * SECOND

    # A heartbeat that begins before the reset and one that lies before it altogether.
    beats = [
        Heartbeat(
            at.room.course.id, is_active=True, unit_id=at.unit_id(0), timestamp=made.counts_from + ago, active=30 * SECOND
        )
        for ago in (10 * SECOND, -90 * SECOND)
    ]
    report = Report(at.room.learner.id, world.clock(), tuple(beats))
    await world.write(world.services.tracking.record, [report], world.clock())
    assert (await at.enrolled()).study_ms == 610 * SECOND
    assert await differences(world) == []

    await at.undo(made)
    assert (await at.enrolled()).study_ms == (3600 + 600 + 30) * SECOND
    assert await world.rows(select(set_aside_days)) == []
    assert await differences(world) == []


async def test_a_certificate_stays_and_a_completed_course_is_in_progress_again(world: World) -> None:
    at = await desk(world, VIEWED)
    await at.room.record(at.room.view(0))
    await at.certify()
    certified = await at.enrolled()
    made = await at.reset()

    enrolled = await at.enrolled()
    assert (enrolled.status, enrolled.certificate_url) == (EnrollmentStatus.IN_PROGRESS, CERTIFICATE)
    assert enrolled.completed_at is None
    finished = await world.read(world.services.learning.list_finished, at.room.learner.id)
    assert [each.certificate_link for each, _ in finished] == [CERTIFICATE]
    assert await differences(world) == []

    await at.undo(made)
    restored = await at.enrolled()
    assert (restored.status, restored.completed_at) == (EnrollmentStatus.CERTIFIED, certified.completed_at)
    assert await differences(world) == []


async def test_a_completion_stays_while_the_units_of_which_it_was_are_complete(world: World) -> None:
    at = await desk(world, VIEWED)
    await at.room.record(at.room.view(0))
    await at.room.change_units([unchanged_unit(at.room.course.units[0]), NewUnit("Added", completion=VIEWED)])
    await at.room.record(at.room.view(1))

    await at.reset(ResetRequest(unit_id=at.unit_id(1)))
    enrolled = await at.enrolled()
    assert (enrolled.status, enrolled.percent) == (EnrollmentStatus.COMPLETED, 5_000)
    assert await differences(world) == []

    made = await at.reset(ResetRequest(unit_id=at.unit_id(0)))
    assert (await at.enrolled()).status is EnrollmentStatus.IN_PROGRESS
    await at.undo(made)
    assert (await at.enrolled()).status is EnrollmentStatus.COMPLETED
    assert await differences(world) == []


async def test_whoever_completed_long_ago_has_the_days_of_access_anew(world: World) -> None:
    at = await desk(world, VIEWED)
    await at.room.record(at.room.view(0))
    before = await at.enrolled()
    async with world.database.write() as tx:
        await tx.run(update(enrollments).values(access_until=world.clock() + DAY))
    world.clock.advance(seconds=40 * 86_400)
    made = await at.reset()

    renewed = await at.enrolled()
    assert renewed.is_open(world.clock())
    assert renewed.enrolled_at == made.reset_at
    assert await differences(world) == []
    await at.undo(made)
    restored = await at.enrolled()
    assert (restored.enrolled_at, restored.access_until) == (before.enrolled_at, before.enrolled_at + DAY)
    assert await differences(world) == []


async def test_a_yearly_attempt_keeps_the_one_before_readable(world: World) -> None:
    at = await desk(world, VIEWED, MINUTE_OF_STUDY)
    await at.room.record(at.room.view(0), at.studied("minute", 60, unit=1))
    await at.certify()
    world.clock.advance(seconds=365 * 86_400)
    first = await at.reset(ResetRequest(is_attempt=True, keeps_study=False, reason="2027"))
    await at.room.record(at.room.view(0, "again"))

    learner = Caller(at.room.learner.id, Role.PARTICIPANT)
    second_attempt, first_attempt = await at.attempts(learner)
    assert (first_attempt.number, first_attempt.status, first_attempt.percent) == (1, EnrollmentStatus.CERTIFIED, 10_000)
    assert (first_attempt.certificate_url, first_attempt.study_ms) == (CERTIFICATE, 60 * SECOND)
    assert [unit.status for unit in first_attempt.units] == [UnitStatus.COMPLETED] * 2
    assert (first_attempt.ended_at, first_attempt.reset_id) == (first.reset_at, first.id)
    assert (second_attempt.number, second_attempt.percent, second_attempt.study_ms) == (2, 5_000, 0)
    assert (await at.enrolled()).enrolled_at == first.reset_at

    # What arrives late stays out of an attempt that has ended.
    late = Event("late", ActivityType.UNIT_VIEW, at.room.course.id, unit_id=at.unit_id(1), end_time=first.reset_at - HOUR)
    await at.room.record(late)
    assert (await at.attempts())[1] == first_attempt
    assert await differences(world) == []


async def test_webhooks_are_told_of_a_reset_and_of_no_completion_twice_by_an_undo(world: World) -> None:
    at, hooks = await desk(world, VIEWED, VIEWED), Hooks(world)
    await hooks.subscribe()
    await at.room.record(at.room.view(0), at.room.view(1))
    made = await at.reset(ResetRequest(unit_id=at.unit_id(0)))
    await at.undo(made)
    made = await at.reset()
    await at.room.record(at.room.view(0, "again"))
    await at.undo(made)
    await hooks.send()

    done = ["unit.completed"] * 2 + ["module.completed", "course.completed"]
    assert hooks.transport.types == [
        *(*done, "progress.reset", "progress.restored", "progress.reset", "unit.completed", "progress.restored")
    ]
    told = hooks.transport.received[4].event["data"]
    assert (told["unitId"], told["moduleId"], told["newAttempt"]) == (str(at.unit_id(0)), None, False)


async def test_an_undo_announces_what_only_both_parts_together_complete(world: World) -> None:
    at, hooks = await desk(world, MINUTE_OF_STUDY), Hooks(world)
    await hooks.subscribe()
    await at.room.record(at.studied("half", 40))
    made = await at.reset()
    await at.room.record(at.studied("other half", 40))
    await hooks.send()
    assert hooks.transport.types == ["progress.reset"]

    await at.undo(made)
    await hooks.send()
    assert hooks.transport.types[1:] == ["unit.completed", "module.completed", "course.completed", "progress.restored"]
    assert await differences(world) == []


async def test_an_event_from_a_clock_that_is_ahead_is_before_the_reset_that_follows(world: World) -> None:
    at = await desk(world, VIEWED)
    view = at.room.view(0)
    ahead = Event("ahead", view.activity_type, view.course_id, unit_id=view.unit_id, sent_at=world.clock() + 100 * SECOND)
    await at.room.record(ahead)
    made = await world.write(world.services.resetting.reset, *at.where, ALL)

    assert made.counts_from > world.clock()
    assert await at.room.unit_percent(0) == (0, "NOT_STARTED")
    # A command counts by its turn.
    learner = Caller(at.room.learner.id, Role.PARTICIPANT)
    module_id = at.room.course.modules[0].id
    await world.write(world.services.learning.complete_module, learner, at.room.course.id, module_id)
    assert await at.room.unit_percent(0) == (10_000, "COMPLETED")
    assert await differences(world) == []


async def test_units_of_a_sequential_course_are_locked_again(world: World) -> None:
    at = await desk(world, VIEWED, VIEWED)
    await at.room.change(lambda tree: unchanged_course(tree, is_sequential=True))
    await at.room.record(at.room.view(0), at.room.view(1))
    await at.reset()

    explained = await world.read(explain_progress, at.room.learner.id, at.room.course.id, now=world.clock())
    assert [unit.status for unit in explained.units] == [UnitStatus.NOT_STARTED, UnitStatus.LOCKED]


async def test_archived_events_are_verified_with_the_resets_between_them(world: World, tmp_path: Path) -> None:
    at = await desk(world, VIEWED, Completion(Rule.SCROLL, 80))
    await at.room.record(at.room.view(0), at.room.scroll(1, 40))
    made = await at.reset()
    await at.room.record(at.room.scroll(1, 60))
    await archive(world, tmp_path)
    assert (await verify(world, tmp_path)).differences == []

    world.clock.now = made.reset_at + DAY
    await at.undo(made)
    assert await at.room.unit_percent(0) == (10_000, "COMPLETED")
    assert await at.room.unit_percent(1) == (7_500, "IN_PROGRESS")
    assert (await verify(world, tmp_path)).differences == []


async def test_the_log_tells_who_reset_what_and_not_why(world: World) -> None:
    at = await desk(world, VIEWED)
    await at.room.record(at.room.view(0))
    made = await at.reset(ResetRequest(unit_id=at.unit_id(0), reason="Somebody else at the keyboard"))
    await at.undo(made)

    undone, reset = await world.read(world.services.audit_log.read, Caller(1, Role.ADMIN), EntryFilter(), Walk(2, 1))
    told = {"resetId": str(made.id), "scope": "unit", "unitId": str(at.unit_id(0)), "keepStudyTime": True, "newAttempt": False}
    learner = {"courseId": str(at.room.course.id), "learnerId": str(at.room.learner.id)}
    assert [(each.action, each.metadata) for each in (reset, undone)] == [
        ("RESET_PROGRESS", learner | told),
        ("UNDO_RESET", learner | told),
    ]
    assert "keyboard" not in str(await world.rows(select(resets)))
    shown = await world.read(world.services.resets.read_resets, *at.where)
    assert shown[0].reset.reason == "Somebody else at the keyboard"


async def test_two_who_reset_at_once_reset_once(world: World) -> None:
    at = await desk(world, VIEWED)
    await at.room.record(at.room.view(0))
    first = await at.reset()
    assert await refusal(at.reset()) == "NOTHING_TO_RESET"
    await at.undo(first)
    assert await refusal(at.undo(first)) == "RESET_UNDONE"


async def test_who_is_no_staff_resets_and_reads_nothing(world: World) -> None:
    at = await desk(world, VIEWED)
    await at.room.record(at.room.view(0))
    other = await world.learner(at.room.course)
    for stranger in (Caller(at.room.learner.id, Role.PARTICIPANT), Caller(other.id, Role.PARTICIPANT)):
        at.where = stranger, at.room.course.id, at.room.learner.id
        assert await refusal(at.reset()) == "FORBIDDEN"
    assert await refusal(at.attempts(Caller(other.id, Role.PARTICIPANT))) == "FORBIDDEN"


async def test_learners_hear_nothing_of_hidden_units(world: World) -> None:
    at = await desk(world, VIEWED, VIEWED)
    await at.room.record(at.room.view(0), at.room.view(1))
    await at.reset(ResetRequest(unit_id=at.unit_id(0)))
    units = at.room.course.units
    await at.room.change_units([unchanged_unit(units[0], is_hidden=True), unchanged_unit(units[1])])

    learner = Caller(at.room.learner.id, Role.PARTICIPANT)
    own = await world.read(world.services.resets.read_resets, learner, at.room.course.id, at.room.learner.id)
    assert own == []
    (attempt,) = await at.attempts(learner)
    assert [unit.unit_id for unit in attempt.units] == [at.unit_id(1)]
