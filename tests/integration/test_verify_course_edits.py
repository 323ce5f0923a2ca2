"""`headway verify` finds faked progress whatever was edited in the course since, and believes what was reached before."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, update

from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.enrollments.tables import enrollments
from headway.identity import Caller, Role
from headway.learning.model import ActivityType, Event, Report
from headway.learning.model import Update as ProgressUpdate
from headway.learning.tables import unit_progress
from headway.learning.unit_progress import UnitStatus
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course, unchanged_unit
from tests.world import NOON, World

VIEWED, MANUAL = Completion(Rule.VIEWED), Completion(Rule.MANUAL)
FAKED = {"status": "COMPLETED", "percent": 10_000, "completed_at": NOON}


class EditedCourse:
    """A course with a required and an optional unit that are completed by viewing them, and one learner."""

    def __init__(self, world: World, course: CourseTree, learner: int) -> None:
        self.world, self.course, self.learner = world, course, learner
        self.required, self.optional = course.units

    async def act(self, unit_id: int, activity: ActivityType) -> None:
        event = Event(f"{activity} {unit_id}", activity, self.course.id, unit_id=unit_id)
        await self.world.write(self.world.services.tracking.record, [Report(self.learner, NOON, (event,))], NOON)

    async def declare(self, unit_id: int, **declared: Any) -> None:
        declaration = ProgressUpdate(self.course.id, unit_id, **declared)
        await self.world.write(self.world.services.tracking.record, [Report(self.learner, NOON, (declaration,))], NOON)

    async def fake(self, unit_id: int, **values: Any) -> None:
        row = and_(unit_progress.c.user_id == self.learner, unit_progress.c.unit_id == unit_id)
        async with self.world.database.write() as tx:
            assert await tx.run(update(unit_progress).where(row).values(**values)) == 1

    async def fake_enrollment(self, **values: Any) -> None:
        async with self.world.database.write() as tx:
            await tx.run(update(enrollments).where(enrollments.c.user_id == self.learner).values(**values))

    async def change_title(self) -> None:
        await self.change(self.course.units, title="A better title")

    async def change_rules(self, rule: Completion) -> None:
        await self.change([unchanged_unit(unit, completion=rule) for unit in self.course.units])

    async def change(self, units: Sequence[Any], **changed: Any) -> None:
        module = self.course.modules[0]
        new = tuple(unit if isinstance(unit, NewUnit) else unchanged_unit(unit) for unit in units)
        modules = (NewModule(module.title, units=new, id=module.id),)
        staff = Caller(self.course.owner_id, Role.INSTRUCTOR)
        await self.world.write(
            self.world.services.course_editing.change,
            staff,
            self.course.id,
            lambda tree: unchanged_course(tree, modules=modules, **changed),
        )

    async def named(self) -> list[str]:
        found = await differences(self.world)
        # Statistics follow from the stored rows, faked ones too.
        return sorted(f"{each.table}.{each.column}" for each in found if each.table != "course_statistics")


async def edited_course(world: World) -> EditedCourse:
    units = (NewUnit("Required", completion=VIEWED), NewUnit("Optional", completion=VIEWED, is_required=False))
    owner = await world.user(Role.INSTRUCTOR)
    course = NewCourse("Course", modules=(NewModule("Only", units=units),))
    tree = await world.write(world.services.course_editing.create, course, owner_id=owner.id)
    return EditedCourse(world, tree, (await world.learner(tree)).id)


async def test_a_faked_completion_is_found_before_and_after_the_title_is_edited(world: World) -> None:
    course = await edited_course(world)
    await course.act(course.optional.id, ActivityType.LINK_CLICK)
    await course.fake(course.optional.id, **FAKED)
    before = await differences(world)
    assert await course.named() == ["unit_progress.completed_at", "unit_progress.percent", "unit_progress.status"]

    await course.change_title()

    assert await differences(world) == before


async def test_a_completion_stays_right_when_the_rule_changes(world: World) -> None:
    course = await edited_course(world)
    await course.act(course.required.id, ActivityType.UNIT_VIEW)

    await course.change_rules(MANUAL)
    assert await course.named() == []
    await course.fake(course.required.id, met_rule="scroll", met_threshold=50.0)

    assert await course.named() == [
        *("enrollments.completed_at", "enrollments.completed_revision", "enrollments.percent"),
        *("enrollments.required_completed", "enrollments.required_percents", "enrollments.status", "enrollments.unit_states"),
        *("unit_progress.completed_at", "unit_progress.met_rule", "unit_progress.met_threshold"),
        *("unit_progress.percent", "unit_progress.status"),
    ]


async def test_a_faked_completion_of_a_required_unit_is_found_after_its_rule_changed(world: World) -> None:
    course = await edited_course(world)
    await course.act(course.required.id, ActivityType.LINK_CLICK)
    await course.fake(course.required.id, **FAKED)
    await course.change_rules(MANUAL)
    assert await course.named() == [
        *("enrollments.completed_at", "enrollments.completed_revision", "enrollments.percent"),
        *("enrollments.required_completed", "enrollments.required_percents", "enrollments.status"),
        *("unit_progress.completed_at", "unit_progress.status"),
    ]

    await course.fake(course.required.id, percent=10_000, met_rule="viewed")

    assert {"unit_progress.met_rule", "unit_progress.percent", "unit_progress.status"} <= set(await course.named())


async def test_a_rule_that_the_unit_never_had_proves_nothing(world: World) -> None:
    course = await edited_course(world)
    await course.act(course.optional.id, ActivityType.UNIT_COMPLETE)
    await course.change_title()

    await course.fake(course.optional.id, **FAKED, met_rule="manual")

    columns = ("completed_at", "met_rule", "percent", "status")
    assert await course.named() == [f"unit_progress.{column}" for column in columns]


async def test_a_faked_declaration_is_found_in_an_edited_course(world: World) -> None:
    course = await edited_course(world)
    await course.act(course.optional.id, ActivityType.LINK_CLICK)
    await course.change_rules(MANUAL)

    await course.fake(course.optional.id, **FAKED, metadata='{"is_declared_complete":true,"declared_percent":10000}')

    columns = ("completed_at", "metadata", "percent", "status")
    assert await course.named() == [f"unit_progress.{column}" for column in columns]


async def test_what_was_declared_stays_right_through_edits(world: World) -> None:
    course = await edited_course(world)
    await course.declare(course.optional.id, status=UnitStatus.COMPLETED, percent=2_500)
    await course.declare(course.required.id, percent=4_000)

    for edit in (course.change_title(), course.change_rules(Completion(Rule.SCROLL, 40)), course.change_rules(MANUAL)):
        await edit
        assert await course.named() == []


async def test_a_faked_percent_is_found_in_an_edited_course(world: World) -> None:
    course = await edited_course(world)
    await course.declare(course.required.id, percent=4_000)
    await course.change_rules(MANUAL)

    await course.fake(course.required.id, percent=6_000)

    assert await course.named() == ["unit_progress.percent"]


async def test_a_completed_course_stays_right_when_it_grows(world: World) -> None:
    course = await edited_course(world)
    await course.act(course.required.id, ActivityType.UNIT_VIEW)

    await course.change([*course.course.units, NewUnit("New")])
    assert await course.named() == []
    await course.fake_enrollment(completed_revision=2)

    assert await course.named() == [f"enrollments.{column}" for column in ("completed_at", "completed_revision", "status")]


async def test_a_faked_completion_of_a_course_is_found_in_an_edited_course(world: World) -> None:
    course = await edited_course(world)
    await course.act(course.optional.id, ActivityType.UNIT_VIEW)
    await course.change_title()
    await course.change([*course.course.units, NewUnit("New")])

    for revision in (None, 1, 2, 3, 4):
        await course.fake_enrollment(status="COMPLETED", completed_at=NOON, completed_revision=revision)
        assert {"enrollments.completed_at", "enrollments.status"} <= set(await course.named())
