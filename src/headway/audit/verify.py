"""Verify the audit log: every entry is as it was written, none is missing, and the end is where it was."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from headway.audit import forgetting_store
from headway.audit import store as audit_store
from headway.audit.chain import GENESIS, ChainHead, decode_content, sha256
from headway.audit.erasing_store import Erasures, read_erasures
from headway.audit.store import StoredEntry
from headway.db import index_keys
from headway.db.database import ReadTransaction
from headway.db.keyring import WrongKeyError
from headway.db.personal_keys import PersonalTexts, reader

_AT_ONCE = 2_000
_MAX_FAULTS = 1_000
"""After so many faults, the rest is only counted."""

Advance = Callable[[int, int], None]
"""Called with the number of checked entries and of all entries."""


class Fault(msgspec.Struct, frozen=True):
    """Something that is not as it was written. `seq` is its place in the log; `id` is None where the entry is missing."""

    seq: int
    id: str | None
    fault: str


class LogVerified(msgspec.Struct, frozen=True):
    """The number of checked entries, the head of the log, and all faults by their place in the log."""

    checked: int
    head: ChainHead | None
    faults: list[Fault]


class _Reached(NamedTuple):
    """The last entry checked so far."""

    seq: int = 0
    id: str | None = None
    hash: str = GENESIS
    is_sound: bool = True


async def verify_log(
    tx: ReadTransaction, *, kept_head: ChainHead | None, advance: Advance = lambda _done, _all: None
) -> LogVerified:
    """Check the whole log in one snapshot; `kept_head` is a head that was stored elsewhere.

    Without the keys, nobody can change, remove or move anything unseen. Whoever has the keys, or restores an older head and
    cuts off what came after it, is found by a kept head.
    Raises Unavailable, and WrongKeyError if these are not the keys of this database.
    """
    has_begun = await index_keys.prove(tx)
    erasures, forgotten_through = await read_erasures(tx), await forgetting_store.read_through(tx)
    total, head = await audit_store.count(tx), await audit_store.head(tx)
    checked, reached = 0, _Reached()
    faults = [
        Fault(each.link.seq, each.link.id, "tells of other changed entries than those that are stored")
        for each in erasures.wrong
    ]
    async for page in audit_store.read_all(tx, at_once=_AT_ONCE):
        is_within = len(faults) < _MAX_FAULTS
        personal = await reader(tx, [each.content for each in page] if is_within else [])
        for stored in page if is_within else ():
            faults += _compare(reached, stored, kept_head)
            faults += (found := list(_faults_of(stored, personal, erasures, forgotten_through)))
            if stored.link.seq > reached.seq:
                reached = _Reached(stored.link.seq, stored.link.id, stored.hash, not found)
        checked += len(page)
        advance(checked, total)
    if len(faults) < _MAX_FAULTS:
        faults += _compare_end(reached, head, kept_head, tx)
    if has_begun and head is None and not reached.seq:
        faults.append(_missing(1, 1))
    return LogVerified(checked, head, sorted(faults, key=lambda each: each.seq))


def _faults_of(stored: StoredEntry, personal: PersonalTexts, erasures: Erasures, forgotten_through: int) -> Iterator[Fault]:
    """Find what is wrong with an entry by itself."""
    link = stored.link
    if link.hash() != stored.hash and not erasures.changed(link):
        yield Fault(link.seq, link.id, "was changed: its hash is another")
        return
    try:
        content = personal.read(stored.content)
        decoded = None if content is None else decode_content(content)
    except (ValueError, WrongKeyError):
        yield Fault(link.seq, link.id, "its content was changed, or one of the keys is missing")
        return
    if content is None or decoded is None:
        if not erasures.explain(link) and not forgetting_store.explains(stored, forgotten_through):
            yield Fault(link.seq, link.id, "its content is missing, and no erasure tells why, nor its age")
        return
    if decoded.follows_unsigned:
        yield Fault(link.seq, link.id, "was appended to an end that nobody had signed: more may have come before it")
    if sha256(content.encode()) != link.content_hash or link.place() != decoded.place:
        yield Fault(link.seq, link.id, "was changed: its content was written for another entry")


def _compare(before: _Reached, stored: StoredEntry, kept_head: ChainHead | None) -> Iterator[Fault]:
    """Compare an entry with the one before it, and with a kept head."""
    link = stored.link
    if link.seq <= before.seq:
        yield Fault(link.seq, link.id, "was added: the log begins with 1")
    elif link.seq > before.seq + 1:
        yield _missing(before.seq + 1, link.seq - 1)
    elif link.previous_hash != before.hash and before.is_sound:
        if link.hash() == stored.hash and before.seq:
            yield Fault(before.seq, before.id, "was replaced: the next entry holds another hash")
        elif link.hash() == stored.hash:
            yield Fault(link.seq, link.id, "was not the first entry")
    if kept_head is not None and link.seq == kept_head.seq and stored.hash != kept_head.hash:
        yield Fault(link.seq, link.id, "is not what the kept head tells: it, or one before it, was written anew")


def _compare_end(end: _Reached, head: ChainHead | None, kept_head: ChainHead | None, tx: ReadTransaction) -> Iterator[Fault]:
    """Compare the last entry with the stored head, and with a kept one."""
    if head is None:
        if end.seq:
            yield Fault(end.seq, end.id, "stands without a head")
    elif not tx.keyring.has_signed(head.signed, head.signature):
        yield Fault(head.seq, end.id if head.seq == end.seq else None, "the head's signature is not of these keys")
    elif head.seq > end.seq:
        yield _missing(end.seq + 1, head.seq)
    elif head.seq < end.seq:
        yield Fault(head.seq + 1, None, "comes after the head")
    elif head.hash != end.hash:
        yield Fault(end.seq, end.id, "is not what the head tells")
    if kept_head is not None and kept_head.seq > end.seq:
        yield _missing(end.seq + 1, kept_head.seq)


def _missing(first: int, last: int) -> Fault:
    return Fault(first, None, "is missing" if last == first else f"is missing, with all up to {last}")
