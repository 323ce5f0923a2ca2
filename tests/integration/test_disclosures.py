"""The disclosure log: one row a day of what somebody was shown, stored before it is shown."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, text

from headway import schema
from headway.db.database import ReadTransaction
from headway.disclosures.disclosing import disclose
from headway.disclosures.model import DisclosureFilter, RecordKind
from headway.disclosures.tables import disclosures
from headway.errors import Unavailable
from headway.identity import NOBODY, Caller, Role
from headway.paging.service import Walk
from headway.services import Services
from headway.settings import Settings
from tests.app_server import open_server
from tests.databases import SECRET_KEY
from tests.processes import run_headway
from tests.world import NOON, World

ROWS = select(
    disclosures.c.learner_id,
    disclosures.c.reader_id,
    disclosures.c.kind,
    disclosures.c.channel,
    disclosures.c.times,
    disclosures.c.first_at,
    disclosures.c.last_at,
).order_by(disclosures.c.first_at, disclosures.c.learner_id)


async def show(world: World, reader: Caller | None, *learner_ids: int, services: Services | None = None) -> None:
    """Read the records of learners."""
    async with (services or world.services).database.read() as tx:
        for learner_id in learner_ids:
            disclose(tx, reader, RecordKind.PROGRESS, course_id=5, learner_id=learner_id)


def tutor() -> Caller:
    return Caller(77, Role.INSTRUCTOR)


async def test_the_first_is_stored_before_the_read_ends_and_the_others_are_counted(world: World) -> None:
    await show(world, tutor(), 1)
    assert await world.rows(ROWS) == [(1, 77, "PROGRESS", "API", 1, NOON, NOON)]

    world.clock.advance(seconds=60)
    for _ in range(3):
        await show(world, tutor(), 1)
    assert [row[4] for row in await world.rows(ROWS)] == [1]

    await world.services.disclosures.write_counts()
    assert await world.rows(ROWS) == [(1, 77, "PROGRESS", "API", 4, NOON, NOON + 60_000)]


async def test_another_day_another_reader_another_learner_and_another_way_are_other_rows(world: World) -> None:
    await show(world, tutor(), 1, 2, 1)
    await show(world, Caller(8, Role.ADMIN), 1)
    await show(world, Caller(8, Role.SYSTEM, key_id=3), 1)
    await show(world, None, 1)
    world.clock.advance(seconds=86_400)
    await show(world, tutor(), 1)

    rows = await world.rows(ROWS)
    assert sorted((row[0], row[1], row[3]) for row in rows) == sorted(
        [(1, 0, "COMMAND"), (1, 77, "API"), (1, 77, "API"), (1, 8, "API"), (1, 8, "KEY"), (2, 77, "API")]
    )
    assert {row[4] for row in rows} == {1}


async def test_ones_own_record_and_what_is_read_for_a_change_are_not_noted(world: World) -> None:
    await show(world, tutor(), 77)
    async with world.database.write() as tx:
        disclose(tx, tutor(), RecordKind.PROGRESS, course_id=5, learner_id=1)

    assert await world.rows(ROWS) == []


async def test_a_read_that_fails_shows_nothing(world: World) -> None:
    async def fail(tx: ReadTransaction) -> None:
        disclose(tx, tutor(), RecordKind.PROGRESS, course_id=5, learner_id=1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await world.read(fail)

    assert await world.rows(ROWS) == []


async def test_many_at_once_are_stored_once_each_and_all_are_counted(world: World) -> None:
    await asyncio.gather(*(show(world, tutor(), each % 10 + 1) for each in range(100)))
    await world.services.disclosures.write_counts()

    rows = await world.rows(ROWS)
    assert [row[0] for row in rows] == list(range(1, 11))
    assert sum(row[4] for row in rows) == 100


async def test_two_processes_add_to_the_same_row(world: World) -> None:
    async with another(world) as other:
        await asyncio.gather(*(show(world, tutor(), 1, services=each) for each in (world.services, other) for _ in range(5)))
        await other.disclosures.write_counts()
    await world.services.disclosures.write_counts()

    assert [row[4] for row in await world.rows(ROWS)] == [10]


async def test_nobody_is_shown_what_cannot_be_noted_and_whoever_asks_again_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_args: Any) -> None:
        raise Unavailable("The disk is full.")

    with monkeypatch.context() as broken:
        broken.setattr(world.services.disclosures, "_write", refuse)
        outcomes = await asyncio.gather(*(show(world, tutor(), 1) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in outcomes] == [Unavailable] * 3
    assert await world.rows(ROWS) == []

    await show(world, tutor(), 1)
    assert [row[0] for row in await world.rows(ROWS)] == [1]


async def test_counts_that_cannot_be_written_are_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await show(world, tutor(), 1)
    await show(world, tutor(), 1)

    async def refuse(*_args: Any) -> None:
        raise Unavailable("Gone.")

    with monkeypatch.context() as broken:
        broken.setattr(world.services.disclosures, "_write", refuse)
        with pytest.raises(Unavailable):
            await world.services.disclosures.write_counts()
    await show(world, tutor(), 1)
    await world.services.disclosures.write_counts()

    assert [row[4] for row in await world.rows(ROWS)] == [3]


async def test_a_service_that_closes_writes_its_counts(world: World) -> None:
    async with another(world) as other:
        await show(world, tutor(), 1, services=other)
        await show(world, tutor(), 1, services=other)
        await other.close()

    assert [row[4] for row in await world.rows(ROWS)] == [2]


async def test_the_log_can_be_switched_off(world: World) -> None:
    async with another(world, disclosure_log=False) as off:
        await show(world, tutor(), 1, services=off)
        await off.disclosures.write_counts()

    assert await world.rows(ROWS) == []


async def test_what_comes_from_the_cache_is_noted_too(world: World) -> None:
    """A server that has the answer in its cache from one reader notes that it showed it to the next."""
    async with open_server(world.settings, world.clock) as (client, at_server):
        course = await at_server.course()
        learner = await at_server.learner(course)
        owner = await at_server.find_user(course.owner_id)
        admin = await at_server.user(Role.ADMIN)
        for reader in (owner, admin, learner):
            path = f"/user-progress/{course.id}/{learner.id}"
            assert (await client.get(path, headers=at_server.bearer(reader))).status_code == 200

        assert sorted((row[0], row[1]) for row in await at_server.rows(ROWS)) == [
            (learner.id, owner.id),
            (learner.id, admin.id),
        ]


async def test_a_learner_sees_the_disclosures_of_all_of_a_course_since_being_in_it(world: World) -> None:
    course = await world.course()
    early, late = await world.learner(course), await world.user()
    reader = Caller(course.owner_id or 0, Role.INSTRUCTOR)

    async def list_course() -> None:
        async with world.database.read() as tx:
            await world.services.learning.list_enrollments(tx, reader, course.id, Walk(10, 1))

    await list_course()
    world.clock.advance(seconds=3 * 86_400)
    await world.write(world.services.enrollments.enroll, late.id, course.id)
    assert await own(world, late.id) == []
    await list_course()

    assert await own(world, late.id) == [("LEARNERS", course.owner_id)]
    assert await own(world, early.id) == [("LEARNERS", course.owner_id)] * 2
    admin = Caller((await world.user(Role.ADMIN)).id, Role.ADMIN)
    async with world.database.read() as tx:
        found, total = await world.services.disclosed.list_for(
            tx, admin, DisclosureFilter(learner_id=early.id, since=NOON + 86_400_000), Walk(10, 1)
        )
    assert (len(found), total) == (1, 1)
    # Who leaves and comes back was in the course before, too.
    await world.write(world.services.enrollments.leave, early.id, course.id)
    world.clock.advance(seconds=3 * 86_400)
    await world.write(world.services.enrollments.enroll, early.id, course.id)
    assert await own(world, early.id) == [("LEARNERS", course.owner_id)] * 2


async def test_events_that_an_operator_exports_are_noted(world: World, settings: Settings, tmp_path: Path) -> None:
    course = await world.course()
    learner = await world.learner(course)

    for arguments in (("--course", str(course.id)), ()):
        exported = await run_headway(
            *("export", "events", str(tmp_path / "events.parquet"), *arguments, "--database", settings.database_url),
            secret_key=SECRET_KEY,
        )
        assert exported.returncode == 0, exported.stderr

    assert await own(world, learner.id) == [("EXPORT", NOBODY)] * 2


async def own(world: World, user_id: int) -> list[tuple[str, int]]:
    async with world.database.read() as tx:
        found, total = await world.services.disclosed.list_own(tx, Caller(user_id, Role.PARTICIPANT), Walk(10, 1))
    assert total == len(found)
    return [(each.disclosure.disclosed.kind.value, each.disclosure.disclosed.reader_id) for each in found]


async def test_a_walk_through_the_log_meets_each_row_once(world: World) -> None:
    for learner_id in range(1, 26):
        await show(world, tutor(), learner_id)
    admin = Caller((await world.user(Role.ADMIN)).id, Role.ADMIN)

    seen: list[int] = []
    cursor = None
    while True:
        walk = world.services.paging.walk(admin.user_id, ("all",), cursor=cursor, page=1, limit=10)
        async with world.database.read() as tx:
            found, total = await world.services.disclosed.list_for(tx, admin, DisclosureFilter(), walk)
        seen += [each.disclosure.disclosed.learner_id for each in found]
        assert total == 25
        cursor = walk.next_cursor
        if cursor is None:
            break

    # Within a millisecond, ids have no order.
    assert sorted(seen) == list(range(1, 26))


@asynccontextmanager
async def another(world: World, **changed: Any) -> AsyncIterator[Services]:
    """Open the services of another process on the same database."""
    settings = msgspec.structs.replace(world.settings, **changed)
    database = schema.database(settings, for_commands=True)
    await database.open()
    try:
        yield Services(settings, database, world.clock)
    finally:
        await database.close()


async def test_a_process_that_is_killed_loses_no_row(world: World) -> None:
    """What was shown is committed: another connection sees it while the first one has not closed."""
    async with another(world) as other:
        await show(world, tutor(), 1, services=other)
        async with world.database.read() as tx:
            (row,) = await tx.all(text("SELECT count(*) FROM disclosures"))
        assert row[0] == 1
