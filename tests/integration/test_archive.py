"""Old events move to Parquet files, which other tools read, and leave the table."""

import json
import stat
import subprocess
from pathlib import Path

import pyarrow.parquet
import pytest
from sqlalchemy import select

from headway import schema
from headway.audit.tables import audit_entries
from headway.errors import Invalid, OperatorError
from headway.instants import DAY, iso
from headway.learning.model import ActivityType, Event
from headway.learning.tables import learner_activity_logs
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.archives import EVENTS, LATER, archive, archived, archiving, files, record, verify
from tests.integration.tampering import Played, play
from tests.processes import run_headway
from tests.world import NOON, World


@pytest.fixture
async def played(world: World) -> Played:
    return await play(world)


async def test_old_events_are_in_files_instead_of_the_table(played: Played, tmp_path: Path) -> None:
    stored = await played.world.rows(EVENTS)

    made = await archive(played.world, tmp_path)

    assert await played.world.rows(EVENTS) == []
    assert archived(tmp_path) == stored
    assert [each.events for each in made] == [6, 6]
    assert [Path(each.file) for each in made] == files(tmp_path)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files(tmp_path)} == {0o600}
    assert (await verify(played.world)).differences == []


async def test_a_file_is_sorted_by_learner_in_row_groups(played: Played, tmp_path: Path) -> None:
    await archive(played.world, tmp_path)

    for file in files(tmp_path):
        opened = pyarrow.parquet.ParquetFile(file)
        users = opened.read().column("user_id").to_pylist()
        assert (users, opened.num_row_groups) == (sorted(users), 2)
        assert {opened.metadata.row_group(0).column(n).compression for n in range(len(learner_activity_logs.c))} == {"ZSTD"}
        opened.close()


async def test_a_manifest_describes_each_file(played: Played, tmp_path: Path) -> None:
    made = await archive(played.world, tmp_path)

    for each in made:
        manifest = Path(f"{each.file}.json")
        told = json.loads(manifest.read_text())
        assert stat.S_IMODE(manifest.stat().st_mode) == 0o600
        assert (told["events"], told["sha256"], told["received_from"]) == (6, each.sha256, iso(NOON))
        assert told["size_bytes"] == Path(each.file).stat().st_size


async def test_events_that_are_not_old_stay(played: Played, tmp_path: Path) -> None:
    world = played.world
    world.clock.advance(seconds=DAY / 1000)
    young = Event("young", ActivityType.SEARCH, played.course.id, start_time=NOON - 1_000, end_time=NOON)
    await record(world, played.ids["beginner"], young)

    await archive(world, tmp_path, before=NOON + DAY)

    assert [row[1] for row in await world.rows(EVENTS)] == ["young"]
    assert len(archived(tmp_path)) == 12


async def test_later_runs_archive_what_is_old_by_then(played: Played, tmp_path: Path) -> None:
    world, learner = played.world, played.ids["beginner"]
    for number in range(3):
        world.clock.advance(seconds=3 * DAY / 1000)
        made = await archiving(world).run(world.clock() - DAY, tmp_path)
        assert sum(each.events for each in made) == (100 if number else 12)
        await record(world, learner, *(Event(f"{number} {n}", ActivityType.SEARCH, played.course.id) for n in range(100)))

    assert len(await world.rows(EVENTS)) == 100
    assert len(archived(tmp_path)) == 212
    assert (await verify(world)).differences == []


async def test_a_count_changes_nothing(played: Played) -> None:
    stored = await played.world.rows(EVENTS)
    played.world.clock.now = LATER

    assert (await archiving(played.world).count(LATER - DAY)).events == 12
    assert (await archiving(played.world).count(NOON)).events == 0
    assert await played.world.rows(EVENTS) == stored


async def test_each_file_is_audited(played: Played, tmp_path: Path) -> None:
    made = await archive(played.world, tmp_path)

    entries = select(audit_entries.c.target_id).where(audit_entries.c.action == "ARCHIVE_EVENTS").order_by(audit_entries.c.seq)
    assert await played.world.rows(entries) == [(each.id,) for each in made]


async def test_the_last_day_is_not_archived(played: Played, tmp_path: Path) -> None:
    for attempt in (archive(played.world, tmp_path, before=LATER - DAY + 1), archiving(played.world).count(LATER)):
        with pytest.raises(Invalid) as refused:
            await attempt
        assert [each.field for each in refused.value.fields] == ["before"]
    assert len(await played.world.rows(EVENTS)) == 12


async def test_a_version_that_does_not_know_archives_is_not_gone_back_to(
    world: World, settings: Settings, tmp_path: Path
) -> None:
    course = await world.course()
    learner = await world.learner(course)
    await record(world, learner.id, Event("old", ActivityType.SEARCH, course.id, start_time=NOON - 1_000, end_time=NOON))
    await archive(world, tmp_path)

    with pytest.raises(OperatorError, match="Events have been archived"):
        await schema.migrate(settings, "0012")

    assert (await verify(world)).differences == []


async def test_the_command_counts_and_archives(played: Played, settings: Settings, tmp_path: Path) -> None:
    async def run(*flags: str) -> "subprocess.CompletedProcess[str]":
        where = ("--to", str(tmp_path / "archives"), "--database", settings.database_url)
        return await run_headway("events", "archive", *where, *flags, secret_key=SECRET_KEY)

    counted = await run("--before", "2026-01-02", "--dry-run")
    assert (counted.returncode, json.loads(counted.stdout)) == (0, {"events": 12})
    assert len(await played.world.rows(EVENTS)) == 12

    done = await run("--before", "2026-01-02")
    (made,) = json.loads(done.stdout)["archives"]
    assert (done.returncode, json.loads(done.stdout)["events"], files(tmp_path / "archives")) == (0, 12, [Path(made["file"])])
    assert stat.S_IMODE((tmp_path / "archives").stat().st_mode) == 0o700
    assert await played.world.rows(EVENTS) == []

    again = await run("--before", "2026-01-02")
    assert json.loads(again.stdout) == {"events": 0, "archives": []}
    refused = await run("--before", "9000-01-01")
    assert (refused.returncode, refused.stderr.splitlines()[-1]) == (1, "Error: before must lie at least one day in the past")


async def test_without_its_key_the_command_begins_nothing(played: Played, settings: Settings, tmp_path: Path) -> None:
    flags = ("--before", "2026-01-02", "--to", str(tmp_path / "archives"), "--database", settings.database_url)
    refused = await run_headway("events", "archive", *flags, secret_key="another key of enough length for it")

    assert refused.returncode == 1
    assert len(await played.world.rows(EVENTS)) == 12
    assert files(tmp_path / "archives") == []
