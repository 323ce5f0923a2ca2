"""What was played of a video: the union of the segments that clients report, as shares of the video.

A video has 10,000 parts, each a hundredth of a percent of its duration. A part was played if a segment spans its middle, so a
segment that is split anywhere has the same parts as its pieces, and its ends are off by half a part at most: 0.25 seconds in a
video of 80 minutes. The union only grows, whatever durations clients report, so a share never falls. It takes at most 1,250
bytes, whatever is sent. Beside it stands, in the same form, what was played more than once.
"""

import math
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from heapq import nlargest
from typing import TypeAlias

import msgspec

from headway.text import canonical_json

PARTS = 10_000
"""As many as there are percents: the number of parts that were played is the share that was watched."""
LONGEST_VIDEO_SECONDS = 86_400
_MOST_RUNS = 64
_EDGE = re.compile("1")

Run: TypeAlias = tuple[int, int]
"""The first part of those that were played without a gap, and the one after the last."""
Segment: TypeAlias = tuple[float, float]
"""What was played, in seconds of the video: from the first instant until just before the second one."""
_decode_segments = msgspec.json.Decoder(list[Segment]).decode


class Playback(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parts of a video that were played. Equal ones have the same form, whatever they were merged from."""

    parts: tuple[Run, ...] | str
    """Runs in order that do not touch; more than 64 as the bits of the parts, the first one lowest, in Base64."""
    duration_seconds: float
    """The largest that was reported."""
    again: tuple[Run, ...] | str = ()
    """The parts that were played more than once, as `parts`."""

    def merge(self, other: "Playback") -> "Playback":
        """Return what two reports come to, in any order and grouping. What both have was played again."""
        mine, theirs = _bits(self.parts), _bits(other.parts)
        again = mine & theirs | _bits(self.again) | _bits(other.again)
        return Playback(_encode(mine | theirs), max(self.duration_seconds, other.duration_seconds), _encode(again))

    @property
    def watched(self) -> int:
        """How much of the video was played, in hundredths of a percent."""
        return _bits(self.parts).bit_count()

    @property
    def reached(self) -> int:
        """The furthest place that was played, in hundredths of a percent."""
        return _bits(self.parts).bit_length()

    def runs(self, *, again: bool = False) -> list[Run]:
        """Return the parts that were played, or those that were played again, as runs in order."""
        parts = self.again if again else self.parts
        return _runs(_bits(parts)) if isinstance(parts, str) else list(parts)

    def seconds(self, parts: int) -> float:
        """Return how long some parts are, in seconds with two decimals."""
        return round(parts * self.duration_seconds / PARTS, 2)

    def segments(self, limit: int) -> list[Segment]:
        """Return the segments that were played, in order; of more than `limit` the longest ones."""
        runs = sorted(nlargest(limit, _runs(_bits(self.parts)), key=lambda run: run[1] - run[0]))
        return [(self.seconds(first), self.seconds(end)) for first, end in runs]


def encode_segments(segments: Iterable[Segment]) -> str:
    """Return the one JSON text of equal segments. Minus zero becomes zero."""
    return canonical_json([[start + 0.0, end + 0.0] for start, end in segments])


def played(segments: str | None, duration_seconds: float | None) -> Playback | None:
    """Return what segments, as JSON text, are of a video; None without a duration, for then it is no share of anything.

    What lies beyond the duration is cut: players stop a hair behind the end. Raises msgspec.DecodeError.
    """
    if segments is None or duration_seconds is None or duration_seconds <= 0:
        return None
    bits = again = 0
    for start, end in _decode_segments(segments):
        first, last = _part_at(start, duration_seconds), _part_at(end, duration_seconds)
        if first < last:
            segment = (1 << last) - (1 << first)
            again |= bits & segment
            bits |= segment
    return Playback(_encode(bits), duration_seconds, _encode(again))


def _part_at(position: float, duration: float) -> int:
    """Return the first part whose middle does not lie before a position."""
    return math.ceil(min(max(position / duration, 0.0), 1.0) * PARTS - 0.5)


def _encode(bits: int) -> tuple[Run, ...] | str:
    number_of_runs = (bits & ~(bits << 1)).bit_count()
    if number_of_runs <= _MOST_RUNS:
        return tuple(_runs(bits))
    return b64encode(bits.to_bytes(-(-bits.bit_length() // 8), "little")).decode()


def _bits(parts: tuple[Run, ...] | str) -> int:
    if isinstance(parts, str):
        return int.from_bytes(b64decode(parts), "little")
    return sum((1 << end) - (1 << first) for first, end in parts)


def _runs(bits: int) -> list[Run]:
    # A run begins and ends where a bit differs from the one below it. In the text the highest bit comes first.
    changes = f"{bits ^ (bits << 1):b}"
    edges = [len(changes) - match.end() for match in _EDGE.finditer(changes)]
    return list(zip(edges[::-2], edges[-2::-2], strict=True))
