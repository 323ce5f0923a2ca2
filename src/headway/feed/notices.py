"""What server processes tell each other of a commit, as text: the payloads of notifications.

A payload has lines of three kinds: a topic that has new entries; topics and a message that is told to their followers and not
stored, such as `user:5 course:7 {"type":…}`; and `~` with a topic of whose messages some were not told.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from headway.feed.model import NewFeedEntry
from headway.instants import Instant, iso

MAX_PAYLOAD_BYTES = 7_999
"""The largest payload that PostgreSQL's NOTIFY takes."""
_MISSED = "~"


class Notice(NamedTuple):
    """What a commit means to the followers of topics.

    With a message, it is for them. Without one there are new entries, or, if `is_gap`, messages that were not told.
    """

    topics: Sequence[str]
    message: str | None = None
    is_gap: bool = False


def payloads(entries: Iterable[NewFeedEntry], now: Instant, *, missed: Iterable[str] = ()) -> list[str]:
    """Return the payloads that tell of new entries, of events that are not stored, and of topics that missed some.

    An event that is too large for a payload is missed.
    """
    return _pack(_lines(entries, now, missed))


def read(payload: str) -> Iterator[Notice]:
    """Yield the notices of a payload, without decoding their messages."""
    for line in payload.split("\n"):
        topics, brace, message = line.partition("{")
        if brace:
            yield Notice(topics.split(), brace + message)
        elif line.startswith(_MISSED):
            yield Notice([line.removeprefix(_MISSED)], is_gap=True)
        else:
            yield Notice([line])


def _lines(entries: Iterable[NewFeedEntry], now: Instant, missed: Iterable[str]) -> dict[str, None]:
    """Return each line once, in order."""
    lines: dict[str, None] = {}
    gaps = list(missed)
    told: dict[int, tuple[str, list[str]]] = {}
    at = iso(now)
    for topic, event in entries:
        if event.is_stored:
            lines[topic] = None
        elif (known := told.get(id(event))) is not None:
            known[1].append(topic)
        else:
            message = f'{{"type":"{event.type}","at":"{at}","data":{event.render()}}}'
            told[id(event)] = (message, [topic])
    for message, topics in told.values():
        line = f"{' '.join(topics)} {message}"
        if len(line.encode()) <= MAX_PAYLOAD_BYTES:
            lines[line] = None
        else:
            gaps += topics
    return lines | dict.fromkeys(_MISSED + topic for topic in gaps)


def _pack(lines: Iterable[str]) -> list[str]:
    """Join lines to as few payloads as their order allows."""
    packed: list[list[str]] = []
    free = 0
    for line in lines:
        size = len(line.encode()) + 1
        if size > free:
            packed.append([])
            free = MAX_PAYLOAD_BYTES + 1
        packed[-1].append(line)
        free -= size
    return ["\n".join(some) for some in packed]
