"""Texts from before there were personal keys: read as before, moved by key rotation, and erased where they were not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select

from headway.audit.service import AuditRecorder
from headway.audit.verify import verify_log
from headway.db.compacting import compact
from headway.db.dialects import UpdateRows
from headway.db.tables import personal_keys
from headway.db.types import PEOPLE
from headway.ids import uuid7
from headway.key_rotation import rotate_keys
from headway.schema import metadata
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.concurrency import differences
from tests.integration.erased_lives import found_in
from tests.integration.test_encryption import stored
from tests.integration.test_erasure import a_life, erase, read_everything
from tests.processes import run_headway
from tests.world import FakeClock, World

COLUMNS = [column for table in metadata.sorted_tables for column in table.c if column.info.get(PEOPLE) is not None]


async def tokens(world: World) -> list[str]:
    """Read all texts that are encrypted under the keys of people, or could be."""
    found = [row[0] for each in COLUMNS for row in await world.rows(select(each).where(each.is_not(None)))]
    # Entries of the feed that are not personal are JSON as it is.
    return [each for each in found if each and not each.startswith("{")]


async def make_older(world: World) -> int:
    """Encrypt all texts under personal keys by the keyring, as they were before; return how many."""
    made = 0
    for column in COLUMNS:
        key = list(column.table.primary_key)
        rows = await world.rows(select(column, *key).where(column.like("p%")))
        texts: Sequence[str] = await world.decrypt(*(row[0] for row in rows))
        encrypt = world.database.keyring.encrypt
        older = [(encrypt(text), *row[1:]) for text, row in zip(texts, rows, strict=True)]
        async with world.database.write() as tx:
            await tx.write_rows((UpdateRows(column.table, [column.name]), older))
        made += len(older)
    return made


async def told(life: Any) -> set[str]:
    return {name for answer in (await read_everything(life)).values() for name in found_in(answer.content)}


async def test_older_texts_are_read_and_moved_by_rotation(settings: Settings, clock: FakeClock) -> None:
    async with a_life(settings, clock) as life:
        world, before = life.world, await told(life)
        assert await make_older(world) > 20
        assert not any(each.startswith("p") for each in await tokens(world))
        assert await told(life) == before

        await rotate_keys(world.database, AuditRecorder(clock, uuid7))

        # What nobody with an account wrote stays under the keyring: a failed sign-in, what services were told.
        assert sum(each.startswith("p") for each in await tokens(world)) > 20
        assert await told(life) == before
        assert (await world.read(verify_log, kept_head=None)).faults == []


async def test_older_texts_are_erased_before_they_are_moved(settings: Settings, clock: FakeClock) -> None:
    async with a_life(settings, clock) as life:
        assert await make_older(life.world) > 20

        assert (await erase(life)).status_code == 201

        assert await told(life) == set()
        life.world.database.known_keys.forget(None)
        assert found_in("\n".join(await life.world.decrypt(*await tokens(life.world)))) == []
        if settings.is_sqlite:
            compact(settings.sqlite_path, timeout_seconds=5)
        assert found_in(stored(settings)) == []
        assert (await life.world.read(verify_log, kept_head=None)).faults == []
        assert await differences(life.world) == []


async def test_nothing_under_the_keys_that_are_left_tells_of_the_person(settings: Settings, clock: FakeClock) -> None:
    async with a_life(settings, clock) as life:
        assert (await erase(life)).status_code == 201

        # Another process forgets the keys with the next request.
        life.world.database.known_keys.forget(None)
        left = await life.world.rows(select(personal_keys.c.key).where(personal_keys.c.user_id == life.user_id))
        assert left == [("",)]
        assert found_in("\n".join(await life.world.decrypt(*await tokens(life.world)))) == []


async def test_the_command_erases_and_verifies_the_receipt(settings: Settings, clock: FakeClock, tmp_path: Path) -> None:
    async with a_life(settings, clock) as life:
        database = ("--database", settings.database_url)
        slip = await run_headway("user", "erase", str(life.user_id), "--confirm", "1", *database, secret_key=SECRET_KEY)
        assert (slip.returncode, "confirmation must be the id or the address" in slip.stderr) == (1, True)

        erased = await run_headway(
            "user", "erase", str(life.user_id), "--confirm", str(life.user_id), *database, secret_key=SECRET_KEY
        )

        assert erased.returncode == 0, erased.stderr
        assert found_in(stored(settings)) == []
        key = msgspec.json.decode((await run_headway("erasure", "key", *database, secret_key=SECRET_KEY)).stdout)["publicKey"]
        file = tmp_path / "receipt.json"
        file.write_text(erased.stdout)
        assert (await run_headway("erasure", "verify", str(file), "--key", key, secret_key=SECRET_KEY)).returncode == 0
        file.write_text(erased.stdout.replace('"reason":"request"', '"reason":"mistake"'))
        forged = await run_headway("erasure", "verify", str(file), "--key", key, secret_key=SECRET_KEY)
        assert (forged.returncode, "was not signed with this key" in forged.stderr) == (1, True)
