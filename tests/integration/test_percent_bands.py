"""Lists sorted by percent, of which the index has bands only: their order is that of the percents, throughout."""

import random
from collections.abc import Sequence
from copy import copy
from typing import Any

import pytest
from sqlalchemy import Integer, select, text

from headway.courses.completion import COMPLETE
from headway.courses.model import CourseTree
from headway.courses.tables import course_statistics
from headway.db.dialects import rows
from headway.enrollments import statistics_store, store
from headway.enrollments.lists import Order, Sort
from headway.enrollments.statistics import BAND_WIDTH, BANDS, StatisticsDelta, percent_band
from headway.enrollments.status import EnrollmentStatus
from headway.enrollments.tables import enrollments
from headway.identity import Caller, Role
from headway.learning.reads import ProgressReads
from headway.learning.store import CourseStructures
from headway.paging.service import Walk
from headway.schema import migrate
from headway.settings import Settings
from tests.counting_database import CountingDatabase
from tests.integration.concurrency import differences, open_world
from tests.world import World

SEED = 20_261_126
ALL = tuple(EnrollmentStatus)
BOUNDS = [each for band in range(6) for each in (band * BAND_WIDTH - 1, band * BAND_WIDTH, band * BAND_WIDTH + 1)][1:-1]

_given = rows("given", {"percent": Integer()})


async def make_course(world: World, percents: Sequence[int], statuses: Sequence[EnrollmentStatus] = ALL) -> CourseTree:
    """Make a course with a learner at each percent, of these statuses in turn; the statistics follow."""
    course, delta = await world.course(), StatisticsDelta()
    keys = [((await world.learner(course)).id, course.id) for _ in percents]
    async with world.database.write() as tx:
        locked = await store.lock(tx, keys)
        before = [copy(locked[key]) for key in keys]
        for number, (key, percent) in enumerate(zip(keys, percents, strict=True)):
            locked[key].percent, locked[key].status = percent, statuses[number % len(statuses)]
            delta.replace(course.id, before[number], locked[key])
        await tx.write_rows(*store.progress_rows(before, [locked[key] for key in keys], world.clock.now))
        await statistics_store.write_statistics(tx, delta)
    return course


async def read(world: World, course: CourseTree, order: Order, limit: int, page: int) -> list[tuple[int, int]]:
    """Return the (percent, user_id) of a page, and check that it says how many there are."""
    reads = ProgressReads(world.clock, CourseStructures())
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    found = await world.read(reads.list_progress, owner, course.id, order, walk=Walk(limit, page))
    assert found.total == len(await expected(world, order))
    return [(each.enrollment.percent, each.enrollment.user_id) for each in found.learners]


async def expected(world: World, order: Order) -> list[tuple[int, int]]:
    """Return the (percent, user_id) of the whole list."""
    stored = await world.rows(select(enrollments.c.percent, enrollments.c.user_id, enrollments.c.status))
    return sorted(((row[0], row[1]) for row in stored if row[2] in order.statuses), reverse=order.is_descending)


@pytest.mark.parametrize("statuses", [ALL, (EnrollmentStatus.IN_PROGRESS, EnrollmentStatus.DROPPED)], ids=len)
@pytest.mark.parametrize(
    "percents",
    [
        [*range(0, COMPLETE + 1, 250), *BOUNDS, *[0] * 7, *[COMPLETE] * 9],
        [random.Random(SEED).choice([0, 1, 4_000, 4_001, 5_999, COMPLETE]) for _ in range(50)],
        [5_000 + number * 7 % 13 for number in range(40)],
        [0] * 12,
    ],
    ids=["in all bands", "in many places", "in one band", "at the start"],
)
async def test_every_page_has_the_rows_of_its_place(
    world: World, percents: list[int], statuses: tuple[EnrollmentStatus, ...]
) -> None:
    course = await make_course(world, random.Random(SEED).sample(percents, len(percents)))

    for is_descending in (False, True):
        order = Order(statuses, Sort.PERCENT, is_descending)
        whole = await expected(world, order)
        for limit in (1, 3, 17, 500):
            pages = range(1, len(whole) // limit + 3)
            for page in random.Random(SEED).sample(pages, min(12, len(pages))):
                assert await read(world, course, order, limit, page) == whole[(page - 1) * limit : page * limit]


async def test_a_page_reads_three_parts_at_most(world: World) -> None:
    course = await make_course(world, [*BOUNDS, 0, COMPLETE])
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    counts = {}
    for limit in (1, 100):
        counted: Any = CountingDatabase(world.database)
        async with counted.read() as tx:
            reads = ProgressReads(world.clock, CourseStructures())
            await reads.list_progress(tx, owner, course.id, Order(ALL, Sort.PERCENT, True), Walk(limit, 1))
        counts[limit] = counted.statements

    assert counts[100] == counts[1] + 2


async def test_the_database_computes_the_bands_that_are_counted(world: World) -> None:
    band = enrollments.c.percent_band
    assert band.computed is not None
    statement = select(_given.c.percent, text(str(band.computed.sqltext))).select_from(_given)
    found = await world.read(lambda tx: tx.all(statement, given=[(percent,) for percent in range(COMPLETE + 1)]))

    assert [tuple(row) for row in found] == [(percent, percent_band(percent)) for percent in range(COMPLETE + 1)]
    assert [percent for band in BANDS for percent in band] == list(range(COMPLETE + 1))
    assert all(percent_band(percent) == band for band, percents in enumerate(BANDS) for percent in percents)


async def test_enrollments_of_before_the_bands_are_counted_when_they_come(settings: Settings) -> None:
    counted = select(course_statistics.c.name, course_statistics.c.value).where(course_statistics.c.name.like("band:%"))
    async with open_world(settings) as world:
        await make_course(world, [0, 0, 1, 2_000, COMPLETE], [EnrollmentStatus.IN_PROGRESS])
    await migrate(settings, "0014")
    await migrate(settings)

    async with open_world(settings) as world:
        assert sorted(await world.rows(counted)) == [
            *(("band:IN_PROGRESS:0", 2), ("band:IN_PROGRESS:1", 1), ("band:IN_PROGRESS:2", 1), ("band:IN_PROGRESS:6", 1)),
        ]
        assert "course_statistics.value" not in {f"{each.table}.{each.column}" for each in await differences(world)}
