"""Any replay, reordering, split or duplication of the same reports ends in the same state, and the state is the right one.

The same events and heartbeats are recorded for two sets of learners: in order, each by itself; and in any order, some of them
several times, in any grouping into batches and transactions. Everything stored must then be equal but for the learners' ids.
What a repetition may change by contract is left out: an id that is used again with other content (the first one counts), and
the same event sent again at another time (`sent_at` of the first one is kept).

The right state is computed from what was sent, second by second, without the code under test.

The same holds when staff edit the course in between: within each stretch between two edits the order does not matter. Then
declarations are among what is sent, and the state is right if `headway verify` finds no difference.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, select

from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewModule, NewUnit
from headway.enrollments.tables import enrollments
from headway.http.observations.batch import decode_batch
from headway.identity import Caller, Role
from headway.learning.model import Outcome, Report, Update, Verdict
from headway.learning.tables import learner_activity_logs, study_days, unit_progress
from headway.learning.unit_progress import UnitStatus
from headway.settings import Settings
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course, unchanged_unit
from tests.integration.observations import LEARNERS, SHORT_COURSE, TIMES, Reached, Sample, expected, replays
from tests.world import EVERY_RULE, World

LIMITS = Settings()
STATE = (learner_activity_logs, unit_progress, study_days, enrollments)


class Declared(NamedTuple):
    """A declaration: by the learner (0), or by somebody else, of a unit by its position among all that there have been."""

    learner: int
    course: int
    unit: int
    status: UnitStatus | None
    percent: int | None
    seconds_ago: int
    caller: int


class Planned(NamedTuple):
    """What becomes of a unit."""

    is_retired: bool
    is_required: bool
    completion: Completion

    @property
    def fields(self) -> dict[str, Any]:
        return {"is_required": self.is_required, "completion": self.completion}


class Edit(NamedTuple):
    """A change of a course; units beyond those that are planned stay as they are."""

    course: int
    title: str
    units: list[Planned]
    added: list[Completion]


class Stretch(NamedTuple):
    """What is sent between two edits, and the same in another order and other groups; then the edit."""

    sent: list[Sample]
    groups: list[list[Sample]]
    declared: list[Declared]
    declared_again: list[Declared]
    edit: Edit


class Classroom:
    """Two courses, in which new learners record what was sent."""

    def __init__(self, world: World, courses: Sequence[CourseTree]) -> None:
        self.world = world
        self.courses = list(courses)
        self._unit_ids = [[unit.id for unit in course.units] for course in courses]

    async def enroll(self) -> list[int]:
        """Enroll new learners in all courses; return their ids."""
        learners = [(await self.world.user()).id for _ in range(LEARNERS)]
        for learner in learners:
            for course in self.courses:
                await self.world.write(self.world.services.enrollments.enroll, learner, course.id)
        return learners

    async def record(self, learners: Sequence[int], groups: Sequence[Sequence[Sample]]) -> None:
        """Record groups one after the other, each learner's part of a group as one batch."""
        for group in groups:
            parts: dict[int, list[Sample]] = defaultdict(list)
            for sent in group:
                parts[sent.learner].append(sent)
            reports = [self._report(learners[number], part) for number, part in parts.items()]
            for verdicts in await self.world.write(self.world.services.tracking.record, reports, self.world.clock()):
                assert {verdict.outcome for verdict in verdicts} <= {Outcome.ACCEPTED, Outcome.DUPLICATE}

    async def declare(self, learners: Sequence[int], declarations: Sequence[Declared]) -> None:
        """Record declarations, each of them by its caller and at its time."""
        for each in declarations:
            course, unit_ids = self.courses[each.course], self._unit_ids[each.course]
            update = Update(course.id, unit_ids[each.unit % len(unit_ids)], each.status, each.percent)
            callers = (None, *(course.owner_id for course in self.courses))
            received_at = self.world.clock() - each.seconds_ago * 1000
            report = Report(learners[each.learner], received_at, (update,), caller_id=callers[each.caller])
            ((verdict,),) = await self.world.write(self.world.services.tracking.record, [report], self.world.clock())
            assert verdict.outcome is Outcome.ACCEPTED

    async def edit(self, edit: Edit) -> None:
        """Change a course: its title, what becomes of its units as far as the edit goes, and one more unit."""
        unit_ids = self._unit_ids[edit.course]
        units = {unit.id: unit for unit in self.courses[edit.course].units}
        plans = dict(zip(unit_ids, edit.units, strict=False))
        module = next(module for module in self.courses[edit.course].modules if not module.is_retired)
        present = [unit_id for unit_id in unit_ids if unit_id not in plans or not plans[unit_id].is_retired]
        new = [unchanged_unit(units[unit_id], **(plans[unit_id].fields if unit_id in plans else {})) for unit_id in present]
        modules = (
            NewModule(module.title, units=(*new, *(NewUnit("New", completion=rule) for rule in edit.added)), id=module.id),
        )
        staff = Caller(self.courses[edit.course].owner_id, Role.INSTRUCTOR)
        self.courses[edit.course] = await self.world.write(
            self.world.services.course_editing.change,
            staff,
            self.courses[edit.course].id,
            lambda tree: unchanged_course(tree, modules=modules, title=edit.title),
        )
        unit_ids += [unit.id for unit in self.courses[edit.course].units if unit.id not in unit_ids]

    def _report(self, user_id: int, part: Sequence[Sample]) -> Report:
        body = msgspec.json.encode({"events": [self._on_the_wire(sent) for sent in part]})
        items = [item for item in decode_batch(body, LIMITS, str) if not isinstance(item, Verdict)]
        assert len(items) == len(part)
        return Report(user_id, self.world.clock(), tuple(items))

    def _on_the_wire(self, sent: Sample) -> dict[str, Any]:
        course = self.courses[sent.course]
        told = dict(sent.fields)
        for name in TIMES:
            if told.get(name) is not None:
                told[name] = datetime.fromtimestamp(told[name], UTC).isoformat()
        unit = {} if sent.unit is None else {"unit_id": self._unit_ids[sent.course][sent.unit]}
        return {**told, "course_id": course.id, **unit}

    async def state(self, learners: Sequence[int]) -> dict[str, list[tuple[Any, ...]]]:
        """Give all that is stored of some learners, with their numbers in place of their ids."""
        return {table.name: await self._rows(table, learners) for table in STATE}

    async def _rows(self, table: Table, learners: Sequence[int]) -> list[tuple[Any, ...]]:
        # Of what is stored only numbers and the time of the last change tell how often it was written.
        columns = [column for column in table.c if column.name not in {"id", "updated_at"}]
        found = await self.world.rows(select(*columns).where(table.c.user_id >= learners[0]).order_by(*table.primary_key))
        return [
            (learners.index(row[0]), *(_without_id(value, row[0]) for value in row[1:])) for row in found if row[0] in learners
        ]

    async def reached(self, learners: Sequence[int]) -> Reached:
        """Give what some learners reached."""
        found: Reached = {}
        for table in (unit_progress, enrollments):
            unit_id = [table.c.unit_id] if table is unit_progress else []
            columns = [table.c[name] for name in ("user_id", "course_id", "study_ms", "percent", "status")]
            for user_id, course_id, studied, percent, status, *unit in await self.world.rows(select(*columns, *unit_id)):
                if user_id in learners:
                    course = [each.id for each in self.courses].index(course_id)
                    units = [each.id for each in self.courses[course].units]
                    key = (learners.index(user_id), course, units.index(unit[0]) if unit else None)
                    found[key] = (studied, percent, status)
        return found


def _without_id(value: Any, learner: int) -> Any:
    """Name a learner who declared something `self`."""
    return value.replace(f'"user_id":{learner},', '"user_id":"self",') if isinstance(value, str) else value


@pytest.fixture
async def classroom(world: World) -> Classroom:
    return Classroom(world, [await world.course(EVERY_RULE), await world.course(SHORT_COURSE)])


async def assert_replay_ends_in_the_right_state(
    classroom: Classroom, sent: Sequence[Sample], groups: Sequence[Sequence[Sample]]
) -> None:
    in_order, replayed = await classroom.enroll(), await classroom.enroll()
    await classroom.record(in_order, [[each] for each in sent])
    await classroom.record(replayed, groups)

    assert await classroom.state(replayed) == await classroom.state(in_order)
    assert await classroom.reached(replayed) == expected(sent, classroom.courses)


CAREFULLY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(CAREFULLY, max_examples=100)
@given(replay=replays())
async def test_any_replay_ends_in_the_right_state_on_sqlite(
    classroom: Classroom, replay: tuple[list[Sample], list[list[Sample]]]
) -> None:
    await assert_replay_ends_in_the_right_state(classroom, *replay)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@settings(CAREFULLY, max_examples=20)
@given(replay=replays())
async def test_any_replay_ends_in_the_right_state_on_postgresql(
    classroom: Classroom, replay: tuple[list[Sample], list[list[Sample]]]
) -> None:
    await assert_replay_ends_in_the_right_state(classroom, *replay)


rules = st.sampled_from([*EVERY_RULE, *SHORT_COURSE, Completion(Rule.SCROLL, 30), Completion(Rule.QUIZ, 90)])
planned = st.builds(Planned, st.sampled_from([False, False, True]), st.booleans() | st.just(True), rules)
edits = st.builds(
    Edit,
    st.integers(0, 1),
    st.sampled_from(["Course", "Another title"]),
    st.lists(planned, max_size=5),
    st.lists(rules, max_size=1),
)
declarations = st.builds(
    Declared,
    st.integers(0, LEARNERS - 1),
    st.integers(0, 1),
    st.integers(0, 9),
    st.sampled_from([None, None, *(UnitStatus(name) for name in ("NOT_STARTED", "IN_PROGRESS", "COMPLETED"))]),
    st.sampled_from([None, 0, 2_500, 6_000, 10_000]),
    st.sampled_from([0, 0, 5, 90_000]),
    st.integers(0, 2),
)


@st.composite
def stretches(draw: st.DrawFn) -> list[Stretch]:
    """Two to four stretches; an event id is used in one of them only."""
    drawn = []
    for number in range(draw(st.integers(2, 4))):
        sent, groups = draw(replays())
        declared = draw(st.lists(declarations, max_size=4))
        again = draw(st.permutations([*declared, *(draw(st.lists(st.sampled_from(declared), max_size=2)) if declared else [])]))

        def named(each: Sample, number: int = number) -> Sample:
            return each._replace(fields=each.fields | {"event_id": f"{number}-{each.fields['event_id']}"})

        renamed = [[named(each) for each in group] for group in groups]
        drawn.append(Stretch([named(each) for each in sent], renamed, declared, list(again), draw(edits)))
    return drawn


async def assert_edits_between_replays_end_in_the_same_state(world: World, taken: Sequence[Stretch]) -> None:
    classroom = Classroom(world, [await world.course(EVERY_RULE), await world.course(SHORT_COURSE)])
    in_order, replayed = await classroom.enroll(), await classroom.enroll()
    for stretch in taken:
        await classroom.record(in_order, [[each] for each in stretch.sent])
        await classroom.declare(in_order, stretch.declared)
        await classroom.declare(replayed, stretch.declared_again)
        await classroom.record(replayed, stretch.groups)
        await classroom.edit(stretch.edit)
        assert await classroom.state(replayed) == await classroom.state(in_order)
    assert await differences(world) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(CAREFULLY, max_examples=30)
@given(taken=stretches())
async def test_replays_between_edits_end_in_the_same_state_on_sqlite(world: World, taken: list[Stretch]) -> None:
    await assert_edits_between_replays_end_in_the_same_state(world, taken)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@settings(CAREFULLY, max_examples=8)
@given(taken=stretches())
async def test_replays_between_edits_end_in_the_same_state_on_postgresql(world: World, taken: list[Stretch]) -> None:
    await assert_edits_between_replays_end_in_the_same_state(world, taken)
