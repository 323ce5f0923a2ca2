"""The audit log as rows: appended and read, never changed."""

import secrets
from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select, union

from headway.audit.chain import GENESIS, ChainedEntry, ChainHead, ChainLink, extend_chain, read_entry
from headway.audit.model import AccountIds, AuditEntry, EntryFilter, NamedIds, NewAuditEntry
from headway.audit.tables import audit_entries, audit_head
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import Statement, UpdateRows, WriteRows, insert
from headway.db.keyring import WrongKeyError
from headway.db.personal_keys import PersonalTexts, reader, texts_for
from headway.ids import NewId
from headway.instants import Clock

_LINK = ChainLink.__struct_fields__
_STORED = (*_LINK, "content", "hash")
_insert = WriteRows(audit_entries, _STORED)
_set_head = UpdateRows(audit_head, ["seq", "hash", "at", "signature"])
_head_columns = [audit_head.c[name] for name in ChainHead.__struct_fields__]
_first_head = insert(audit_head).values(id=1, seq=0, hash=GENESIS, at=bindparam("long_ago"), signature=bindparam("signature"))
_signed_beginning = _first_head.on_conflict_do_nothing()
_lock_head = _first_head.on_conflict_do_update(index_elements=["id"], set_={"seq": audit_head.c.seq}).returning(*_head_columns)
_head = select(*_head_columns)
ENTRY_COLUMNS = [audit_entries.c[name] for name in _STORED]
_by_id = select(*ENTRY_COLUMNS).where(audit_entries.c.id == bindparam("entry_id"))
_after = (
    select(*ENTRY_COLUMNS).where(audit_entries.c.seq > bindparam("seq")).order_by(audit_entries.c.seq).limit(bindparam("limit"))
)
_count = select(func.count().label("total")).select_from(audit_entries)


class StoredEntry(NamedTuple):
    """An entry as it is stored; `content` is encrypted."""

    link: ChainLink
    hash: str
    content: str


_CONDITIONS = {
    "action": audit_entries.c.action == bindparam("action"),
    "target_type": audit_entries.c.target_type == bindparam("target_type"),
    "since": audit_entries.c.performed_at >= bindparam("since"),
    "until": audit_entries.c.performed_at < bindparam("until"),
    "before": audit_entries.c.seq < bindparam("before"),
}


@cache
def _page(conditions: tuple[str, ...], actors: int, targets: int, account_names: int | None) -> Statement:
    """Build the statement for a page of the entries of one of some actors and about one of some targets.

    With `account_names`, only those of an account that has so many names as an actor.
    """
    where = [_CONDITIONS[name] for name in conditions]
    by_actor = [audit_entries.c.actor_id == bindparam(f"actor{i}") for i in range(actors)]
    of_account = [audit_entries.c.actor_id == bindparam(f"own_name{i}") for i in range(account_names or 0)]
    if account_names is not None:
        of_account.append(audit_entries.c.recorded_by == bindparam("recorded_by"))
    if targets:
        where.append(or_(*(audit_entries.c.target_id == bindparam(f"target{i}") for i in range(targets))))
    if by_actor and of_account:
        where.append(or_(*of_account))

    def newest(*columns: ColumnElement[Any], where: Sequence[ColumnElement[bool]]) -> Select[Any]:
        return select(*columns).where(*where).order_by(audit_entries.c.seq.desc()).limit(bindparam("limit"))

    parts = by_actor or of_account
    if len(parts) <= 1:
        return newest(*ENTRY_COLUMNS, where=[*parts, *where])
    # Each part has its index, and returns no more than a page.
    some = union(*(select(newest(audit_entries.c.seq, where=[part, *where]).subquery().c.seq) for part in parts))
    return newest(*ENTRY_COLUMNS, where=[audit_entries.c.seq.in_(some)])


async def append(tx: WriteTransaction, new: Sequence[NewAuditEntry], new_id: NewId, clock: Clock) -> list[AuditEntry]:
    """Append entries in order. The head stays locked until the transaction ends, so append last in it.

    The log can go on after a head that nobody signed; the next entry records that for ever.
    """
    keyring = tx.keyring
    named = [NamedIds(each.action, each.actor.user_id, each.recorded_by, each.target.type, each.target.id) for each in new]
    # Before the head is locked.
    personal = await texts_for(tx, {each for ids in named for each in ids.people()})
    head = ChainHead(*await tx.one(_lock_head, long_ago=0, signature=""))
    now = clock()
    chained = extend_chain(
        head,
        new,
        now,
        new_id=new_id,
        new_salt=lambda: secrets.token_hex(16),
        follows_unsigned=not keyring.has_signed(head.signed, head.signature),
    )
    rows = [(*msgspec.structs.astuple(each.link), _encrypted(personal, each), each.hash) for each in chained]
    end = ChainHead(head.seq + len(chained), chained[-1].hash if chained else head.hash, now, "")
    await tx.write_rows((_insert, rows), (_set_head, [(end.seq, end.hash, now, keyring.sign(end.signed), 1)]))
    return [each.entry for each in chained]


def _encrypted(personal: PersonalTexts, chained: ChainedEntry) -> str:
    """Encrypt the content of an entry; what somebody did or recorded who was erased meanwhile has none."""
    named = chained.link.named
    is_by_erased = any(map(personal.is_erased, named.authors()))
    return "" if is_by_erased else personal.encrypt_about(chained.content, named.people())


async def sign_beginning(tx: WriteTransaction) -> None:
    """Sign the empty log, so that deleting all of it is detected."""
    beginning = ChainHead(0, GENESIS, 0, "")
    await tx.run(_signed_beginning, long_ago=0, signature=tx.keyring.sign(beginning.signed))


async def find(tx: ReadTransaction, entry_id: str) -> AuditEntry | None:
    """Look an entry up by its id."""
    row = await tx.first(_by_id, entry_id=entry_id)
    return None if row is None else (await entries_of(tx, [row]))[0]


async def list_page(
    tx: ReadTransaction, entry_filter: EntryFilter, *, account: AccountIds | None, before: int | None, limit: int
) -> list[AuditEntry]:
    """Read the newest entries before a number that match a filter, of one account or of all."""
    conditions = {"action", "target_type", "since", "until"}
    params: dict[str, Any] = {
        name: value for name, value in entry_filter._asdict().items() if name in conditions and value is not None
    }
    params |= {} if before is None else {"before": before}
    actors, targets = entry_filter.actor_ids or (), entry_filter.target_ids or ()
    page = _page(tuple(sorted(params)), len(actors), len(targets), None if account is None else len(account.actor_ids))
    params |= {f"actor{i}": name for i, name in enumerate(actors)} | {f"target{i}": name for i, name in enumerate(targets)}
    if account is not None:
        params |= {f"own_name{i}": name for i, name in enumerate(account.actor_ids)}
        params["recorded_by"] = account.user_id
    return await entries_of(tx, await tx.all(page, **params, limit=limit))


async def count(tx: ReadTransaction) -> int:
    """Count all entries."""
    return int((await tx.one(_count))["total"])


async def head(tx: ReadTransaction) -> ChainHead | None:
    """Return the signed head of the log; None if nothing was ever written to it."""
    row = await tx.first(_head)
    return None if row is None else ChainHead(*row)


async def read_all(tx: ReadTransaction, *, at_once: int) -> AsyncIterator[list[StoredEntry]]:
    """Read all entries as they are stored, in pages and in order, also those with impossible numbers."""
    seq = -(2**63)
    while found := [stored_entry(row) for row in await tx.all(_after, seq=seq, limit=at_once)]:
        yield found
        seq = found[-1].link.seq


def stored_entry(row: Row) -> StoredEntry:
    """Read an entry from a row that has `ENTRY_COLUMNS`."""
    values = {name: row[name] for name in _LINK}
    # SQLite has no booleans.
    values["is_actor_verified"] = bool(values["is_actor_verified"])
    return StoredEntry(ChainLink(**values), row["hash"], row["content"])


async def entries_of(tx: ReadTransaction, found: Sequence[Row]) -> list[AuditEntry]:
    """Return rows of `ENTRY_COLUMNS` as entries; one whose content cannot be read says so."""
    personal = await reader(tx, [row["content"] for row in found])
    return [_entry(personal, stored_entry(row)) for row in found]


def _entry(personal: PersonalTexts, stored: StoredEntry) -> AuditEntry:
    try:
        content = personal.read(stored.content)
    except (ValueError, WrongKeyError):
        return read_entry(stored.link, None)
    return read_entry(stored.link, content, is_erased=content is None)
