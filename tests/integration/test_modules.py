"""Modules that learners declare done, and courses that change meanwhile."""

from typing import Any

import msgspec
import pytest

from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.enrollments.status import EnrollmentStatus
from headway.errors import Conflict, Forbidden, NotFound
from headway.identity import Caller, Role
from headway.learning.model import ActivityType, Event, Refusal, Report
from tests.integration.concurrency import differences
from tests.world import World

MODULES = (
    NewModule("First", units=(NewUnit("One"), NewUnit("Two", completion=Completion(Rule.TIME, 60)))),
    NewModule("Optional", units=(NewUnit("Extra", is_required=False),)),
    NewModule("Last", units=(NewUnit("Three", completion=Completion(Rule.QUIZ, 50)),)),
)


class Class:
    """A tutor's course with one learner in it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tutor = self.learner = Caller(0, Role.PARTICIPANT)

    async def open(self, **given: Any) -> CourseTree:
        self.tutor = Caller((await self.world.user(Role.INSTRUCTOR)).id, Role.INSTRUCTOR)
        tree = await self.world.write(
            self.world.services.course_editing.create_for, self.tutor, NewCourse("Course", MODULES, **given)
        )
        self.learner = Caller((await self.world.learner(tree)).id, Role.PARTICIPANT)
        return tree

    async def finish(self, tree: CourseTree, module: int) -> tuple[list[int], int, str]:
        """Declare a module done; give the places of completed modules, the percent and the status."""
        moved = await self.world.write(
            self.world.services.learning.complete_module, self.learner, tree.id, tree.modules[module].id
        )
        places = {each.id: place for place, each in enumerate(tree.modules)}
        return [places[each] for each in moved.completed_modules], moved.percent, moved.status.value

    async def change(self, tree: CourseTree, *modules: NewModule, **given: Any) -> CourseTree:
        """Make the course's modules these."""

        def edit(stored: CourseTree) -> NewCourse:
            return msgspec.structs.replace(stored.course, modules=modules, **given)

        return await self.world.write(self.world.services.course_editing.change, self.tutor, tree.id, edit)

    async def standing(self, tree: CourseTree) -> tuple[int, str]:
        found = await self.world.read(self.world.services.enrollments.find, self.learner.user_id, tree.id)
        assert found is not None
        return found.percent, found.status.value


@pytest.fixture
def room(world: World) -> Class:
    return Class(world)


def modules_with(tree: CourseTree, *units: str, rule: Completion | None = None) -> tuple[NewModule, ...]:
    """The modules of a course with those of their units that are named, and another rule for them if one is given."""
    return tuple(
        NewModule(
            module.title,
            id=module.id,
            units=tuple(
                NewUnit(unit.title, is_required=unit.is_required, completion=rule or unit.completion, id=unit.id)
                for unit in tree.units
                if unit.module_id == module.id and unit.title in units
            ),
        )
        for module in tree.modules
    )


async def test_all_units_of_a_module_are_completed_whatever_their_rules(room: Class) -> None:
    tree = await room.open()

    assert await room.finish(tree, 0) == ([0], 6666, "IN_PROGRESS")
    assert await room.finish(tree, 0) == ([0], 6666, "IN_PROGRESS")
    assert await room.finish(tree, 1) == ([0], 6666, "IN_PROGRESS")
    assert await room.finish(tree, 2) == ([0, 2], 10_000, "COMPLETED")
    assert await differences(room.world) == []


async def test_a_sequential_course_opens_one_module_after_the_other(room: Class) -> None:
    tree = await room.open(is_sequential=True)

    for locked in (1, 2):
        with pytest.raises(Conflict) as refused:
            await room.finish(tree, locked)
        assert refused.value.kind == "MODULE_LOCKED"
    await room.finish(tree, 0)

    assert await room.finish(tree, 2) == ([0, 2], 10_000, "COMPLETED")


async def test_an_event_goes_through_a_lock_and_what_has_begun_is_not_locked(room: Class) -> None:
    tree = await room.open(is_sequential=True)
    last = tree.units[-1]
    event = Event("e", ActivityType.UNIT_VIEW, tree.id, unit_id=last.id)
    now = room.world.clock()
    ((verdict,),) = await room.world.write(
        room.world.services.tracking.record, [Report(room.learner.user_id, now, (event,))], now
    )

    assert verdict.outcome.value == "accepted"
    assert (await room.finish(tree, 2))[0] == [2]
    assert await differences(room.world) == []


async def test_what_is_not_there_or_not_ones_own_is_refused(room: Class) -> None:
    tree = await room.open()
    learning, stranger = room.world.services.learning, Caller((await room.world.user()).id, Role.PARTICIPANT)
    other = await room.world.course()

    with pytest.raises(Forbidden, match="not enrolled"):
        await room.world.write(learning.complete_module, stranger, tree.id, tree.modules[0].id)
    with pytest.raises(NotFound) as no_module:
        await room.world.write(learning.complete_module, room.learner, tree.id, other.modules[0].id)
    with pytest.raises(NotFound) as no_course:
        await room.world.write(learning.complete_module, room.learner, 999, tree.modules[0].id)

    assert (no_module.value.kind, no_course.value.kind) == ("MODULE_NOT_FOUND", "COURSE_NOT_FOUND")


async def test_retiring_what_is_missing_completes_the_course_and_bringing_more_leaves_it_completed(room: Class) -> None:
    tree = await room.open()
    await room.finish(tree, 0)

    await room.change(tree, *modules_with(tree, "One", "Two", "Extra"))
    assert await room.standing(tree) == (10_000, "COMPLETED")
    assert await differences(room.world) == []

    await room.change(
        tree, *modules_with(tree, "One", "Two", "Extra"), NewModule("More", units=(NewUnit("Four"), NewUnit("Five")))
    )
    assert await room.standing(tree) == (5_000, "COMPLETED")
    assert await differences(room.world) == []


async def test_a_unit_that_is_brought_back_counts_with_what_was_reached(room: Class) -> None:
    tree = await room.open()
    await room.finish(tree, 0)
    await room.change(tree, *modules_with(tree, "One", "Three"))
    assert await room.standing(tree) == (5_000, "IN_PROGRESS")

    await room.change(tree, *modules_with(tree, "One", "Two", "Extra", "Three"))

    assert await room.standing(tree) == (6_666, "IN_PROGRESS")
    assert await differences(room.world) == []


async def test_another_rule_counts_what_was_done_anew(room: Class) -> None:
    tree = await room.open()
    event = Event("e", ActivityType.UNIT_VIEW, tree.id, unit_id=tree.units[1].id, duration_seconds=30)
    now = room.world.clock()
    await room.world.write(room.world.services.tracking.record, [Report(room.learner.user_id, now, (event,))], now)
    assert await room.standing(tree) == (1_666, "IN_PROGRESS")

    everything = ("One", "Two", "Extra", "Three")
    await room.change(tree, *modules_with(tree, *everything, rule=Completion(Rule.TIME, 120)))
    assert await room.standing(tree) == (833, "IN_PROGRESS")
    await room.change(tree, *modules_with(tree, *everything, rule=Completion(Rule.VIEWED)))
    assert await room.standing(tree) == (3_333, "IN_PROGRESS")
    await room.change(tree, *modules_with(tree, *everything, rule=Completion(Rule.MANUAL)))
    assert await room.standing(tree) == (3_333, "IN_PROGRESS"), "what was completed stays so"

    ((again,),) = await room.world.write(
        room.world.services.tracking.record, [Report(room.learner.user_id, now, (event,))], now
    )
    assert again.outcome.value == "duplicate"
    assert await differences(room.world) == []


async def test_seats_that_are_added_go_to_those_who_wait_in_their_order(room: Class) -> None:
    tree = await room.open(capacity=1)
    waiting = [(await room.world.user()).id for _ in range(3)]
    for user_id in waiting:
        await room.world.write(room.world.services.enrollments.enroll_or_wait, user_id, tree.id)
    with pytest.raises(Conflict) as too_small:
        await room.change(tree, *modules_with(tree, "One"), capacity=0)
    assert too_small.value.kind == "CAPACITY_TOO_SMALL"

    changed = await room.change(tree, *modules_with(tree, "One"), capacity=3)

    assert changed.seats_taken == 3
    found = [await room.world.read(room.world.services.enrollments.find, user_id, tree.id) for user_id in waiting]
    assert [enrollment is not None for enrollment in found] == [True, True, False]
    assert await differences(room.world) == []


async def test_access_runs_out_and_the_seat_goes_to_the_first_in_line(room: Class) -> None:
    tree = await room.open(capacity=2, access_days=10)
    services, world = room.world.services, room.world
    finisher, waiting = await world.learner(tree), await world.user()
    await world.write(services.enrollments.enroll_or_wait, waiting.id, tree.id)
    for module in tree.modules:
        await world.write(services.learning.complete_module, Caller(finisher.id, Role.PARTICIPANT), tree.id, module.id)
    world.clock.advance(seconds=10 * 86_400 - 1)
    assert await services.enrollments.expire(world.database) == 0

    world.clock.advance(seconds=1)
    event = Event("late", ActivityType.UNIT_VIEW, tree.id)
    ((late,),) = await world.write(
        services.tracking.record, [Report(room.learner.user_id, world.clock(), (event,))], world.clock()
    )
    assert late.refusal is Refusal.FORBIDDEN, "also before the enrollment is expired"
    with pytest.raises(Conflict, match="no longer has access"):
        await world.write(services.enrollments.enroll, room.learner.user_id, tree.id)
    with pytest.raises(NotFound):
        await world.write(services.enrollments.leave, room.learner.user_id, tree.id)
    assert await services.enrollments.expire(world.database) == 1

    statuses = [
        await world.read(services.enrollments.find, user_id, tree.id)
        for user_id in (room.learner.user_id, finisher.id, waiting.id)
    ]
    assert [each.status if each else None for each in statuses] == [
        EnrollmentStatus.EXPIRED,
        EnrollmentStatus.COMPLETED,
        EnrollmentStatus.ENROLLED,
    ]
    assert await differences(world) == []


async def test_a_course_does_not_come_before_itself(room: Class) -> None:
    first = await room.open()
    later = [first]
    for number in range(2, 12):
        new = NewCourse(f"Course {number}", prerequisites=(later[-1].id,))
        later.append(await room.world.write(room.world.services.course_editing.create_for, room.tutor, new))

    for course, wanted in ((first, later[1].id), (first, later[-1].id), (first, first.id), (later[1], 999)):
        with pytest.raises(Exception, match="not valid") as refused:
            await room.change(course, prerequisites=(wanted,))
        assert [each.field for each in refused.value.fields] == ["prerequisites"]  # type: ignore[attr-defined]
    await room.change(later[-1], prerequisites=(first.id, later[1].id))
