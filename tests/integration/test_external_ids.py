"""Events that name courses, modules and units by the ids of another system."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import select

from headway.accounts.model import User
from headway.courses.completion import Completion, Rule
from headway.courses.course_names import CourseNames
from headway.courses.external_ids import ExternalIds
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.db.database import ReadTransaction
from headway.identity import Caller, Role
from headway.learning.external_ids import with_courses
from headway.learning.model import ActivityType, Event, Heartbeat, Outcome, Report, Verdict
from headway.learning.tables import learner_activity_logs, unit_progress
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course
from tests.world import World

VIEWED = Completion(Rule.VIEWED)
COURSE = "course-v1:X+Y+2026"
UNIT = "https://example.org/units/1?a=b#c"
_events = select(
    *(learner_activity_logs.c[name] for name in ("event_id", "course_id", "module_id", "unit_id")),
).order_by(learner_activity_logs.c.event_id)


class Imported:
    """A course of another system, with a learner who is enrolled in it."""

    def __init__(self, world: World, course: CourseTree, learner: User) -> None:
        self.world, self.course, self.learner = world, course, learner
        self.first, self.second = course.modules
        self.one, self.two, self.two_again = course.units

    async def send(self, *observations: Event | Heartbeat) -> list[Verdict]:
        return await self.world.services.ingest.record(Report(self.learner.id, self.world.clock(), observations))

    async def change(self, **changed: Any) -> None:
        staff = Caller(self.course.owner_id, Role.INSTRUCTOR)
        await self.world.write(
            self.world.services.course_editing.change, staff, self.course.id, lambda tree: unchanged_course(tree, **changed)
        )


async def make_course(world: World, external_id: str = COURSE) -> CourseTree:
    modules = (
        NewModule("First", units=(NewUnit("One", external_id=UNIT, completion=VIEWED), NewUnit("Two", external_id="two"))),
        NewModule("Second", units=(NewUnit("Two again", external_id="two"),), external_id="m/2"),
    )
    new = NewCourse("Course", modules=modules, external_id=external_id, source="openedx")
    owner = await world.user(Role.INSTRUCTOR)
    return await world.write(world.services.course_editing.create, new, owner_id=owner.id)


@pytest.fixture
async def imported(world: World) -> Imported:
    course = await make_course(world)
    return Imported(world, course, await world.learner(course))


def view(name: str, *, course_id: int = 0, course: str | None = COURSE, **given: Any) -> Event:
    names = ExternalIds(course, given.pop("module", None), given.pop("unit", None))
    return Event(name, ActivityType.UNIT_VIEW, course_id, names=names, **given)


def refusals(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    return [(error.field, error.message) for verdict in verdicts for error in verdict.errors]


async def test_an_event_is_recorded_where_its_external_ids_say(imported: Imported) -> None:
    verdicts = await imported.send(
        view("a", unit=UNIT),
        view("b", unit="two", module="m/2"),
        view("c", unit="two", module_id=imported.first.id),
        view("d", course=None, course_id=imported.course.id, module="m/2"),
        view("e", course_id=imported.course.id, unit=UNIT, unit_id=imported.one.id),
    )

    course_id, first, second = imported.course.id, imported.first.id, imported.second.id
    assert [verdict.outcome for verdict in verdicts] == [Outcome.ACCEPTED] * 5
    assert await imported.world.rows(_events) == [
        ("a", course_id, first, imported.one.id),
        ("b", course_id, second, imported.two_again.id),
        ("c", course_id, first, imported.two.id),
        ("d", course_id, second, None),
        ("e", course_id, first, imported.one.id),
    ]
    assert await differences(imported.world) == []


async def test_an_event_is_the_same_by_ids_and_by_external_ids(imported: Imported) -> None:
    by_ids = Event("a", ActivityType.UNIT_VIEW, imported.course.id, unit_id=imported.one.id)

    verdicts = [*await imported.send(view("a", unit=UNIT)), *await imported.send(by_ids, view("a", unit=UNIT), view("a"))]

    assert [verdict.outcome for verdict in verdicts] == [
        *(Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.DUPLICATE, Outcome.CONFLICT)
    ]


async def test_heartbeats_count_for_the_unit_that_is_named(imported: Imported) -> None:
    names = ExternalIds(COURSE, None, UNIT)
    (verdict,) = await imported.send(Heartbeat(0, is_active=True, active=30_000, names=names))

    assert verdict.outcome is Outcome.ACCEPTED
    studied = await imported.world.rows(select(unit_progress.c.unit_id, unit_progress.c.study_ms))
    assert studied == [(imported.one.id, 30_000)]


async def test_what_was_played_counts_for_the_unit_that_is_named(imported: Imported) -> None:
    names = ExternalIds(COURSE, None, UNIT)
    played = Event("a", ActivityType.VIDEO_PROGRESS, 0, video_segments="[[0,30]]", video_duration_seconds=60, names=names)

    (verdict,) = await imported.send(played)

    assert verdict.outcome is Outcome.ACCEPTED
    watched = await imported.world.rows(select(unit_progress.c.unit_id, unit_progress.c.metadata))
    assert [(unit_id, '"video_watch_percentage":50' in metadata) for unit_id, metadata in watched] == [(imported.one.id, True)]
    assert await differences(imported.world) == []


async def test_a_name_that_fits_nothing_is_refused_with_its_field(imported: Imported) -> None:
    other = await make_course(imported.world, "other")

    verdicts = await imported.send(
        view("a", course="unknown"),
        view("b", course="other"),
        view("c", unit="unknown"),
        view("d", module="unknown", unit=UNIT),
        view("e", course="other", course_id=imported.course.id),
        view("f", course=COURSE, course_id=other.id),
        view("g", module="m/2", module_id=imported.first.id),
        view("h", unit=UNIT, unit_id=imported.two.id),
        view("i", unit=UNIT),
    )

    assert refusals(verdicts) == [
        ("course_external_id", "does not exist"),
        ("course_external_id", "is a course you are not enrolled in"),
        ("unit_external_id", "is not a unit of this course"),
        ("module_external_id", "is not a module of this course"),
        ("course_external_id", "is not the external id of the course that course_id names"),
        ("course_id", "is a course you are not enrolled in"),
        ("module_external_id", "is not the external id of the module that module_id names"),
        ("unit_external_id", "is not the external id of the unit that unit_id names"),
    ]
    assert [verdict.outcome for verdict in verdicts[-1:]] == [Outcome.ACCEPTED]


async def test_a_name_of_several_units_needs_the_module(imported: Imported) -> None:
    verdicts = await imported.send(view("a", unit="two"), view("b", unit="two", module="m/2"))

    message = "names several units of this course: name the module too, by module_external_id or module_id"
    assert refusals(verdicts) == [("unit_external_id", message)]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.REJECTED, Outcome.ACCEPTED]


async def test_a_retired_unit_is_meant_where_no_other_has_the_name(imported: Imported) -> None:
    first, second = unchanged_course(imported.course).modules
    await imported.change(modules=(NewModule("First", units=first.units[1:], id=first.id), second))

    (late,) = await imported.send(view("a", unit=UNIT))
    await imported.change(modules=(NewModule("First", units=(NewUnit("New", external_id=UNIT),), id=first.id), second))
    (new,) = await imported.send(view("b", unit=UNIT))

    assert [late.outcome, new.outcome] == [Outcome.ACCEPTED] * 2
    (_, *_, of_late), (_, *_, of_new) = await imported.world.rows(_events)
    assert of_late == imported.one.id
    assert of_new > imported.two_again.id


async def test_a_name_that_moves_to_another_unit_is_followed_at_once(imported: Imported) -> None:
    await imported.send(view("a", unit=UNIT))
    first, second = unchanged_course(imported.course).modules
    one, two = first.units
    swapped = (NewUnit("One", external_id="two", id=one.id), NewUnit("Two", external_id=UNIT, id=two.id))

    await imported.change(modules=(NewModule("First", units=swapped, id=first.id), second))
    (verdict,) = await imported.send(view("b", unit=UNIT))

    assert verdict.outcome is Outcome.ACCEPTED
    assert [unit_id for *_, unit_id in await imported.world.rows(_events)] == [imported.one.id, imported.two.id]
    assert await differences(imported.world) == []


async def test_a_name_that_moves_to_another_course_is_followed_within_two_seconds(imported: Imported) -> None:
    world = imported.world
    await imported.send(view("a", unit=UNIT))
    await imported.change(external_id=None)
    other = await make_course(world)
    await world.write(world.services.enrollments.enroll, imported.learner.id, other.id)

    world.clock.advance(seconds=2)
    (verdict,) = await imported.send(view("b", unit=UNIT))

    assert verdict.outcome is Outcome.ACCEPTED
    assert [course_id for _, course_id, *_ in await world.rows(_events)] == [imported.course.id, other.id]


async def test_names_of_courses_are_read_at_once_and_remembered_for_two_seconds(imported: Imported) -> None:
    world, opened = imported.world, 0
    names = CourseNames(world.clock)
    other = await make_course(world, "other")

    @asynccontextmanager
    async def snapshot() -> AsyncIterator[ReadTransaction]:
        nonlocal opened
        opened += 1
        async with world.database.read(single_statement=True) as tx:
            yield tx

    expected = {COURSE: imported.course.id, "other": other.id}
    assert await names.find({COURSE, "other", "unknown"}, snapshot) == expected
    assert await names.find({COURSE, "other"}, snapshot) == expected
    assert opened == 1
    world.clock.advance(seconds=2)
    assert await names.find({COURSE}, snapshot) == {COURSE: imported.course.id}
    assert opened == 2


def test_reports_keep_what_is_named_by_unknown_courses() -> None:
    known, unknown = view("a"), view("b", course="unknown")

    (report,) = with_courses([Report(1, 0, (known, unknown))], {COURSE: 5})

    assert [each.course_id for each in report.observations] == [5, 0]
    assert [each.names and each.names.is_course_found for each in report.observations] == [True, False]
