"""Which parts of a unit's video learners watch, and which again, by strips of 12 seconds."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from statistics import median
from typing import NamedTuple

from headway.courses.video import PARTS, Playback, Run

STRIP_SECONDS = 12
_LARGE_DROP = 0.1
"""A strip that a tenth of all viewers fewer watched than the one before is a drop."""
_MUCH_AGAIN = 0.2
"""A strip that a fifth of those who watched it watched again is one that is watched again."""


class Strip(NamedTuple):
    """A part of a video of 12 seconds, or what is left of them at the end. A learner watched it who played its middle."""

    start_seconds: int
    end_seconds: float
    watched: int
    again: int
    """Of those who watched it, who played its middle more than once."""
    is_drop: bool
    """Whether many watched the strip before and not this one."""
    is_replayed: bool
    """Whether many of those who watched it watched it again."""


class Retention(NamedTuple):
    """The strips of a video. Its duration is the median of those that were reported."""

    viewers: int
    duration_seconds: float
    strips: list[Strip]


def retention(playbacks: Sequence[Playback]) -> Retention | None:
    """Return who watched which strips of a video, given what each viewer played; None without a viewer."""
    if not playbacks:
        return None
    duration = median(each.duration_seconds for each in playbacks)
    starts = range(0, max(1, -(-int(duration * 1000) // (STRIP_SECONDS * 1000))) * STRIP_SECONDS, STRIP_SECONDS)
    ends = [min(start + STRIP_SECONDS, duration) for start in starts]
    middles = [int((start + end) / 2 / duration * PARTS) for start, end in zip(starts, ends, strict=True)]
    watched = _count(middles, (each.runs() for each in playbacks))
    again = _count(middles, (each.runs(again=True) for each in playbacks))
    strips = []
    for start, end, seen, replayed, before in zip(starts, ends, watched, again, [len(playbacks), *watched], strict=False):
        is_drop = before - seen > _LARGE_DROP * len(playbacks)
        strips.append(Strip(start, end, seen, replayed, is_drop, is_replayed=replayed > _MUCH_AGAIN * seen))
    return Retention(len(playbacks), duration, strips)


def _count(parts: Sequence[int], played: Iterable[Sequence[Run]]) -> list[int]:
    """Count for each of some parts of a video, in order, how often it is played."""
    changes = [0] * (len(parts) + 1)
    for runs in played:
        for first, end in runs:
            changes[bisect_left(parts, first)] += 1
            changes[bisect_left(parts, end)] -= 1
    return list(accumulate(changes[:-1]))
