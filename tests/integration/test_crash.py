"""The power goes off while events come in: what was acknowledged is there, once, and everything adds up."""

import asyncio
import os
import random
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from headway.accounts.model import User
from headway.learning.tables import learner_activity_logs
from headway.services import make_checks
from headway.verify import Verify
from tests.databases import SECRET_KEY
from tests.integration.batch_writers import Writer
from tests.processes import HeadwayProcess
from tests.world import FakeClock, World

CYCLES = int(os.environ.get("HEADWAY_CRASH_CYCLES", "20"))
WRITERS = 8
VERIFY_EVERY = 5


async def cycle(server: HeadwayProcess, writers: list[Writer], world: World) -> None:
    """Write for a moment, kill everything, start again and repeat what was not answered."""
    writing = [asyncio.create_task(writer.write_until_it_breaks(server.url)) for writer in writers]
    await asyncio.sleep(random.uniform(0.1, 0.4))
    await asyncio.to_thread(server.kill)
    await asyncio.gather(*writing)
    await asyncio.to_thread(server.start)
    stored = await stored_ids(world)
    for writer in writers:
        assert writer.acknowledged.keys() <= stored
        for events in writer.unanswered:
            ids = {event["event_id"] for event in events if "event_id" in event}
            assert ids <= stored or not ids & stored, "a batch was stored in part"
        await writer.repeat_unanswered(server.url)


async def stored_ids(world: World) -> set[str]:
    return {row[0] for row in await world.rows(select(learner_activity_logs.c.event_id))}


@pytest.mark.timeout(300)
async def test_what_was_acknowledged_survives_every_crash_exactly_once(
    world: World, database_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    clock.now = time.time_ns() // 1_000_000
    course = await world.course()
    learners: list[User] = [await world.learner(course) for _ in range(WRITERS)]
    writers = [Writer(course, world.bearer(learner)) for learner in learners]

    with HeadwayProcess(database_url, tmp_path, SECRET_KEY) as server:
        for number in range(CYCLES):
            await cycle(server, writers, world)
            if (number + 1) % VERIFY_EVERY == 0:
                assert (await Verify(world.database, make_checks()).run()).differences == []
        verified = await Verify(world.database, make_checks()).run()

    acknowledged = [event_id for writer in writers for event_id in writer.acknowledged]
    assert set(acknowledged) == await stored_ids(world)
    assert (verified.checked["learner_activity_logs"], verified.differences) == (len(acknowledged), [])
    assert len(acknowledged) > CYCLES * WRITERS
    # An event whose first acceptance was lost with the connection is a duplicate when it is repeated, never accepted twice.
    assert max(max(writer.acknowledged.values()) for writer in writers) == 1
