"""A course with one learner, that a test edits and studies in."""

from collections.abc import Callable, Sequence

from sqlalchemy import select

from headway.accounts.model import User
from headway.courses.completion import Completion, EngagementMetrics
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.enrollments.tables import enrollments
from headway.identity import Caller, Role
from headway.learning.model import ActivityType, Event, Outcome, Report
from headway.learning.tables import unit_progress
from tests.integration.course_edits import unchanged_course
from tests.world import World


class Classroom:
    """A course with its staff and one learner."""

    def __init__(self, world: World, course: CourseTree, learner: User) -> None:
        self.world, self.course, self.learner = world, course, learner
        self._staff = Caller(course.owner_id, Role.INSTRUCTOR)

    async def change(self, edit: Callable[[CourseTree], NewCourse]) -> None:
        self.course = await self.world.write(self.world.services.course_editing.change, self._staff, self.course.id, edit)

    async def change_units(self, units: Sequence[NewUnit]) -> None:
        """Leave these units in the first module, and nothing else in the course."""
        first = self.course.modules[0]
        await self.change(
            lambda tree: unchanged_course(tree, modules=(NewModule(first.title, units=tuple(units), id=first.id),))
        )

    async def record(self, *events: Event, learner: User | None = None) -> list[Outcome]:
        report = Report((learner or self.learner).id, self.world.clock(), events)
        ((*verdicts,),) = await self.world.write(self.world.services.tracking.record, [report], self.world.clock())
        return [verdict.outcome for verdict in verdicts]

    def view(self, unit: int, name: str = "") -> Event:
        named = name or f"view {unit}"
        return Event(named, ActivityType.UNIT_VIEW, self.course.id, unit_id=self.course.units[unit].id)

    def scroll(self, unit: int, depth: float) -> Event:
        metrics = EngagementMetrics(scroll_depth=depth)
        unit_id = self.course.units[unit].id
        return Event(f"scroll {unit} {depth}", ActivityType.LINK_CLICK, self.course.id, unit_id=unit_id, metrics=metrics)

    async def standing(self) -> tuple[int, str]:
        (row,) = await self.world.rows(select(enrollments.c.percent, enrollments.c.status))
        return row[0], row[1]

    async def unit_percent(self, unit: int) -> tuple[int, str]:
        asked = unit_progress.c.unit_id == self.course.units[unit].id
        (row,) = await self.world.rows(select(unit_progress.c.percent, unit_progress.c.status).where(asked))
        return row[0], row[1]


async def classroom(world: World, *completions: Completion) -> Classroom:
    """Make one with a required unit for each rule, in one module."""
    modules = (NewModule("Only", units=tuple(NewUnit(f"Unit {i}", completion=each) for i, each in enumerate(completions))),)
    owner = await world.user(Role.INSTRUCTOR)
    course = await world.write(world.services.course_editing.create, NewCourse("Course", modules=modules), owner_id=owner.id)
    return Classroom(world, course, await world.learner(course))
