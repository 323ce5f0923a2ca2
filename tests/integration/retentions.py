"""Quick ways to apply retention rules, and to kill who does."""

import asyncio
import os
import signal

import msgspec

from headway import schema
from headway.audit.service import AuditRecorder
from headway.audit.verify import verify_log
from headway.ids import uuid7
from headway.privacy.retention import Advance, Retention
from headway.settings import Settings
from tests.integration.archives import verify
from tests.processes import FORKS
from tests.world import FakeClock, World

RULES = {f"retention_{name}_days": 10 for name in ("events", "messages", "audit", "disclosures", "feed")}


def retention(world: World, **rules: int) -> Retention:
    """Return the retention of some rules: those of all kinds, unless others are given."""
    settings = msgspec.structs.replace(world.settings, **(rules or RULES))
    return Retention(world.database, world.clock, uuid7, AuditRecorder(world.clock, uuid7), settings)


async def check(world: World) -> None:
    """Everything is as it has to be, also in the audit log."""
    assert (await verify(world)).differences == []
    async with world.database.read() as tx:
        assert (await verify_log(tx, kept_head=None)).faults == []


def retain_until_killed(settings: Settings, now: int, step: int) -> bool:
    """Apply the rules in another process, which kills itself after so many steps; return whether it came that far."""
    process = FORKS.Process(target=_retain_and_die, args=(settings, now, step))
    process.start()
    process.join(30)
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


def _retain_and_die(settings: Settings, now: int, step: int) -> None:
    steps = iter(range(step))

    def advance(_removed: int, _all: int) -> None:
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(_retain(settings, now, advance))


async def _retain(settings: Settings, now: int, advance: Advance) -> None:
    database = schema.database(settings, for_commands=True)
    await database.open()
    clock = FakeClock()
    clock.now = now
    settings = msgspec.structs.replace(settings, **RULES)
    await Retention(database, clock, uuid7, AuditRecorder(clock, uuid7), settings).apply(advance)
    await database.close()
