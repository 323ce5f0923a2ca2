"""What the staff of a course reads about it. Nothing is cached: whatever was recorded before a read is in it."""

from collections import Counter

from headway.courses import parts_store, structure_store
from headway.courses.model import Module
from headway.courses.structure import CourseStructure
from headway.db.database import ReadTransaction
from headway.enrollments import lists_store as enrollment_lists
from headway.enrollments import statistics_store
from headway.enrollments.authorization import require_staff
from headway.enrollments.status import LIMITED, OPEN
from headway.enrollments.traces import UnitStates, read_states
from headway.errors import NotFound
from headway.identity import Caller
from headway.instants import DAY, Clock, Instant, Milliseconds
from headway.learning.statistics import summarize as summarize_statistics
from headway.learning.store import CourseStructures
from headway.learning.unit_progress import UnitStatus
from headway.reports import store
from headway.reports.model import (
    Grid,
    GridOrder,
    GridPlace,
    GridRow,
    Learners,
    Overview,
    StandingLearner,
    StuckLearner,
    UnitDetail,
    UnitLearners,
    UnitReport,
    describe_unit,
    funnel_of,
    is_idle,
    learners_at,
    sort_learners,
    stuck_after,
    summarize,
)
from headway.reports.path import Path, Step, add_up, count_unit, count_units, path_of, read_sum

_MOST_IN_PROGRESS = 100_000
"""So many units in progress are read for the list of units; it takes half a second."""
_STUCK_SHOWN = 100


class Reports:
    """Reports on courses, for their staff. All raise NotFound COURSE_NOT_FOUND, Forbidden."""

    def __init__(self, clock: Clock, structures: CourseStructures) -> None:
        self._clock = clock
        self._structures = structures

    async def overview(self, tx: ReadTransaction, caller: Caller, course_id: int) -> Overview:
        """Return how a course goes."""
        await require_staff(tx, caller, course_id, shown=None)
        path, _ = await self._path(tx, course_id)
        return summarize(await store.read_learners(tx, course_id), path, today=self._clock() // DAY)

    async def standing(
        self, tx: ReadTransaction, caller: Caller, course_id: int, place: int, *, limit: int | None = None
    ) -> tuple[Step, list[StandingLearner]]:
        """Return a step of the funnel, and up to `limit` of those who stand there, the last active first.

        Raises NotFound STEP_NOT_FOUND.
        """
        await require_staff(tx, caller, course_id)
        path, _ = await self._path(tx, course_id)
        learners = await store.read_learners(tx, course_id)
        steps = funnel_of(learners, path).steps
        if not 0 <= place < len(steps):
            raise NotFound("There is no such step.", code="STEP_NOT_FOUND")
        positions = learners_at(learners, path, place)[:limit]
        names = await enrollment_lists.read_names(tx, [learners.user_id[each] for each in positions])
        return steps[place], [
            StandingLearner(
                learners.user_id[each],
                names[learners.user_id[each]],
                learners.status[each] not in OPEN,
                learners.percent[each],
                learners.last_activity_at[each],
            )
            for each in positions
        ]

    async def units(self, tx: ReadTransaction, caller: Caller, course_id: int) -> list[UnitReport]:
        """Return how the units of a course are used, in order."""
        await require_staff(tx, caller, course_id, shown=None)
        path, modules = await self._path(tx, course_id)
        learners = await store.read_learners(tx, course_id)
        averages = await self._average_seconds(tx, course_id, path)
        stuck = await _count_stuck(tx, course_id, path, learners, averages, self._clock())
        return [
            UnitReport(unit, modules[unit.module_id], counts, None if stuck is None else stuck[unit.id], averages[unit.id])
            for unit, counts in zip(path.units, count_units(path, learners.states), strict=True)
        ]

    async def unit(self, tx: ReadTransaction, caller: Caller, course_id: int, unit_id: int) -> UnitDetail:
        """Return how a unit is used. Raises NotFound UNIT_NOT_FOUND, also for a retired one."""
        await require_staff(tx, caller, course_id)
        path, modules = await self._path(tx, course_id)
        place = next((place for place, unit in enumerate(path.units) if unit.id == unit_id), None)
        if place is None:
            raise NotFound("There is no such unit in this course.", code="UNIT_NOT_FOUND")
        unit = path.units[place]
        counts = count_unit(path, place, await store.read_states(tx, course_id))
        average = (await self._average_seconds(tx, course_id, path))[unit_id]
        begun = await store.read_unit(tx, course_id, unit_id)
        stuck = _stuck_among(begun, average, self._clock()) if path.is_open[place] else []
        shown = stuck[:_STUCK_SHOWN]
        names = await enrollment_lists.read_names(tx, [user_id for user_id, _, _ in shown])
        named = [StuckLearner(user_id, names[user_id], study_ms, at) for user_id, study_ms, at in shown]
        report = UnitReport(unit, modules[unit.module_id], counts, len(stuck), average)
        return describe_unit(report, begun, named)

    async def grid(
        self, tx: ReadTransaction, caller: Caller, course_id: int, order: GridOrder, *, after: GridPlace | None, limit: int
    ) -> Grid:
        """Return learners with their progress in each unit, up to `limit`, in order behind a place."""
        await require_staff(tx, caller, course_id)
        path, modules = await self._path(tx, course_id)
        everybody = await store.read_named(tx, course_id)
        learners = everybody if order.with_left else [each for each in everybody if each.status in OPEN]
        rest = sort_learners(learners, order, after)
        shown = rest[:limit]
        cells = await store.read_cells(tx, course_id, [each.user_id for each in shown])
        unit_ids = [unit.id for unit in path.units]
        grid_rows = [GridRow(each, list(map(cells[each.user_id].get, unit_ids))) for each in shown]
        last = GridPlace(shown[-1].key(order.sort), shown[-1].user_id) if len(rest) > limit else None
        return Grid(path.units, modules, grid_rows, len(learners), last)

    async def _path(self, tx: ReadTransaction, course_id: int) -> tuple[Path, dict[int, Module]]:
        modules = await parts_store.list_modules(tx, [course_id])
        return path_of(await self._structure(tx, course_id), modules, self._clock()), {module.id: module for module in modules}

    async def _structure(self, tx: ReadTransaction, course_id: int) -> CourseStructure:
        revisions = await structure_store.revisions(tx, [course_id])
        return (await self._structures.get(tx, [course_id], revisions))[course_id]

    async def _average_seconds(self, tx: ReadTransaction, course_id: int, path: Path) -> dict[int, float]:
        """Return how long learners took for each unit on average, as course statistics say."""
        counted = await statistics_store.read_statistics(tx, course_id)
        statistics = summarize_statistics(counted, [unit.id for unit in path.units], today=self._clock() // DAY)
        return {unit.unit_id: unit.average_seconds for unit in statistics.units}


async def _count_stuck(
    tx: ReadTransaction,
    course_id: int,
    path: Path,
    learners: Learners,
    average_seconds: dict[int, float],
    now: Instant,
) -> Counter[int] | None:
    """Count those who are stuck on each unit; None where too many are in progress.

    Who has not been active in the course for a week has not been so in any unit. Only of others are units read.
    """
    idle: Counter[UnitStates] = Counter()
    active: list[tuple[int, UnitStates]] = []
    facts = zip(learners.user_id, learners.status, learners.unit_states, learners.last_activity_at, strict=True)
    for user_id, status, text, at in facts:
        if status in LIMITED and (bits := path.in_progress(read_states(text))):
            if is_idle(at, now):
                idle[bits] += 1
            else:
                active.append((user_id, bits))
    if sum(bits.bit_count() for _, bits in active) > _MOST_IN_PROGRESS:
        return None
    keys = [(user_id, unit_id) for user_id, bits in active for unit_id in path.unit_ids(bits)]
    sums = add_up(idle.items())
    pairs = zip(path.units, path.ordinals, strict=True)
    stuck = Counter({unit.id: read_sum(sums, 2 * ordinal) for unit, ordinal in pairs})
    limits = {unit_id: stuck_after(seconds) for unit_id, seconds in average_seconds.items()}
    for _, unit_id, at, studied in await store.read_progress(tx, course_id, keys):
        if is_idle(at, now) or studied > limits[unit_id]:
            stuck[unit_id] += 1
    return stuck


def _stuck_among(begun: UnitLearners, average_seconds: float, now: Instant) -> list[tuple[int, Milliseconds, Instant]]:
    """Return (user_id, study_ms, last_activity_at) of those who are stuck on a unit, the longest study time first."""
    limit = stuck_after(average_seconds)
    facts = zip(begun.user_id, begun.enrollment_status, begun.status, begun.study_ms, begun.last_activity_at, strict=True)
    stuck = [
        (user_id, study_ms, at)
        for user_id, enrolled, status, study_ms, at in facts
        if status == UnitStatus.IN_PROGRESS and enrolled in LIMITED and (is_idle(at, now) or study_ms > limit)
    ]
    return sorted(stuck, key=lambda each: (-each[1], each[0]))
