"""The workload: learners who go through one course after the other, as HTTP requests ready to write to a socket."""

import datetime as dt
import functools
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

EVENT_SECONDS = 30
# Less than EVENT_SECONDS: events overlap, so that study time has overlaps to merge.
STEP_SECONDS = 28
EVENTS_PER_VISIT = 10
EVENTS_PER_SITTING = 20
BREAK_SECONDS = 300
SITTINGS_PER_DAY = 3
DAY_SECONDS = 24 * 3600
# Long enough that nothing of a run ends ahead of the server's clock.
HISTORY_SECONDS = 360 * DAY_SECONDS

EVENT = (
    b'{%b"activity_type":"%b","course_id":%d,"module_id":%d,"unit_id":%d,"duration_seconds":%d,'
    b'"engagement_metrics":{"scroll_depth":%d,"video_watch_percentage":%d,"interaction_count":%d},'
    b'"start_time":"%b","end_time":"%b"}'
)
GET = b"GET %b HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n%b\r\n"
POST = (
    b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
)


@dataclass(frozen=True, slots=True)
class WireFormat:
    """What differs between the events of servers.

    The first of `activity_types` starts a visit of a unit and the last one ends it.
    """

    activity_types: tuple[bytes, ...]
    has_event_ids: bool


class Unit(NamedTuple):
    id: int
    module_id: int


@dataclass(frozen=True, slots=True)
class Course:
    id: int
    units: tuple[Unit, ...]


class Person(NamedTuple):
    """An account, with a token for it."""

    user_id: int
    token: bytes


@dataclass(slots=True)
class Learner:
    """A learner, and how far they are: the numbers of events, heartbeats and updates they have sent so far."""

    user_id: int
    token: bytes
    peer_id: int
    first_unit: int
    started_at: int
    events: int = 0
    heartbeats: int = 0
    updates: int = 0
    etag: bytes = b""


class Workload:
    """Learners who take turns in a shuffled order; each continues where their last request ended."""

    def __init__(self, wire: WireFormat, courses: Sequence[Course], people: Sequence[Person]) -> None:
        self.wire = wire
        self.courses = courses
        # Whole seconds, so that learners share most of their times, which are costly to format.
        started_at = int(time.time()) - HISTORY_SECONDS
        self.learners = [
            Learner(*person, people[index - 1].user_id, index, started_at + index % DAY_SECONDS)
            for index, person in enumerate(people)
        ]
        # Consecutive requests must not change neighbouring rows of the database.
        random.Random(1).shuffle(self.learners)
        self.turns = itertools.cycle(self.learners)

    def scatter(self) -> None:
        """Let learners skip some events, so that they are not all at the same step of a visit."""
        for index, learner in enumerate(self.learners):
            learner.events += index % EVENTS_PER_VISIT

    def requests(self, build: Callable[["Workload", Learner], bytes]) -> Iterator[bytes]:
        """Yield requests without end, each of the learner whose turn it is."""
        return (build(self, learner) for learner in self.turns)

    def next_event(self, learner: Learner) -> bytes:
        """Return the next event of a learner: ten in each unit of a course, then the next course."""
        number = learner.events
        learner.events += 1
        visit, step = divmod(number, EVENTS_PER_VISIT)
        course, unit = self._place(learner, visit)
        start = learner.started_at + seconds_studied(number)
        reached_percent = (step + 1) * 100 // EVENTS_PER_VISIT
        return EVENT % (
            b'"event_id":"%b",' % make_event_id() if self.wire.has_event_ids else b"",
            self._activity_type(step),
            course.id,
            unit.module_id,
            unit.id,
            EVENT_SECONDS,
            reached_percent,
            reached_percent,
            1 + number % 9,
            format_time(start),
            format_time(start + EVENT_SECONDS),
        )

    def _place(self, learner: Learner, visit: int) -> tuple[Course, Unit]:
        taken, visit = divmod(visit, len(self.courses[0].units))
        course = self.courses[taken % len(self.courses)]
        return course, course.units[(learner.first_unit + visit) % len(course.units)]

    def _activity_type(self, step: int) -> bytes:
        opening, *during, ending = self.wire.activity_types
        if step == 0:
            return opening
        return ending if step == EVENTS_PER_VISIT - 1 else during[step % len(during)]


def get(path: bytes, token: bytes, headers: bytes = b"") -> bytes:
    return GET % (path, token, headers)


def post(path: bytes, token: bytes, body: bytes) -> bytes:
    return POST % (path, token, len(body), body)


def seconds_studied(number: int) -> int:
    """Return when a learner's event with this number starts, in seconds after the first: three sittings of twenty a day."""
    sitting, step = divmod(number, EVENTS_PER_SITTING)
    day, sitting = divmod(sitting, SITTINGS_PER_DAY)
    return day * DAY_SECONDS + sitting * (EVENTS_PER_SITTING * STEP_SECONDS + BREAK_SECONDS) + step * STEP_SECONDS


def make_event_id() -> bytes:
    """Return a random UUID (version 4), as browsers generate it."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}".encode()


@functools.lru_cache(maxsize=2**17)
def format_time(timestamp: int) -> bytes:
    moment = dt.datetime.fromtimestamp(timestamp, dt.UTC).replace(tzinfo=None)
    return (moment.isoformat(timespec="milliseconds") + "Z").encode()
