"""A learner's way through courses: the next step, finished courses, and units that the learner marks as complete."""

from typing import cast

import pytest
from sqlalchemy import select

from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseKind, NewUnit
from headway.db.database import Database
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.errors import Forbidden, HeadwayError
from headway.identity import Caller, Role
from headway.instants import DAY, HOUR
from headway.learning.learner_courses import LearnerCourses
from headway.learning.store import CourseStructures
from headway.learning.tables import learner_activity_logs, unit_progress
from headway.paging.service import Walk
from tests.counting_database import CountingDatabase
from tests.integration.concurrency import differences
from tests.integration.learner_courses import caller_of, make_course, study
from tests.world import NOON, World


async def test_the_path_leads_to_the_next_step_and_back_to_what_was_studied_last(world: World) -> None:
    manual = (NewUnit("One"), NewUnit("Extra", is_required=False), NewUnit("Three"), NewUnit("Four"))
    course = await make_course(world, *manual, kind=CourseKind.SESSION, starts_at=NOON, ends_at=NOON + 10 * DAY)
    learner = await world.learner(course)
    one, extra, three, _ = course.units
    await study(world, learner, course, end=NOON - HOUR, minutes=5, unit=2)
    await world.services.marking.mark(caller_of(learner), one)

    ((path,), total) = await world.read(world.services.learning.paths, learner.id, Walk(10, 1))

    assert total == 1
    assert path.next_step is not None
    assert path.next_step.id == three.id
    assert path.last_studied is not None
    assert path.last_studied.unit.id == one.id
    assert (path.completed_units, path.required_units) == (1, 3)
    assert path.schedule == (CourseKind.SESSION, NOON, NOON + 10 * DAY)
    assert path.is_open

    done = select(unit_progress.c.unit_id).where(unit_progress.c.status == "COMPLETED")
    assert await world.rows(done) == [(one.id,)]
    assert extra.id != path.next_step.id


async def test_who_left_a_course_has_no_next_step_in_it(world: World) -> None:
    course = await make_course(world)
    learner = await world.learner(course)
    await world.write(world.services.enrollments.leave, learner.id, course.id)

    ((path,), _) = await world.read(world.services.learning.paths, learner.id, Walk(10, 1))

    assert not path.is_open
    assert path.next_step is None


async def test_paths_take_as_many_statements_for_one_course_as_for_many(world: World) -> None:
    learner, counts = await world.user(), []
    for number in range(5):
        course = await make_course(world, title=f"Course {number}")
        await world.write(world.services.enrollments.enroll, learner.id, course.id)
        counted = CountingDatabase(world.database)
        async with cast("Database", counted).read() as tx:
            paths, total = await LearnerCourses(world.clock, CourseStructures()).paths(tx, learner.id, Walk(10, 1))
        assert len(paths) == total == number + 1
        counts.append(counted.statements)

    assert len(set(counts)) == 1


async def test_finished_courses_are_listed_with_their_certificates(world: World) -> None:
    course, other = await make_course(world), await make_course(world, title="Begun only")
    learner = await world.learner(course)
    await world.write(world.services.enrollments.enroll, learner.id, other.id)
    assert await world.read(world.services.learning.list_finished, learner.id) == []

    for unit in course.units:
        await world.services.marking.mark(caller_of(learner), unit)
    change = StatusChange(EnrollmentStatus.CERTIFIED, "https://certificates.example/1")
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    await world.write(world.services.enrollments.set_status, owner, course.id, learner.id, change)

    ((enrollment, title),) = await world.read(world.services.learning.list_finished, learner.id)
    assert (enrollment.course_id, title) == (course.id, "Course")
    assert enrollment.certificate_link == "https://certificates.example/1"


async def test_marking_a_unit_completes_it_by_its_rule_and_is_kept_as_an_event(world: World) -> None:
    course = await make_course(world)
    learner = await world.learner(course)

    unit = await world.read(world.services.marking.check, caller_of(learner), course.id, course.units[0].id)
    await world.services.marking.mark(caller_of(learner), unit)
    await world.services.marking.mark(caller_of(learner), unit)

    assert await world.rows(select(unit_progress.c.unit_id, unit_progress.c.met_rule)) == [(unit.id, "manual")]
    events = select(learner_activity_logs.c.activity_type, learner_activity_logs.c.unit_id)
    assert await world.rows(events) == [("unit_complete", unit.id)] * 2
    assert await differences(world) == []


@pytest.mark.parametrize(
    ("unit", "code"),
    [(1, "UNIT_LOCKED"), (2, "OTHER_RULE"), (None, "UNIT_NOT_FOUND")],
    ids=["locked", "another rule", "unknown"],
)
async def test_a_unit_that_cannot_be_marked_is_refused(world: World, unit: int | None, code: str) -> None:
    made = (NewUnit("One"), NewUnit("Two"), NewUnit("Quiz", completion=Completion(Rule.QUIZ, 50)))
    course = await make_course(world, *made, is_sequential=True)
    learner = await world.learner(course)
    unit_id = 0 if unit is None else course.units[unit].id

    with pytest.raises(HeadwayError) as refused:
        await world.read(world.services.marking.check, caller_of(learner), course.id, unit_id)

    assert refused.value.kind == code


async def test_only_those_enrolled_mark_units(world: World) -> None:
    course = await make_course(world)
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    for caller in (owner, caller_of(await world.user())):
        with pytest.raises(Forbidden):
            await world.read(world.services.marking.check, caller, course.id, course.units[0].id)
