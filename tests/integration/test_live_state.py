"""What a client hears at /ws and reads when it is told to is what a fresh read shows, whatever happens to its connection.

Every kind of change is made by every contract, on all servers of the database; see docs/live.md for the rules of a client.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from headway.settings import Settings
from tests.integration.concurrency import differences, open_world, run_servers
from tests.integration.live_changes import Changes, make_room
from tests.integration.live_state import Agreement, Client, Learner, Servers, Tutor

_NO_LIMITS = {
    f"HEADWAY_TUTORIAL_{calls}_PER_MINUTE": "10000" for calls in ("READS", "CHAPTERS", "QUIZZES", "COMPLETIONS", "RESETS")
}
_STOP_LISTENING = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
)


@asynccontextmanager
async def living(clients: list[Client]) -> AsyncIterator[None]:
    """Let clients live within the block; it fails if one of them does."""
    async with asyncio.TaskGroup() as lives:
        tasks = [lives.create_task(client.live()) for client in clients]
        for client in clients:
            await client.follows.wait()
        yield
        for task in tasks:
            task.cancel()


def count_cuts(clients: list[Client]) -> int:
    return sum(client.heard["cuts"] for client in clients)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_stale_client_comes_to_know_what_a_fresh_read_shows(settings: Settings, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with run_servers(settings, tmp_path, **_NO_LIMITS) as urls:
        async with open_world(settings) as world:
            room, servers, agreement = await make_room(world), Servers(urls, chance), Agreement()
            changes = Changes(room, servers, world, chance)
            viewers: list[Learner | Tutor] = [Learner(servers, each.id, room.tokens[each.id]) for each in room.learners]
            viewers += [Tutor(servers, each.id, room.tokens[room.tutor.id]) for each in room.courses]
            clients = [Client(viewer, agreement, urls, chance) for viewer in viewers]
            async with living(clients):
                async with asyncio.TaskGroup() as drivers:
                    for _ in range(2):
                        drivers.create_task(changes.make(3))
                async with asyncio.timeout(60):
                    # On a quick machine the changes are made before the clients have been cut off often enough.
                    while count_cuts(clients) <= len(clients) or not all(changes.done[name] for name in changes.kinds):
                        await changes.make(1)
                for client in clients:
                    client.is_cut = False
                await changes.make(1)
                for learner in room.learners:
                    await changes.reopen(learner)
                for client in clients:
                    await client.agrees(seconds=20)

                # The last word is told to nobody: no server listens, or, on SQLite, none knows of it.
                resyncs = [client.heard["resync"] for client in clients]
                if not settings.is_sqlite:
                    await world.rows(_STOP_LISTENING)
                for learner in room.learners:
                    await changes.complete_extra(learner)
                for client in clients:
                    await client.agrees(seconds=20)
            assert await differences(world) == []
            await servers.close()

    # Nothing of this was idle.
    assert all(client.heard["progress.updated"] for client in clients[:4])
    assert all(client.heard["resync"] > before for client, before in zip(clients, resyncs, strict=True))
