"""Any replay, reordering, split or duplication of the same reports ends in the same state, and the state is the right one.

The same events and heartbeats are recorded for two sets of learners: in order, each by itself; and in any order, some of them
several times, in any grouping into batches and transactions. Everything stored must then be equal but for the learners' ids.
What a repetition may change by contract is left out: an id that is used again with other content (the first one counts), and
the same event sent again at another time (`sent_at` of the first one is kept).

The right state is computed from what was sent, second by second, without the code under test.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Table, select

from headway.contracts.activity_tracking.mapping import decode_batch
from headway.courses.model import CourseTree
from headway.enrollments.tables import enrollments
from headway.learning.model import Outcome, Report, Verdict
from headway.learning.tables import learner_activity_logs, study_days, unit_progress
from headway.settings import Settings
from tests.integration.sent import LEARNERS, SHORT_COURSE, TIMES, Reached, Sent, expected, replays
from tests.world import EVERY_RULE, World

LIMITS = Settings()
STATE = (learner_activity_logs, unit_progress, study_days, enrollments)


class Stage:
    """Two courses, in which new learners record what was sent."""

    def __init__(self, world: World, courses: Sequence[CourseTree]) -> None:
        self.world = world
        self.courses = courses

    async def record(self, groups: Sequence[Sequence[Sent]]) -> list[int]:
        """Record groups one after the other, each learner's part of a group as one batch; give the learners' ids."""
        learners = [(await self.world.user()).id for _ in range(LEARNERS)]
        for learner in learners:
            for course in self.courses:
                await self.world.services.enrollments.enroll(learner, course.id)
        for group in groups:
            parts: dict[int, list[Sent]] = defaultdict(list)
            for sent in group:
                parts[sent.learner].append(sent)
            reports = [self._report(learners[number], part) for number, part in parts.items()]
            for verdicts in await self.world.services.tracking.record(reports, self.world.clock()):
                assert {verdict.outcome for verdict in verdicts} <= {Outcome.ACCEPTED, Outcome.DUPLICATE}
        return learners

    def _report(self, user_id: int, part: Sequence[Sent]) -> Report:
        body = msgspec.json.encode({"events": [self._on_the_wire(sent) for sent in part]})
        items = [item for item in decode_batch(body, LIMITS, str) if not isinstance(item, Verdict)]
        assert len(items) == len(part)
        return Report(user_id, self.world.clock(), tuple(items))

    def _on_the_wire(self, sent: Sent) -> dict[str, Any]:
        course = self.courses[sent.course]
        told = dict(sent.fields)
        for name in TIMES:
            if told.get(name) is not None:
                told[name] = datetime.fromtimestamp(told[name], UTC).isoformat()
        unit = {} if sent.unit is None else {"unit_id": course.units[sent.unit].id}
        return {**told, "course_id": course.id, **unit}

    async def state(self, learners: Sequence[int]) -> dict[str, list[tuple[Any, ...]]]:
        """Give all that is stored of some learners, with their numbers in place of their ids."""
        return {table.name: await self._rows(table, learners) for table in STATE}

    async def _rows(self, table: Table, learners: Sequence[int]) -> list[tuple[Any, ...]]:
        # Of what is stored only numbers and the time of the last change tell how often it was written.
        columns = [column for column in table.c if column.name not in {"id", "updated_at"}]
        found = await self.world.rows(select(*columns).where(table.c.user_id >= learners[0]).order_by(*table.primary_key))
        return [(learners.index(row[0]), *row[1:]) for row in found if row[0] in learners]

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


@pytest.fixture
async def stage(world: World) -> Stage:
    return Stage(world, [await world.course(EVERY_RULE), await world.course(SHORT_COURSE)])


async def assert_replay_ends_in_the_right_state(stage: Stage, sent: Sequence[Sent], groups: Sequence[Sequence[Sent]]) -> None:
    in_order = await stage.record([[each] for each in sent])
    replayed = await stage.record(groups)

    assert await stage.state(replayed) == await stage.state(in_order)
    assert await stage.reached(replayed) == expected(sent, stage.courses)


CAREFULLY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(CAREFULLY, max_examples=100)
@given(replay=replays())
async def test_any_replay_ends_in_the_right_state_on_sqlite(stage: Stage, replay: tuple[list[Sent], list[list[Sent]]]) -> None:
    await assert_replay_ends_in_the_right_state(stage, *replay)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@settings(CAREFULLY, max_examples=20)
@given(replay=replays())
async def test_any_replay_ends_in_the_right_state_on_postgresql(
    stage: Stage, replay: tuple[list[Sent], list[list[Sent]]]
) -> None:
    await assert_replay_ends_in_the_right_state(stage, *replay)
