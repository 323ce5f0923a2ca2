"""Since when progress counts: what was reset counts from an instant on, and study time too where it was not kept.

It follows from the resets that are not undone, and is kept in the enrollment as a short text, which is read with it. So a
reset is like other times of the units for one learner: what happened before it lies outside of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import msgspec

from headway.courses.structure import CourseStructure
from headway.courses.times import ALWAYS, Times
from headway.enrollments.model import Enrollment
from headway.instants import Instant
from headway.learning.study_time import Span

WHOLE_COURSE = 0
"""Stands for all units, and for what happened in the course alone."""


class Since(NamedTuple):
    """Since when progress counts in a unit, and since when study time does; None for always."""

    progress: Instant
    study: Instant | None


class ResetUnits(NamedTuple):
    """What a reset that is not undone means for its units; None for all of the course."""

    counts_from: Instant
    unit_ids: Sequence[int] | None
    keeps_study: bool


_decode = msgspec.json.Decoder(dict[int, Since]).decode
_encode = msgspec.json.Encoder().encode


class Counting:
    """Since when progress of a learner in a course counts, by unit."""

    __slots__ = ("_since",)

    def __init__(self, since: Mapping[int, Since]) -> None:
        self._since = since

    @classmethod
    def after(cls, resets: Iterable[ResetUnits]) -> "Counting":
        """Return what follows from the resets of a learner in a course that are not undone."""
        since: dict[int, Since] = {}
        for counts_from, unit_ids, keeps_study in sorted(resets, key=lambda reset: reset.counts_from):
            for unit_id in [WHOLE_COURSE] if unit_ids is None else unit_ids:
                earlier = since.get(unit_id)
                kept = None if earlier is None else earlier.study
                since[unit_id] = Since(counts_from, kept if keeps_study else counts_from)
        return cls(since)

    @property
    def text(self) -> str | None:
        """What is stored; None if nothing was reset."""
        return _encode(dict(sorted(self._since.items()))).decode() if self._since else None

    def progress_from(self, unit_id: int) -> Instant | None:
        """Return since when evidence and study count for a unit; None for always."""
        own, whole = self._since.get(unit_id), self._since.get(WHOLE_COURSE)
        if own is None or whole is None:
            both = own or whole
            return None if both is None else both.progress
        return max(own.progress, whole.progress)

    def study_from(self, unit_id: int) -> Instant | None:
        """Return since when study in a unit counts as study time; None for always."""
        own, whole = self._since.get(unit_id), self._since.get(WHOLE_COURSE)
        found = [since.study for since in (own, whole) if since is not None and since.study is not None]
        return max(found, default=None)

    def times(self, unit_id: int, times: Times) -> Times:
        """Return the times of a unit without those in which progress does not count."""
        since = self.progress_from(unit_id)
        if since is None or (times.opens_at is not None and times.opens_at >= since):
            return times
        return Times(since, times.closes_at)

    def split(self, unit_id: int, span: Span) -> tuple[Span, Span]:
        """Cut a span of study into what is set aside and what counts as study time; each may be empty."""
        since, (start, end) = self.study_from(unit_id), span
        middle = start if since is None else min(max(since, start), end)
        return (start, middle), (middle, end)


ALL_COUNTS = Counting({})


@lru_cache(maxsize=10_000)
def _read(text: str) -> Counting:
    return Counting(_decode(text))


def counting_of(enrollment: Enrollment) -> Counting:
    """Return since when progress counts in an enrollment."""
    return ALL_COUNTS if enrollment.counts_from is None else _read(enrollment.counts_from)


def times_in(enrollment: Enrollment, structure: CourseStructure) -> Callable[[int], Times | None]:
    """Return what gives the times at which events of a learner count for a unit; None for always."""
    if enrollment.counts_from is None:
        return structure.timed.get
    return partial(_limited, structure.timed, _read(enrollment.counts_from))


def _limited(timed: Mapping[int, Times], counting: Counting, unit_id: int) -> Times | None:
    times = counting.times(unit_id, timed.get(unit_id, ALWAYS))
    return None if times is ALWAYS else times
