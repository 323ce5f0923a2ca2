"""What an ordinary event changes is updated in place by PostgreSQL (HOT), so that no index is written."""

import random

import asyncpg

from headway.courses.completion import Completion, EngagementMetrics, Rule
from headway.instants import SECOND
from headway.learning.model import ActivityType, Event, Report
from headway.settings import Settings
from tests.integration.concurrency import open_world

LEARNERS, AT_ONCE, VISITS, STEPS, UNITS = 100, 25, 6, 10, 40
SEED = 20_261_126


async def test_nearly_all_updates_are_in_place(own_settings: Settings) -> None:
    """Learners work through units, ten events each; neighbours in the tables are written in the same transactions.

    PostgreSQL removes old versions late while there are long transactions, also in other databases: none may run beside this.
    """
    async with open_world(own_settings) as world:
        course = await world.course((Completion(Rule.VIDEO, 100.0),) * UNITS)
        learners = [(await world.learner(course)).id for _ in range(LEARNERS)]
        random.Random(SEED).shuffle(learners)
        for number in range(VISITS * STEPS):
            visit, step = divmod(number, STEPS)
            now = world.clock.now = world.clock.now + 28 * SECOND
            watched = EngagementMetrics(video_watch_percentage=(step + 1) * 100 / STEPS)
            for first in range(0, LEARNERS, AT_ONCE):
                reports = [
                    Report(
                        user_id,
                        now,
                        (
                            Event(
                                f"{number}",
                                ActivityType.VIDEO_PROGRESS,
                                course.id,
                                unit_id=course.units[(place + visit) % UNITS].id,
                                duration_seconds=30,
                                metrics=watched,
                            ),
                        ),
                    )
                    for place, user_id in enumerate(learners[first : first + AT_ONCE])
                ]
                await world.write(world.services.tracking.record, reports, now)
    # A connection counts for everybody when it ends, at the latest.
    shares = await _shares_in_place(own_settings.database_url)

    assert shares.keys() == {"enrollments", "unit_progress", "study_days", "course_statistics"}
    assert {table: share for table, share in shares.items() if share < 0.95} == {}


async def _shares_in_place(database_url: str) -> dict[str, float]:
    connection = await asyncpg.connect(database_url)
    found = await connection.fetch(
        "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
        " WHERE relname IN ('enrollments', 'unit_progress', 'study_days', 'course_statistics')"
    )
    await connection.close()
    assert all(row["n_tup_upd"] >= LEARNERS * VISITS for row in found if row["relname"] != "course_statistics")
    return {row["relname"]: row["n_tup_hot_upd"] / row["n_tup_upd"] for row in found}
