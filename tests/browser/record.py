"""What a page itself says that a learner did, by `pages/recorder.js`, which does not know the tracker."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.browser.intervals import Interval, union


@dataclass(frozen=True)
class State:
    at: float
    is_attended: bool
    is_playing: bool


@dataclass(frozen=True)
class Record:
    """Instants are seconds since 1970 by the clock of the machine, also where a test gives the page another one.

    `begin` is when the tracker's script had been loaded.
    """

    begin: float
    now: float
    states: tuple[State, ...]
    uses: tuple[float, ...]
    faults: tuple[str, ...]
    played: tuple[tuple[Interval, ...], ...]

    def active(self, idle_seconds: float) -> list[Interval]:
        """Return when the learner was active: media played, or the page had the focus and was used in the last seconds.

        Playing is use of the page, and so is coming to it.
        """
        ends = [*(state.at for state in self.states[1:]), self.now]
        changes = pairwise((State(self.begin, is_attended=False, is_playing=False), *self.states))
        came = [new.at for old, new in changes if old.is_playing or (new.is_attended and not old.is_attended)]
        uses = union((at, at + idle_seconds) for at in (self.begin, *self.uses, *came))
        found: list[Interval] = []
        for state, end in zip(self.states, ends, strict=True):
            span = (max(state.at, self.begin), end)
            if state.is_playing:
                found.append(span)
            elif state.is_attended:
                found += [
                    (max(start, span[0]), min(stop, span[1])) for start, stop in uses if start < span[1] and stop > span[0]
                ]
        return union(found)


def to_record(given: dict[str, Any]) -> Record:
    """Read what `readRecord()` returns."""
    return Record(
        begin=given["begin"],
        now=given["now"],
        states=tuple(State(each["at"], each["isAttended"], each["isPlaying"]) for each in given["states"]),
        uses=tuple(given["uses"]),
        faults=tuple(given["faults"]),
        played=tuple(tuple((start, end) for start, end in ranges) for ranges in given["played"]),
    )
