"""How study time is measured: the union of the intervals for which a learner's client vouches.

Union is commutative, associative and idempotent, so two tabs, a retry, an overlap or a late arrival never count a second
twice, and the order of arrival does not matter. Spans are half-open, `[start, end)`, in milliseconds.

Stored spans are kept by UTC day, so that what one event has to read and write is bounded by a day of one learner, however
long the history is. Days are disjoint: the study time of all days is the sum of each day's.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import msgspec

from headway.instants import DAY, HOUR, MINUTE, SECOND, START_OF_TIME, Day, Instant, Milliseconds

Span: TypeAlias = tuple[int, int]

PUNCTUAL: Milliseconds = 2 * SECOND
"""How far a client's `sent_at` may lie from the time of receipt before its clock is looked at."""

_start, _end = itemgetter(0), itemgetter(1)


class StudyTimeSettings(msgspec.Struct, frozen=True):
    """The settings of measurement."""

    heartbeat_interval: Milliseconds = 30 * SECOND
    """What an active heartbeat vouches for when it does not say; it may say twice as much at the most."""
    longest_claim: Milliseconds = 4 * HOUR
    """What one event can claim at the most."""
    longest_travel: Milliseconds = 2 * MINUTE
    """How long a request can be under way: what differs by more, before or after, is due to the client's clock."""

    def offset(self, deviation: Milliseconds) -> Milliseconds:
        """Return the offset of a clock whose first report deviates so: all of it, or nothing if it can be travel time.

        The clock of a client that was punctual once is never corrected: travel adds at most the limit.
        """
        return deviation if abs(deviation) > self.longest_travel + PUNCTUAL else 0

    @property
    def largest_rest(self) -> Milliseconds:
        """How far reports of one clock can deviate once it is corrected, for its first report may have been late itself."""
        return 2 * self.longest_travel + PUNCTUAL


class Transit(NamedTuple):
    """When a report was sent, by the client's clock, and received, by the server's."""

    sent_at: Instant | None
    received_at: Instant
    offset: Milliseconds = 0
    """What corrects the client's clock."""

    @property
    def ended_at(self) -> Instant:
        """When what was reported had ended, by the client's clock, if nothing else tells."""
        return self.received_at if self.sent_at is None else self.sent_at

    @property
    def deviation(self) -> Milliseconds:
        """How far the two times lie apart; 0 if too little to look at the clock, or if the client does not say."""
        apart = 0 if self.sent_at is None else self.received_at - self.sent_at
        return apart if abs(apart) > PUNCTUAL else 0

    def corrected(self, known: Milliseconds, settings: StudyTimeSettings, *, is_session: bool) -> "Transit":
        """Correct a deviating clock by its offset.

        Reports without a session may come from several devices: what does not fit the offset that is known stands for itself.
        """
        is_other = not is_session and abs(self.deviation - known) > settings.largest_rest
        return self._replace(offset=settings.offset(self.deviation) if is_other else known)


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
    transit: Transit,
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
        end = start + claimed if start is not None else transit.ended_at
    return _by_server_clock(end, claimed, transit, settings)


def time_heartbeat(
    *,
    timestamp: Instant | None,
    is_active: bool,
    active: Milliseconds | None,
    transit: Transit,
    settings: StudyTimeSettings,
) -> Timing:
    """Place a heartbeat in time: an active one vouches for the interval before it, or for what it says, up to twice that."""
    claimed = settings.heartbeat_interval if active is None else min(active, 2 * settings.heartbeat_interval)
    at = timestamp if timestamp is not None else transit.ended_at
    return _by_server_clock(at, claimed if is_active else 0, transit, settings)


def _by_server_clock(at: Instant, claimed: Milliseconds, transit: Transit, settings: StudyTimeSettings) -> Timing:
    at, latest = at + transit.offset, transit.received_at
    if transit.sent_at is not None:
        ahead = transit.sent_at + transit.offset - latest
        # A clock that is a little ahead: where the claim ends must not depend on how long it was under way.
        latest += ahead if 0 < ahead <= settings.largest_rest else 0
    is_shifted = at > latest
    # A client whose clock is centuries off could be corrected to a time that cannot be stored.
    at = max(min(at, latest), START_OF_TIME + claimed)
    return Timing(at, claimed, is_shifted)


def by_day(span: Span) -> list[tuple[Day, Span]]:
    """Cut a span at UTC midnights; each part is given in milliseconds of its day."""
    start, end = span
    parts = []
    while start < end:
        day, begin = divmod(start, DAY)
        length_in_day = min(end - start, DAY - begin)
        parts.append((day, (begin, begin + length_in_day)))
        start += length_in_day
    return parts


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
