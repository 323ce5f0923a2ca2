"""What is kept of archived events, so that a repetition is a duplicate for ever: 20 bytes for each, in chunks of a learner.

An entry is the hash of the event's id (8 bytes), of its content without the module (8 bytes), and of its module (4 bytes). The
chunks of a learner part the hashes of ids into ranges: an id can only be in the chunk with the greatest `first` up to its hash.
"""

from collections.abc import Iterable
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import msgspec

from headway.learning.model import EventContent, in_canonical_form

KnownContent: TypeAlias = EventContent | bytes
"""The content of an event in the table, or the entry of an archived one."""
ENTRY_BYTES = 20
_ID_BYTES, _CONTENT_BYTES, _MODULE_BYTES = 8, 8, 4
_CHUNK_ENTRIES = 64
"""A chunk stays in PostgreSQL's page of its row: from 2 kB on it would be stored elsewhere."""
_POSITIVE = 2**63 - 1
_FIRST_FIELDS = EventContent._fields.index("metadata") + 1
_encode = msgspec.msgpack.Encoder().encode


class Chunk(NamedTuple):
    """Some of a learner's entries, in order; `first` is the hash of the smallest id."""

    first: int
    entries: bytes


def id_hash(event_id: str) -> int:
    """Return the hash of an event's id: 63 bits, so that both databases order it as a number."""
    return int.from_bytes(blake2b(event_id.encode(), digest_size=_ID_BYTES).digest()) & _POSITIVE


def entry_of(event_id: str, content: EventContent) -> bytes:
    """Return what is kept of an event."""
    return id_hash(event_id).to_bytes(_ID_BYTES) + _content_hash(content) + _module_hash(content.module_id)


def repeats(content: EventContent, known: KnownContent, *, names_module: bool) -> bool:
    """Return whether a content is that of an event that is known; see `EventContent.repeats`."""
    if not isinstance(known, bytes):
        return content.repeats(known, names_module=names_module)
    module_at = _ID_BYTES + _CONTENT_BYTES
    is_same_module = not names_module or _module_hash(content.module_id) == known[module_at:]
    return is_same_module and _content_hash(content) == known[_ID_BYTES:module_at]


def entries_in(chunk: bytes) -> list[bytes]:
    """Return the entries of a chunk."""
    return [chunk[at : at + ENTRY_BYTES] for at in range(0, len(chunk), ENTRY_BYTES)]


def find(entries: bytes, event_id: str) -> bytes | None:
    """Return the entry of an event's id among entries, or None."""
    key = id_hash(event_id).to_bytes(_ID_BYTES)
    at = entries.find(key)
    while at % ENTRY_BYTES and at >= 0:
        at = entries.find(key, at + 1)
    return None if at < 0 else entries[at : at + ENTRY_BYTES]


def first_of(entries: bytes) -> int:
    """Return the hash of the smallest id among entries in order."""
    return int.from_bytes(entries[:_ID_BYTES])


def merge(chunk: bytes, new: Iterable[bytes]) -> list[Chunk]:
    """Add entries that belong into a chunk, which may be empty; return it, or the chunks into which it is split."""
    entries = sorted({*entries_in(chunk), *new})
    parts = -(-len(entries) // _CHUNK_ENTRIES)
    bounds = [len(entries) * part // parts for part in range(parts + 1)]
    pieces = [entries[start:end] for start, end in pairwise(bounds)]
    return [Chunk(first_of(piece[0]), b"".join(piece)) for piece in pieces]


def _content_hash(content: EventContent) -> bytes:
    """Hash a content but for its module. Numbers that are equal have the same hash, whatever their type."""
    canonical = in_canonical_form(content)._replace(module_id=None)
    measured = (canonical.duration_seconds, canonical.scroll_depth, canonical.video_watch_percentage)
    others = canonical._replace(duration_seconds=None, scroll_depth=None, video_watch_percentage=None)
    hashed: tuple[object, ...] = (others[:_FIRST_FIELDS], [_number(each) for each in measured])
    if canonical.video_segments is not None or canonical.video_duration_seconds is not None:
        # These fields came later: an event without them has the hash that was kept of it before.
        hashed = (*hashed, canonical.video_segments, _number(canonical.video_duration_seconds))
    return blake2b(_encode(hashed), digest_size=_CONTENT_BYTES).digest()


def _number(value: float | None) -> float | None:
    return None if value is None else float(value) + 0.0


def _module_hash(module_id: int | None) -> bytes:
    return blake2b(str(module_id).encode(), digest_size=_MODULE_BYTES).digest()
