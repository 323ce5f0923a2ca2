"""Whatever comes between: no event is lost, none is removed that is not in a file, and the next run finishes what was left."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from headway.audit.tables import audit_entries
from headway.errors import OperatorError
from headway.instants import DAY
from headway.learning.archive_files import DamagedArchiveError, own
from headway.learning.tables import archives, learner_activity_logs
from headway.settings import Settings
from tests.integration.archives import EVENTS, LATER, archive, archive_until_killed, archived, archiving, files, verify
from tests.integration.tampering import Played, play
from tests.world import World

REGISTERED = 3
"""After so many steps the first archive is known, and none of its events has left the table."""


class Interrupted(Exception):
    pass


@pytest.fixture
async def played(world: World) -> Played:
    return await play(world)


async def interrupt(world: World, folder: Path, step: int) -> None:
    """Archive up to a step."""
    steps = iter(range(step))

    def advance(_moved: int, _written: int) -> None:
        if next(steps, None) is None:
            raise Interrupted

    world.clock.now = LATER
    with pytest.raises(Interrupted):
        await archiving(world, advance).run(LATER - DAY, folder)


async def test_a_run_that_is_killed_after_any_step_is_finished_by_the_next(
    played: Played, settings: Settings, tmp_path: Path
) -> None:
    world = played.world
    stored = await world.rows(EVENTS)
    async with world.database.write() as tx:
        await tx.run(delete(learner_activity_logs))
    step, is_killed = 0, True
    while is_killed:
        folder = tmp_path / str(step)
        async with world.database.write() as tx:
            for row in stored:
                await tx.run(learner_activity_logs.insert().values(tuple(row)))
        is_killed = await asyncio.to_thread(archive_until_killed, settings, folder, step)

        left = await world.rows(EVENTS)
        assert {*left, *archived(folder)} == {*stored}, f"after step {step}"
        assert (await verify(world)).differences == [], f"after step {step}"
        await archive(world, folder)
        assert (await world.rows(EVENTS), archived(folder)) == ([], stored), f"after step {step}"
        assert (await verify(world)).differences == []
        step += 1
        await forget(world)

    assert step > 15


async def forget(world: World) -> None:
    """Forget all archives, for the next attempt."""
    async with world.database.write() as tx:
        for table in ("archives", "archived_ids"):
            await tx.run(delete(archives.metadata.tables[table]))


async def test_a_finished_archive_is_audited_once(played: Played, tmp_path: Path) -> None:
    for step in (REGISTERED, 2, 3, 1):
        await interrupt(played.world, tmp_path, step)
    await archive(played.world, tmp_path)
    await archive(played.world, tmp_path)

    entries = await played.world.rows(select(audit_entries.c.target_id).where(audit_entries.c.action == "ARCHIVE_EVENTS"))
    assert len(entries) == len(set(entries)) == len(files(tmp_path)) == 2


async def test_a_run_that_fails_leaves_no_draft(played: Played, tmp_path: Path) -> None:
    await interrupt(played.world, tmp_path, 1)

    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("events")] == []


async def test_an_event_that_differs_from_its_file_is_not_removed(played: Played, tmp_path: Path) -> None:
    world = played.world
    await interrupt(world, tmp_path, REGISTERED)
    async with world.database.write() as tx:
        await tx.run(update(learner_activity_logs).values(claimed_ms=1))

    with pytest.raises(DamagedArchiveError, match="differs from what is stored of event"):
        await archive(world, tmp_path)

    assert len(await world.rows(EVENTS)) == 12


@pytest.mark.parametrize("change", ["missing", "altered", "cut off"])
async def test_no_event_is_removed_whose_file_is_not_as_it_was_written(played: Played, tmp_path: Path, change: str) -> None:
    await interrupt(played.world, tmp_path, REGISTERED)
    (file,) = files(tmp_path)
    content = file.read_bytes()
    if change == "missing":
        file.unlink()
    else:
        file.write_bytes(content[:-1] if change == "cut off" else content[:100] + bytes([content[100] ^ 1]) + content[101:])

    with pytest.raises(DamagedArchiveError, match="restore this archive of 6 events") as refused:
        await archive(played.world, tmp_path)
    assert len(await played.world.rows(EVENTS)) == 12
    assert ("missing" if change == "missing" else "altered") in str(refused.value)

    file.write_bytes(content)
    await archive(played.world, tmp_path)
    assert await played.world.rows(EVENTS) == []


async def test_one_process_archives_to_a_folder_at_a_time(played: Played, tmp_path: Path) -> None:
    with own(tmp_path), pytest.raises(OperatorError, match="Another process archives events to"):
        await archive(played.world, tmp_path)


async def test_of_two_processes_that_archive_at_once_one_gives_up(played: Played, settings: Settings, tmp_path: Path) -> None:
    world, stored = played.world, await played.world.rows(EVENTS)
    others = iter([tmp_path / "other"])

    def let_another_run(_moved: int, _written: int) -> None:
        for folder in others:
            assert not archive_until_killed(settings, folder, 1_000)

    world.clock.now = LATER
    with pytest.raises(OperatorError, match="Another process has archived events meanwhile"):
        await archiving(world, let_another_run).run(LATER - DAY, tmp_path)

    assert (archived(tmp_path / "other"), files(tmp_path)) == (stored, [])
    assert await world.rows(EVENTS) == []
    assert (await verify(world)).differences == []
