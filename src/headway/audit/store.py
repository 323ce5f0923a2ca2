"""The activity log as rows: appended to, read, and never changed."""

import secrets
from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Select, bindparam, func, select, union

from headway.audit.model import (
    GENESIS,
    Activity,
    ActivityStatus,
    Actor,
    Context,
    Filter,
    Head,
    Link,
    NewAuditEntry,
    Party,
    Target,
    TargetType,
    sha256,
)
from headway.audit.tables import audit_entries, audit_head
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import Statement, UpdateRows, WriteRows, insert
from headway.db.index_keys import encrypting
from headway.db.keyring import WrongKeyError
from headway.identity import Client, Role
from headway.ids import NewId
from headway.instants import Clock


class _Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is personal of an entry, or may be. Nobody can guess it from its hash: the salt is at random.

    `place` is the hash of all the rest of the entry: who has not the key cannot give the content to another one.
    """

    salt: str
    place: str
    follows_unsigned: bool = False
    actor_name: str | None = None
    actor_email: str | None = None
    actor_role: str | None = None
    target_model: str | None = None
    target_name: str | None = None
    description: str | None = None
    source: str | None = None
    additional_info: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    address: str | None = None
    user_agent: str | None = None


_LINK = Link.__struct_fields__
_insert = WriteRows(audit_entries, [*_LINK, "content", "hash"])
_set_head = UpdateRows(audit_head, ["seq", "hash", "at", "signature"])
_head_columns = [audit_head.c[name] for name in Head.__struct_fields__]
_first_head = insert(audit_head).values(id=1, seq=0, hash=GENESIS, at=bindparam("long_ago"), signature="")
_signed_beginning = (
    insert(audit_head)
    .values(id=1, seq=0, hash=GENESIS, at=bindparam("long_ago"), signature=bindparam("signature"))
    .on_conflict_do_nothing()
)
_lock_head = _first_head.on_conflict_do_update(index_elements=["id"], set_={"seq": audit_head.c.seq}).returning(*_head_columns)
_head = select(*_head_columns)
_columns = [audit_entries.c[name] for name in (*_LINK, "content", "hash")]
_by_id = select(*_columns).where(audit_entries.c.id == bindparam("activity_id"))
_after = select(*_columns).where(audit_entries.c.seq > bindparam("seq")).order_by(audit_entries.c.seq).limit(bindparam("limit"))
_count = select(func.count().label("total")).select_from(audit_entries)

_TAMPERED = "This entry is not as it was written, or its key is missing."

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Content).decode


class Stored(NamedTuple):
    """An entry as it is stored, for those who verify it."""

    link: Link
    hash: str
    content: str


_CONDITIONS = {
    "action": audit_entries.c.action == bindparam("action"),
    "actor_id": audit_entries.c.actor_id == bindparam("actor_id"),
    "target_type": audit_entries.c.target_type == bindparam("target_type"),
    "target_id": audit_entries.c.target_id == bindparam("target_id"),
    "since": audit_entries.c.performed_at >= bindparam("since"),
    "until": audit_entries.c.performed_at < bindparam("until"),
    "before": audit_entries.c.seq < bindparam("before"),
}


@cache
def _page(conditions: tuple[str, ...], actor_ids: int | None) -> Statement:
    """Build the statement for a page: of everybody, or of a party who goes by so many ids."""
    wanted = [_CONDITIONS[name] for name in conditions]

    def newest(*columns: ColumnElement[Any], where: Sequence[ColumnElement[bool]]) -> Select[Any]:
        return select(*columns).where(*where).order_by(audit_entries.c.seq.desc()).limit(bindparam("limit"))

    if actor_ids is None:
        return newest(*_columns, where=wanted)
    roles = [audit_entries.c.actor_id == bindparam(f"party{i}") for i in range(actor_ids)]
    roles.append(audit_entries.c.recorded_by == bindparam("party"))
    # Each way in has its index, and gives no more than a page.
    some = union(*(select(newest(audit_entries.c.seq, where=[role, *wanted]).subquery().c.seq) for role in roles))
    return newest(*_columns, where=[audit_entries.c.seq.in_(some)])


async def append(tx: WriteTransaction, new: Sequence[NewAuditEntry], new_id: NewId, clock: Clock) -> list[Activity]:
    """Write entries at the end of the log, in order. Nobody else appends until the transaction ends: this comes last in it.

    An end that nobody signed is gone on from, since people must be able to go on; the next entry tells of it for ever.
    """
    keyring = await encrypting(tx)
    end = _head_of(await tx.one(_lock_head, long_ago=0))
    seq, previous_hash, now = end.seq, end.hash, clock()
    follows_unsigned = not keyring.has_signed(end.signed, end.signature)
    made: list[Activity] = []
    rows: list[tuple[Any, ...]] = []
    for told in new:
        seq += 1
        made.append(Activity(seq, _entry_id(new_id), now, told))
        place = _place(made[-1], previous_hash)
        content = _encode(_content(told, place.hash(), follows_unsigned=follows_unsigned and len(made) == 1))
        link = msgspec.structs.replace(place, content_hash=sha256(content))
        previous_hash = link.hash()
        rows.append((*link.values(), keyring.encrypt(content.decode()), previous_hash))
    signature = keyring.sign(Head(seq, previous_hash, now, "").signed)
    await tx.write_rows((_insert, rows), (_set_head, [(seq, previous_hash, now, signature, 1)]))
    return made


async def sign_beginning(tx: WriteTransaction) -> None:
    """Sign the empty log, so that deleting all of it is detected."""
    beginning = Head(0, GENESIS, 0, "")
    await tx.run(_signed_beginning, long_ago=0, signature=tx.keyring.sign(beginning.signed))


async def find(tx: ReadTransaction, activity_id: str) -> Activity | None:
    """Look an entry up by its id."""
    row = await tx.first(_by_id, activity_id=activity_id)
    return None if row is None else _activity(tx, row)


async def list_page(
    tx: ReadTransaction, wanted: Filter, *, party: Party | None, before: int | None, limit: int
) -> list[Activity]:
    """Read the newest entries that are wanted, of a party or of all, that come before a number."""
    given: dict[str, Any] = {name: value for name, value in wanted._asdict().items() if value is not None}
    given |= {} if before is None else {"before": before}
    page = _page(tuple(sorted(given)), None if party is None else len(party.actor_ids))
    if party is not None:
        given |= {f"party{i}": actor_id for i, actor_id in enumerate(party.actor_ids)} | {"party": party.user_id}
    return [_activity(tx, row) for row in await tx.all(page, **given, limit=limit)]


async def count(tx: ReadTransaction) -> int:
    """Count all entries."""
    return int((await tx.one(_count))["total"])


async def head(tx: ReadTransaction) -> Head | None:
    """Give the signed head of the log, if anything was ever written to it."""
    row = await tx.first(_head)
    return None if row is None else _head_of(row)


async def read_all(tx: ReadTransaction, *, at_once: int) -> AsyncIterator[list[Stored]]:
    """Read all entries as they are stored, in order, so many at a time; also those that were given impossible numbers."""
    seq = -(2**63)
    while found := [_stored(row) for row in await tx.all(_after, seq=seq, limit=at_once)]:
        yield found
        seq = found[-1].link.seq


def read_content(content: str) -> tuple[str, bool]:
    """Say for which entry a decrypted content was written, by its hash, and whether the end before it was not signed.

    Raises ValueError where it is no content.
    """
    found = _decode(content)
    return found.place, found.follows_unsigned


def _entry_id(new_id: NewId) -> str:
    """Shorten an id to 24 hexadecimal digits: the time it was made, and 48 bits at random."""
    digits = new_id().replace("-", "")
    return digits[:12] + digits[-12:]


def _place(entry: Activity, previous_hash: str) -> Link:
    told = entry.told
    return Link(
        seq=entry.seq,
        id=entry.id,
        action=told.action,
        actor_id=told.actor.user_id,
        is_actor_verified=told.is_actor_verified,
        recorded_by=told.recorded_by,
        recorded_role=told.recorded_role.value,
        target_type=told.target.type.value,
        target_id=told.target.id,
        status=told.status.value,
        performed_at=entry.performed_at,
        content_hash="",
        previous_hash=previous_hash,
    )


def _content(told: NewAuditEntry, place: str, *, follows_unsigned: bool) -> _Content:
    return _Content(
        salt=secrets.token_hex(16),
        place=place,
        follows_unsigned=follows_unsigned,
        actor_name=told.actor.name,
        actor_email=told.actor.email,
        actor_role=told.actor.role,
        target_model=told.target.model,
        target_name=told.target.name,
        description=told.context.description,
        source=told.context.source,
        additional_info=told.context.additional_info,
        metadata=told.metadata,
        address=None if told.client is None else told.client.address,
        user_agent=None if told.client is None else told.client.user_agent,
    )


def _stored(row: Row) -> Stored:
    values = {name: row[name] for name in _LINK}
    # SQLite has no booleans.
    values["is_actor_verified"] = bool(values["is_actor_verified"])
    return Stored(Link(**values), row["hash"], row["content"])


def _head_of(row: Row) -> Head:
    return Head(row["seq"], row["hash"], row["at"], row["signature"])


def _readable(tx: ReadTransaction, row: Row) -> _Content:
    """Give the content of an entry; of one that was tampered with, that it was: whoever looks into it needs the others."""
    try:
        content = _decode(tx.keyring.decrypt(row["content"]))
    except (ValueError, WrongKeyError):
        return _Content("", "", description=_TAMPERED)
    place = msgspec.structs.replace(_stored(row).link, content_hash="").hash()
    return content if content.place == place else _Content("", "", description=_TAMPERED)


def _activity(tx: ReadTransaction, row: Row) -> Activity:
    content = _readable(tx, row)
    told = NewAuditEntry(
        action=row["action"],
        actor=Actor(row["actor_id"], content.actor_name, content.actor_email, content.actor_role),
        is_actor_verified=bool(row["is_actor_verified"]),
        recorded_by=row["recorded_by"],
        recorded_role=Role(row["recorded_role"]),
        target=Target(TargetType(row["target_type"]), row["target_id"], content.target_model, content.target_name),
        context=Context(content.description, content.source, content.additional_info),
        metadata=content.metadata,
        status=ActivityStatus(row["status"]),
        client=None if content.address is None else Client(content.address, content.user_agent),
    )
    return Activity(row["seq"], row["id"], row["performed_at"], told)
