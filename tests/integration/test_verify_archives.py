"""`headway verify` recomputes from the table and from archives, and names whatever is wrong with either."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update

from headway.db.dialects import Statement
from headway.enrollments.tables import enrollments
from headway.learning.archive_store import find_archived
from headway.learning.model import ActivityType, Event
from headway.learning.tables import archived_ids, archives, learner_activity_logs
from headway.settings import Settings
from headway.verify import Difference
from tests.databases import SECRET_KEY
from tests.integration.archives import archive, files, record, verify
from tests.integration.tampering import Played, play
from tests.processes import run_headway
from tests.world import World


@pytest.fixture
async def played(world: World, tmp_path: Path) -> Played:
    """A course that was played through, all of its events in two archives."""
    played = await play(world)
    await archive(world, tmp_path)
    return played


async def named(world: World, *changes: Statement) -> Sequence[tuple[str, str]]:
    async with world.database.write() as tx:
        for change in changes:
            await tx.run(change)
    return [(each.table, each.column) for each in (await verify(world)).differences if each.table != "course_statistics"]


async def test_events_in_archives_and_in_the_table_add_up(played: Played) -> None:
    world = played.world
    await record(world, played.ids["beginner"], Event("new", ActivityType.SEARCH, played.course.id))

    found = await verify(world)

    assert found.differences == []
    assert {name: found.checked[name] for name in ("learner_activity_logs", "archives", "archived_ids")} == {
        "learner_activity_logs": 1,
        "archives": 2,
        "archived_ids": 12,
    }


async def test_progress_that_does_not_follow_from_archived_events_is_named(played: Played) -> None:
    finisher = enrollments.c.user_id == played.ids["finisher"]

    assert ("enrollments", "percent") in await named(played.world, update(enrollments).where(finisher).values(percent=1))


@pytest.mark.parametrize("change", ["missing", "altered"])
async def test_a_file_that_is_missing_or_altered_is_named_and_nothing_that_follows_from_that(
    played: Played, tmp_path: Path, change: str
) -> None:
    file = files(tmp_path)[1]
    if change == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1] + b"?")

    (found,) = (await verify(played.world)).differences

    assert isinstance(found, Difference)
    assert (found.table, found.column, found.stored) == ("archives", "file", str(file))
    assert f"{file} {'is missing' if change == 'missing' else 'was altered'}" in found.expected
    assert "progress is not verified" in found.expected


async def test_files_that_were_moved_are_found_where_they_are_now(played: Played, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in files(tmp_path):
        file.rename(moved / file.name)

    assert len((await verify(played.world)).differences) == 2
    assert (await verify(played.world, moved)).differences == []


async def test_ids_that_are_not_kept_are_named(played: Played) -> None:
    beginner = archived_ids.c.user_id == played.ids["beginner"]

    assert await named(played.world, delete(archived_ids).where(beginner)) == [("archived_ids", "entries")]


async def test_ids_that_were_changed_are_named(played: Played) -> None:
    world, finisher = played.world, archived_ids.c.user_id == played.ids["finisher"]
    chunks = await world.rows(select(archived_ids.c.first, archived_ids.c.entries).where(finisher))
    first, entries = max(chunks, key=lambda chunk: len(chunk[1]))
    of_chunk = update(archived_ids).where(archived_ids.c.first == first)
    swapped = entries[20:40] + entries[:20] + entries[40:]

    for changed in (
        {"entries": entries[:-1] + bytes([entries[-1] ^ 1])},
        {"entries": entries[20:]},
        {"entries": swapped},
        {"entries": entries, "first": first - 1},
    ):
        assert await named(world, of_chunk.values(changed)) == [("archived_ids", "entries")], changed
    restored = update(archived_ids).where(archived_ids.c.first == first - 1).values(first=first)
    assert await named(world, restored) == []


async def test_ids_of_nobody_s_events_are_named(played: Played) -> None:
    new = insert(archived_ids).values(user_id=999, first=1, entries=bytes(7) + b"\1" + bytes(12))

    assert await named(played.world, new) == [("archived_ids", "entries")]


async def test_ids_that_are_kept_of_no_archive_are_named(played: Played) -> None:
    """Such an id would make a new event a conflict."""
    others = archived_ids.c.user_id != played.ids["leaver"]

    found = await named(played.world, delete(archives), delete(archived_ids).where(others))

    assert ("archived_ids", "entries") in found


async def test_an_event_that_is_in_an_archive_and_in_the_table_is_named(played: Played, tmp_path: Path) -> None:
    world = played.world
    ((user_id, event_id),) = await find_one(world, played)
    again = insert(learner_activity_logs).values(
        user_id=user_id,
        event_id=event_id,
        activity_type="search",
        course_id=played.course.id,
        received_at=world.clock(),
        occurred_at=world.clock(),
        claimed_ms=0,
        is_shifted=False,
    )

    assert ("learner_activity_logs", "event_id") in await named(world, again)


async def find_one(world: World, played: Played) -> list[tuple[int, str]]:
    return list(await world.read(find_archived, [(played.ids["leaver"], "leaving"), (played.ids["leaver"], "other")]))


async def test_what_is_wrong_in_an_archive_that_is_known_with_it_is_named(played: Played, tmp_path: Path) -> None:
    """An archive that was made of other events than were stored: its ids differ, and so does what follows from it."""
    world = played.world
    first, second = files(tmp_path)
    first.write_bytes(second.read_bytes())
    of = select(archives.c.sha256, archives.c.size_bytes).where(archives.c.file == str(second))
    sha256, size = (await world.rows(of))[0]
    replace = update(archives).where(archives.c.file == str(first)).values(sha256=sha256, size_bytes=size)

    found = await named(world, replace)

    assert {("archived_ids", "entries"), ("enrollments", "percent")} <= set(found)


async def test_the_command_reads_archives(settings: Settings, tmp_path: Path) -> None:
    flags = ("--database", settings.database_url)
    created = await run_headway("user", "create", "--name", "Ada", "--role", "PARTICIPANT", *flags, secret_key=SECRET_KEY)
    assert created.returncode == 0
    done = await run_headway(
        "events", "archive", "--before", "2026-01-01", "--to", str(tmp_path / "archives"), *flags, secret_key=SECRET_KEY
    )
    good = await run_headway("verify", "--archives", str(tmp_path / "archives"), *flags, secret_key=SECRET_KEY)

    assert (done.returncode, json.loads(done.stdout)) == (0, {"events": 0, "archives": []})
    assert (good.returncode, json.loads(good.stdout)["differences"]) == (0, [])
