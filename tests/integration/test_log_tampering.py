"""Whatever is done to the activity log behind its back is found, and the first bad entry is named."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, insert, select, text, update

from headway.audit import store as audit_store
from headway.audit.chain import GENESIS, ChainHead, ChainLink
from headway.audit.model import EntryFilter
from headway.audit.tables import audit_entries, audit_head
from headway.audit.verify import Fault, verify_log
from headway.db.dialects import Statement
from headway.identity import Caller, Role
from headway.paging.service import Walk
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.audit_log import ENTRIES, Statements, change, entry, faults, log_of, without, write
from tests.integration.concurrency import open_world
from tests.processes import run_headway
from tests.world import World


def moved(one: int, other: int) -> Statements:
    return [entry(one, seq=1_000), entry(other, seq=one), entry(1_000, seq=other)]


SINGLE: dict[str, tuple[Statements, int]] = {
    "another action": ([entry(4, action="STEP_40")], 4),
    "another actor": ([entry(4, actor_id="77")], 4),
    "a verified actor": ([entry(4, is_actor_verified=False)], 4),
    "another recorder": ([entry(4, recorded_by=77)], 4),
    "another role": ([entry(4, recorded_role="ADMIN")], 4),
    "another target": ([entry(4, target_id="6")], 4),
    "another kind of target": ([entry(4, target_type="USER")], 4),
    "another status": ([entry(4, status="FAILURE")], 4),
    "another time": ([entry(4, performed_at=1)], 4),
    "another id": ([entry(4, id="f" * 24)], 4),
    "another hash": ([entry(4, hash="f" * 64)], 4),
    "another hash of the one before": ([entry(4, previous_hash="f" * 64)], 4),
    "another hash of its content": ([entry(4, content_hash="f" * 64)], 4),
    "content that nobody encrypted": ([entry(4, content="{}")], 4),
    "the first entry changed": ([entry(1, action="STEP_40")], 1),
    "the last entry changed": ([entry(ENTRIES, action="STEP_40")], ENTRIES),
    "one removed": ([without(4, 4)], 4),
    "several removed": ([without(4, 6)], 4),
    "the first removed": ([without(1, 1)], 1),
    "neighbours moved": (moved(4, 5), 4),
    "others moved": (moved(2, 7), 2),
    "the last cut off": ([without(ENTRIES, ENTRIES)], ENTRIES),
    "the end cut off": ([without(6, ENTRIES)], 6),
    "all removed": ([without(1, ENTRIES)], 1),
    "all removed, with the head": ([without(1, ENTRIES), delete(audit_head)], 1),
    "all removed, and the head begun anew": (
        [without(1, ENTRIES), update(audit_head).values(seq=0, hash=GENESIS, at=0, signature="f" * 64)],
        0,
    ),
    "the head removed": ([delete(audit_head)], ENTRIES),
    "another signature": ([update(audit_head).values(signature="f" * 64)], ENTRIES),
    "another head": ([update(audit_head).values(hash="f" * 64)], ENTRIES),
    "the head moved back": ([without(6, ENTRIES), update(audit_head).values(seq=5)], 5),
}


async def test_what_was_done_behind_its_back_is_found_and_the_first_bad_entry_is_named(
    world: World, subtests: pytest.Subtests
) -> None:
    ids = await write(world)
    kept = await world.read(audit_store.head)
    assert await faults(world, kept) == []
    entries, heads = await world.rows(select(audit_entries)), await world.rows(select(audit_head))

    for name, (changes, first) in SINGLE.items():
        with subtests.test(name):
            await change(world, changes)
            found = await faults(world)
            await change(world, [delete(audit_entries), delete(audit_head)])
            await change(world, [insert(audit_entries).values(tuple(row)) for row in entries])
            await change(world, [insert(audit_head).values(tuple(row)) for row in heads])

            assert found[0].seq == first
            assert found[0].id in {None, ids[first - 1], "f" * 24, *(ids if "moved" in name else ())}
            assert await faults(world, kept) == []


async def test_content_that_was_written_for_another_entry_is_found(world: World) -> None:
    await write(world)
    of_another = (await world.rows(select(audit_entries.c.content).where(audit_entries.c.seq == 5)))[0][0]

    await change(world, [entry(4, content=of_another)])

    assert [(fault.seq, fault.fault) for fault in await faults(world)] == [
        (4, "was changed: its content was written for another entry")
    ]


async def test_who_computes_all_hashes_anew_without_the_key_is_found_at_the_entry(world: World) -> None:
    await write(world)
    columns = [audit_entries.c[name] for name in ChainLink.__struct_fields__]
    found = (ChainLink(*row) for row in await world.rows(select(*columns).order_by(audit_entries.c.seq)))
    links = [msgspec.structs.replace(link, is_actor_verified=bool(link.is_actor_verified)) for link in found]
    forged: list[Statement] = []
    previous = links[2].hash()
    for link in links[3:]:
        is_first = link.seq == 4
        new = msgspec.structs.replace(link, previous_hash=previous, action="FORGED" if is_first else link.action)
        previous = new.hash()
        forged.append(entry(link.seq, action=new.action, previous_hash=new.previous_hash, hash=previous))
    forged.append(update(audit_head).values(hash=previous))

    await change(world, forged)

    assert (await faults(world))[0] == Fault(4, links[3].id, "was changed: its content was written for another entry")


async def test_an_end_that_was_cut_off_with_its_head_put_back_is_found_by_a_head_that_was_kept(world: World) -> None:
    await write(world, 5)
    older = await world.read(audit_store.head)
    assert older is not None
    await write(world, 4)
    newer = await world.read(audit_store.head)

    values = {name: getattr(older, name) for name in ChainHead.__struct_fields__}
    await change(world, [without(6, 9), update(audit_head).values(values)])

    assert await faults(world) == []
    assert await faults(world, older) == []
    assert await faults(world, newer) == [Fault(6, None, "is missing, with all up to 9")]


async def test_who_has_the_key_and_writes_the_log_anew_is_found_by_a_head_that_was_kept(world: World) -> None:
    await write(world, 5)
    kept = await world.read(audit_store.head)
    beginning = ChainHead(0, GENESIS, 0, "")
    signature = world.database.keyring.sign(beginning.signed)
    await change(world, [delete(audit_entries), update(audit_head).values(seq=0, hash=GENESIS, at=0, signature=signature)])
    await write(world, 6)

    assert await faults(world) == []
    told_of = await faults(world, kept)
    assert [(fault.seq, fault.fault) for fault in told_of] == [
        (5, "is not what the kept head tells: it, or one before it, was written anew")
    ]


async def test_a_kept_head_of_another_log_is_told_from_this_one(world: World) -> None:
    await write(world, 2)
    kept = await world.read(audit_store.head)
    assert kept is not None

    found = await faults(world, msgspec.structs.replace(kept, seq=1))

    assert [(fault.seq, fault.fault) for fault in found] == [
        (1, "is not what the kept head tells: it, or one before it, was written anew")
    ]


async def test_an_entry_put_at_the_end_is_found(world: World) -> None:
    await write(world, 2)
    (row,) = await world.rows(select(audit_entries).where(audit_entries.c.seq == 2))
    names = [column.name for column in audit_entries.c]
    values = dict(zip(names, row, strict=True)) | {"seq": 3, "id": "e" * 24, "previous_hash": row[names.index("hash")]}
    link = ChainLink(**{name: values[name] for name in ChainLink.__struct_fields__} | {"is_actor_verified": True})

    await change(world, [insert(audit_entries).values(values | {"is_actor_verified": True, "hash": link.hash()})])

    assert [(fault.seq, fault.fault) for fault in await faults(world)] == [
        (3, "was changed: its content was written for another entry"),
        (3, "comes after the head"),
    ]


async def test_the_command_names_the_first_bad_entry_and_compares_with_a_kept_head(settings: Settings, tmp_path: Any) -> None:
    async with open_world(settings) as world:
        ids = await write(world)
    flags = ("--database", settings.database_url)

    head = await run_headway("audit", "head", *flags, secret_key=SECRET_KEY)
    (tmp_path / "head.json").write_text(head.stdout)
    clean = await run_headway("audit", "verify", "--head", str(tmp_path / "head.json"), *flags, secret_key=SECRET_KEY)
    assert (clean.returncode, msgspec.json.decode(clean.stdout)["checked"]) == (0, ENTRIES)
    assert msgspec.json.decode(clean.stdout)["head"] == msgspec.json.decode(head.stdout)
    assert f"{ENTRIES}/{ENTRIES}" in clean.stderr

    async with open_world(settings) as world:
        await change(world, [entry(3, action="FORGED"), without(5, 6)])
    found = await run_headway("audit", "verify", *flags, secret_key=SECRET_KEY)
    assert (found.returncode, [fault["seq"] for fault in msgspec.json.decode(found.stdout)["faults"]]) == (1, [3, 5])
    named = f"Error: The activity log is not as it was written: entry 3 ({ids[2]}) was changed: its hash is another\n"
    assert found.stderr.endswith(named)

    strange = await run_headway("audit", "verify", *flags, secret_key="another-key-that-signs-nothing-here")
    assert (strange.returncode, strange.stdout) == (1, "")
    assert strange.stderr.endswith("than HEADWAY_ENCRYPTION_KEYS or HEADWAY_SECRET_KEY gives.\n")

    (tmp_path / "head.json").write_text("{}")
    refused = await run_headway("audit", "verify", "--head", str(tmp_path / "head.json"), *flags, secret_key=SECRET_KEY)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)


async def test_an_empty_log_is_as_it_was_written(world: World) -> None:
    found = await world.read(verify_log, kept_head=None)

    assert (found.checked, found.head, found.faults) == (0, None, [])


async def test_an_end_that_was_cut_off_is_found_also_after_somebody_went_on_from_it(world: World) -> None:
    await write(world, 5)
    third = (await world.rows(select(audit_entries.c.hash).where(audit_entries.c.seq == 3)))[0][0]
    await change(world, [without(4, 5), update(audit_head).values(seq=3, hash=third)])
    ids = await write(world, 2)

    unsigned = "was appended to an end that nobody had signed: more may have come before it"
    assert await faults(world) == [Fault(4, ids[0], unsigned)]


async def test_an_entry_put_before_the_first_one_is_found(world: World) -> None:
    await write(world, 2)
    (row,) = await world.rows(select(audit_entries).where(audit_entries.c.seq == 1))
    values = dict(zip([column.name for column in audit_entries.c], row, strict=True)) | {"id": "e" * 24, "seq": 0}
    values["is_actor_verified"] = bool(values["is_actor_verified"])
    # Who can write to the database can also do away with what keeps this out.
    drop = "ALTER TABLE audit_entries DROP CONSTRAINT ck_audit_entries_seq"
    async with world.database.write() as tx:
        await tx.all(text(drop if world.database.dialect.name == "postgresql" else "PRAGMA ignore_check_constraints = ON"))

    await change(world, [insert(audit_entries).values(values)])

    assert (await faults(world))[0] == Fault(0, "e" * 24, "was added: the log begins with 1")


async def test_an_entry_that_was_tampered_with_does_not_hide_the_others(world: World) -> None:
    await write(world, 3)
    await change(world, [entry(2, content="x"), entry(3, recorded_role="ADMIN")])

    page = await world.read(log_of(world).read, Caller(1, Role.ADMIN), EntryFilter(), Walk(10, 1))

    assert [each.action for each in page] == ["STEP_3", "STEP_2", "STEP_1"]
    assert [each.context.description for each in page] == [
        "This entry is not as it was written, or its key is missing.",
        "This entry is not as it was written, or its key is missing.",
        "why",
    ]


async def test_a_log_that_was_done_away_with_is_found_also_after_somebody_began_it_anew(world: World) -> None:
    await write(world, 5)
    await change(world, [delete(audit_entries), delete(audit_head)])
    assert await faults(world) == [Fault(1, None, "is missing")]

    ids = await write(world, 2)

    unsigned = "was appended to an end that nobody had signed: more may have come before it"
    assert await faults(world) == [Fault(1, ids[0], unsigned)]
