"""Verifying the activity log: that every entry stands as it was written, none is missing, and the end is where it was."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from headway.audit import store as activities
from headway.audit.model import GENESIS, Head, sha256
from headway.audit.store import Stored
from headway.db import index_keys
from headway.db.database import Database, ReadTransaction
from headway.db.keyring import Keyring, WrongKeyError

_AT_ONCE = 2_000
_MAX_FAULTS = 1_000
"""Beyond so many nothing is compared any more."""

Advance = Callable[[int, int], None]
"""Told the number of entries that are checked and of all entries."""


class Fault(msgspec.Struct, frozen=True):
    """Something that is not as it was written. `seq` is the place in the log; `id` is none where the entry is missing."""

    seq: int
    id: str | None
    fault: str


class LogVerified(msgspec.Struct, frozen=True):
    """How many entries were looked at, where the log ends, and what is wrong, the first in the log first."""

    checked: int
    head: Head | None
    faults: list[Fault]


class _Place(NamedTuple):
    """The end of what has been looked at so far."""

    seq: int = 0
    id: str | None = None
    hash: str = GENESIS
    is_sound: bool = True


async def read_head(database: Database) -> Head | None:
    """Give the signed head of the log, to be kept elsewhere; none where nothing was ever written."""
    async with database.read() as tx:
        return await activities.head(tx)


async def verify_log(database: Database, *, kept: Head | None, advance: Advance = lambda _done, _all: None) -> LogVerified:
    """Go through the whole log, within one snapshot; `kept` is a head that was kept elsewhere.

    Raises Unavailable, and WrongKeyError where these are not the keys of this database.

    Who cannot sign can change, remove or move nothing unseen. Who can (or puts an older head back, with all that came after
    it cut off) is found by a head that was kept.
    """
    async with database.read() as tx:
        has_begun = await index_keys.prove(tx)
        total, head = await activities.count(tx), await activities.head(tx)
        checked, place = 0, _Place()
        faults: list[Fault] = []
        async for page in activities.read_all(tx, at_once=_AT_ONCE):
            for stored in page if len(faults) < _MAX_FAULTS else ():
                faults += _compare(place, stored, kept)
                faults += (found := list(_faults_of(stored, tx.keyring)))
                if stored.link.seq > place.seq:
                    place = _Place(stored.link.seq, stored.link.id, stored.hash, not found)
            checked += len(page)
            advance(checked, total)
        if len(faults) < _MAX_FAULTS:
            faults += _compare_end(place, head, kept, tx)
        if has_begun and head is None and not place.seq:
            faults.append(_missing(1, 1))
    return LogVerified(checked, head, sorted(faults, key=lambda each: each.seq))


def _faults_of(stored: Stored, keyring: Keyring) -> Iterator[Fault]:
    """Say what is wrong with an entry, whatever stands before and after it."""
    link = stored.link
    if link.hash() != stored.hash:
        yield Fault(link.seq, link.id, "was changed: its hash is another")
        return
    try:
        content = keyring.decrypt(stored.content)
        place, follows_unsigned = activities.read_content(content)
    except (ValueError, WrongKeyError):
        yield Fault(link.seq, link.id, "its content was changed, or one of the keys is missing")
        return
    if follows_unsigned:
        yield Fault(link.seq, link.id, "was appended to an end that nobody had signed: more may have come before it")
    if sha256(content.encode()) != link.content_hash or msgspec.structs.replace(link, content_hash="").hash() != place:
        yield Fault(link.seq, link.id, "was changed: its content was written for another entry")


def _compare(before: _Place, stored: Stored, kept: Head | None) -> Iterator[Fault]:
    """Compare an entry with the one before it, and with a head that was kept."""
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
    if kept is not None and link.seq == kept.seq and stored.hash != kept.hash:
        yield Fault(link.seq, link.id, "is not what the kept head tells: it, or one before it, was written anew")


def _compare_end(end: _Place, head: Head | None, kept: Head | None, tx: ReadTransaction) -> Iterator[Fault]:
    """Compare the last entry with the head that is stored, and with one that was kept."""
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
    if kept is not None and kept.seq > end.seq:
        yield _missing(end.seq + 1, kept.seq)


def _missing(first: int, last: int) -> Fault:
    return Fault(first, None, "is missing" if last == first else f"is missing, with all up to {last}")
