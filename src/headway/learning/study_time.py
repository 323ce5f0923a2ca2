"""How study time is measured: the union of the intervals for which a learner's client vouches.

Union is commutative, associative and idempotent, so two tabs, a retry, an overlap or a late arrival never count a second
twice, and the order of arrival does not matter. Spans are half-open, `[start, end)`, in milliseconds.

Stored spans are kept by UTC day, so that what one event has to read and write is bounded by a day of one learner, however
long the history is. Days are disjoint: the study time of all days is the sum of each day's.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TypeAlias

import msgspec

from headway.instants import DAY, HOUR, SECOND, START_OF_TIME, Day, Instant, Milliseconds

Span: TypeAlias = tuple[int, int]

_start, _end = itemgetter(0), itemgetter(1)


class StudyTimeSettings(msgspec.Struct, frozen=True):
    """The settings of measurement."""

    heartbeat_interval: Milliseconds = 30 * SECOND
    """What an active heartbeat vouches for when it does not say; it may say twice as much at the most."""
    longest_claim: Milliseconds = 4 * HOUR
    """What one event can claim at the most."""


class Timing(msgspec.Struct, frozen=True, gc=False):
    """When something happened by the server's clock, and how much study before that it claims."""

    at: Instant
    claimed: Milliseconds
    is_shifted: bool
    """Its end lay ahead of the server's clock and was moved back, keeping the length."""

    @property
    def span(self) -> Span:
        """The interval of study that is claimed; empty if nothing is."""
        return (self.at - self.claimed, self.at)


def time_event(
    *,
    start: Instant | None,
    end: Instant | None,
    duration: Milliseconds | None,
    sent_at: Instant | None,
    received_at: Instant,
    settings: StudyTimeSettings,
) -> Timing:
    """Place an event in time and decide what it claims.

    With an end it claims `[end - duration, end]`, the duration clipped to `end - start` and, if it is missing, equal to it;
    with a start alone `[start, start + duration]`; with a duration alone the time before it was sent; without either nothing.
    """
    if start is not None and end is not None:
        claimed = end - start if duration is None else min(duration, end - start)
    else:
        claimed = duration or 0
    claimed = min(claimed, settings.longest_claim)
    if end is None:
        end = start + claimed if start is not None else (sent_at if sent_at is not None else received_at)
    return _by_server_clock(end, claimed, sent_at, received_at)


def time_heartbeat(
    *,
    timestamp: Instant | None,
    is_active: bool,
    active: Milliseconds | None,
    sent_at: Instant | None,
    received_at: Instant,
    settings: StudyTimeSettings,
) -> Timing:
    """Place a heartbeat in time: an active one vouches for the interval before it, or for what it says, up to twice that."""
    claimed = settings.heartbeat_interval if active is None else min(active, 2 * settings.heartbeat_interval)
    at = timestamp if timestamp is not None else (sent_at if sent_at is not None else received_at)
    return _by_server_clock(at, claimed if is_active else 0, sent_at, received_at)


def _by_server_clock(at: Instant, claimed: Milliseconds, sent_at: Instant | None, received_at: Instant) -> Timing:
    if sent_at is not None:
        at += received_at - sent_at
    is_shifted = at > received_at
    # A client whose clock is centuries off could be corrected to a time that cannot be stored.
    at = max(min(at, received_at), START_OF_TIME + claimed)
    return Timing(at, claimed, is_shifted)


def by_day(span: Span) -> Iterator[tuple[Day, Span]]:
    """Cut a span at UTC midnights; each part is given in milliseconds of its day."""
    start, end = span
    while start < end:
        day = start // DAY
        midnight = day * DAY
        until = min(end, midnight + DAY)
        yield day, (start - midnight, until - midnight)
        start = until


def unite(spans: list[Span], claim: Span) -> Milliseconds:
    """Add a claim to merged spans, in place, joining what overlaps or touches; give the time it adds to them."""
    start, end = claim
    first = bisect_left(spans, start, key=_end)
    last = bisect_right(spans, end, lo=first, key=_start)
    if first < last:
        start, end = min(start, spans[first][0]), max(end, spans[last - 1][1])
    covered = length(spans[first:last])
    spans[first:last] = [(start, end)]
    return end - start - covered


def uncovered(claim: Span, others: Iterable[Sequence[Span]]) -> Milliseconds:
    """Return the length of a claim outside all of several sets of merged spans."""
    start, end = claim
    pieces: list[Span] = []
    for spans in others:
        if not spans or spans[-1][1] <= start or spans[0][0] >= end:
            continue
        position = bisect_right(spans, start, key=_end)
        while position < len(spans) and spans[position][0] < end:
            pieces.append((max(spans[position][0], start), min(spans[position][1], end)))
            position += 1
    return end - start - length(union(pieces)) if pieces else end - start


def union(spans: Iterable[Span]) -> list[Span]:
    """Merge spans that overlap or touch into the fewest that cover the same time, in order."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        elif end > start:
            merged.append((start, end))
    return merged


def length(spans: Iterable[Span]) -> Milliseconds:
    """Add up spans that do not overlap."""
    return sum(end - start for start, end in spans)
