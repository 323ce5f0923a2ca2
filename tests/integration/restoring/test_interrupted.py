"""A restoration that is cut off leaves the old database, and a backup has everything acknowledged before it began."""

import asyncio
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from headway.accounts.model import User
from headway.backups import restoring
from headway.backups.restoring import Restore
from headway.backups.verifying import Look
from headway.instants import system_clock
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.batch_writers import Writer
from tests.integration.restoring.restorations import events_of, is_sound, names, restore, users_of
from tests.processes import FORKS, HeadwayProcess, run_headway
from tests.world import FakeClock, World

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize("step", ["copied", "prepared", "linked"])
async def test_a_restoration_that_is_killed_leaves_the_old_database_whole(backup: Path, place: Path, step: str) -> None:
    await restore(backup, place)
    await run_headway("user", "create", "--name", "Later", "--database", f"sqlite:///{place}", secret_key=SECRET_KEY)
    process = FORKS.Process(target=_restore_and_die, args=(backup, place, step))
    process.start()
    process.join(60)

    assert process.exitcode == -signal.SIGKILL
    assert users_of(place) == users_of(backup) + 1
    assert await is_sound(place)
    assert (await restore(backup, place, "--force")).returncode == 0
    assert users_of(place) == users_of(backup)
    assert [name for name in names(place) if "partial" in name] == []


def _restore_and_die(backup: Path, place: Path, step: str) -> None:
    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    places = {"copied": (restoring, "open_copy"), "prepared": (restoring, "_swap_in"), "linked": (Path, "replace")}
    setattr(*places[step], die)
    settings = Settings(database_url=f"sqlite:///{place}", secret_key=SECRET_KEY)
    restoring_here = Restore(settings, system_clock, Look())
    asyncio.run(restoring_here.run(backup, replaces=True, accepts_faults=False))


WRITERS = 4


@pytest.mark.timeout(300)
async def test_a_backup_under_load_has_everything_acknowledged_before_it_began(
    world: World, database_url: str, tmp_path: Path, place: Path, clock: FakeClock
) -> None:
    clock.now = time.time_ns() // 1_000_000
    course = await world.course()
    learners: list[User] = [await world.learner(course) for _ in range(WRITERS)]
    writers = [Writer(course, world.bearer(learner)) for learner in learners]

    with HeadwayProcess(database_url, tmp_path, SECRET_KEY) as server:
        writing = [asyncio.create_task(writer.write_until_it_breaks(server.url)) for writer in writers]
        for number in range(3):
            await asyncio.sleep(random.uniform(0.2, 0.5))
            before = {event_id for writer in writers for event_id in writer.acknowledged}
            target = tmp_path / f"{number}.db"
            ran = await run_headway("backup", str(target), "--database", database_url, secret_key=SECRET_KEY)
            assert ran.returncode == 0, ran.stderr
            assert json.loads(ran.stdout)["verified"] == {"integrity": "full", "differences": 0, "audit_faults": 0}
            after = {event_id for writer in writers for event_id in writer.acknowledged}
            # The writers were busy all the while.
            assert before < after
            ran = await restore(target, place, "--force")
            assert ran.returncode == 0, ran.stderr
            restored = events_of(place)
            assert before <= restored
            assert await is_sound(place)
        await asyncio.to_thread(server.kill)
        await asyncio.gather(*writing)

    # What was restored is of the moment of the backup, and not of later.
    assert {event_id for writer in writers for event_id in writer.acknowledged} - restored
    with HeadwayProcess(f"sqlite:///{place}", tmp_path, SECRET_KEY) as server:
        # Whoever repeats what the restored database does not know is served.
        await asyncio.gather(*(writer.repeat_unanswered(server.url) for writer in writers))
    assert await is_sound(place)
