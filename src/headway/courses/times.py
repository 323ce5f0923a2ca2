"""When a unit is open: from an instant on, until an instant, or always."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from headway.instants import DAY, END_OF_TIME, START_OF_TIME, Day, Instant, Milliseconds, iso

_Span = tuple[int, int]


class Lock(StrEnum):
    """Why a unit is locked for a learner."""

    SEQUENCE = "sequence"
    """Required units before it are not complete."""
    NOT_OPEN = "not open"
    CLOSED = "closed"


class Times(msgspec.Struct, frozen=True, gc=False):
    """The times of a unit: it is open from `opens_at` on and before `closes_at`. Without one, there is no limit."""

    opens_at: Instant | None = None
    closes_at: Instant | None = None

    def include(self, at: Instant) -> bool:
        """Return whether the unit is open at an instant."""
        return (self.opens_at is None or at >= self.opens_at) and (self.closes_at is None or at < self.closes_at)

    def lock_at(self, now: Instant) -> Lock | None:
        """Return why the unit is locked at an instant; None while it is open."""
        if self.closes_at is not None and now >= self.closes_at:
            return Lock.CLOSED
        return Lock.NOT_OPEN if self.opens_at is not None and now < self.opens_at else None

    def describe(self, lock: Lock) -> str:
        """Return when the unit opens or has closed, as the end of a sentence in English."""
        if lock is Lock.CLOSED and self.closes_at is not None:
            return f"closed at {iso(self.closes_at)}"
        return "is not open" if self.opens_at is None else f"opens at {iso(self.opens_at)}"

    def overlap(self, span: _Span) -> Milliseconds:
        """Return how much of a span of time the unit is open."""
        first, last = self.bounds
        return max(min(span[1], last) - max(span[0], first), 0)

    def cut(self, day: Day, spans: Iterable[_Span]) -> list[_Span]:
        """Cut spans of a UTC day, in its milliseconds, where the unit opens and closes."""
        pieces: list[_Span] = []
        for start, end in spans:
            edges = [edge for edge in (bound - day * DAY for bound in self.bounds) if start < edge < end]
            pieces += zip([start, *edges], [*edges, end], strict=True)
        return pieces

    def overlap_in_day(self, day: Day, spans: Iterable[_Span]) -> Milliseconds:
        """Return how much of separate spans of a UTC day, in its milliseconds, the unit is open."""
        midnight = day * DAY
        return sum(self.overlap((midnight + start, midnight + end)) for start, end in spans)

    def differs_since(self, other: "Times", until: Instant) -> Instant | None:
        """Return from when on the unit is open by one of two times and not by the other; None if that is not before `until`."""
        changed = [min(own, others) for own, others in zip(self.bounds, other.bounds, strict=True) if own != others]
        return min((since for since in changed if since < until), default=None)

    @property
    def bounds(self) -> _Span:
        """When the unit opens and closes, or the ends of time."""
        first = START_OF_TIME if self.opens_at is None else self.opens_at
        return first, END_OF_TIME if self.closes_at is None else self.closes_at


ALWAYS = Times()
"""Of a unit without times."""
