"""Courses of which tests read what learners see."""

from typing import Any

from headway.accounts.model import User
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.identity import Caller, Role
from headway.instants import MINUTE
from headway.learning.model import ActivityType, Event, Report
from tests.world import World


async def make_course(world: World, *units: NewUnit, owner: User | None = None, **given: Any) -> CourseTree:
    owner = owner or await world.user(Role.INSTRUCTOR)
    modules = (NewModule("First", units=units or (NewUnit("One"), NewUnit("Two"))),)
    new = NewCourse(given.pop("title", "Course"), modules=modules, **given)
    return await world.write(world.services.course_editing.create, new, owner_id=owner.id)


async def study(world: World, learner: User, course: CourseTree, *, end: int, minutes: float, unit: int = 0) -> None:
    length = int(minutes * MINUTE)
    event = Event(
        world.services.new_id(),
        ActivityType.UNIT_VIEW,
        course.id,
        unit_id=course.units[unit].id,
        start_time=end - length,
        end_time=end,
    )
    await world.write(world.services.tracking.record, [Report(learner.id, max(end, world.clock()), (event,))], world.clock())


def caller_of(user: User) -> Caller:
    return Caller(user.id, user.role)
