"""The workload: learners who work through one course, as HTTP requests ready to write to a socket."""

import datetime as dt
import functools
import itertools
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

EVENT_SECONDS = 30
# Less than EVENT_SECONDS: events overlap, so that study time has overlaps to merge.
STEP_SECONDS = 28
EVENTS_PER_SITTING = 20
BREAK_SECONDS = 300
SITTINGS_PER_DAY = 3
DAY_SECONDS = 24 * 3600
# Long enough that no event of a run ends ahead of the server's clock.
HISTORY_SECONDS = 180 * 24 * 3600

EVENT = (
    b'{%b"activity_type":"%b","course_id":%d,"module_id":%d,"unit_id":%d,"duration_seconds":%d,'
    b'"engagement_metrics":{"scroll_depth":%d,"video_watch_percentage":%d,"interaction_count":%d},'
    b'"start_time":"%b","end_time":"%b"}'
)
REQUEST = (
    b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
)


@dataclass(frozen=True, slots=True)
class WireFormat:
    """The paths of a server's ingest routes, the statuses of its acknowledgements, and its activity types.

    The first of `activity_types` starts a visit of a unit and the last one ends it. `event_id_version` is the version of
    the UUIDs of events: 4 is random in the index, 7 grows with time. With None, no ids are sent.
    """

    track_path: bytes
    track_status: int
    batch_path: bytes
    batch_status: int
    activity_types: tuple[bytes, ...]
    event_id_version: int | None


@dataclass(frozen=True, slots=True)
class Unit:
    id: int
    module_id: int


@dataclass(frozen=True, slots=True)
class Course:
    id: int
    units: tuple[Unit, ...]


@dataclass(slots=True)
class Learner:
    token: bytes
    first_unit: int
    started_at: int
    events: int = 0


class Workload:
    """Learners who take turns in a shuffled order; each continues where its last request ended."""

    def __init__(self, wire: WireFormat, course: Course, tokens: Sequence[str], *, events_per_visit: int) -> None:
        self.wire = wire
        self.course = course
        self._events_per_visit = events_per_visit
        # Whole seconds, so that learners share most of their times, which are costly to format.
        started_at = int(time.time()) - HISTORY_SECONDS
        self._learners = [Learner(token.encode(), index, started_at + index) for index, token in enumerate(tokens)]
        # Consecutive requests must not change neighbouring rows of the database.
        random.Random(1).shuffle(self._learners)
        self._turns = itertools.cycle(self._learners)

    @property
    def learners(self) -> int:
        return len(self._learners)

    @property
    def tokens(self) -> list[bytes]:
        """The tokens of learners, in the order in which they take turns."""
        return [learner.token for learner in self._learners]

    def requests(self, batch_size: int) -> Iterator[bytes]:
        """Yield requests without end, each of one learner: single events if `batch_size` is 1, else batches."""
        for learner in self._turns:
            events = b",".join([self._event(learner) for _ in range(batch_size)])
            if batch_size == 1:
                yield REQUEST % (self.wire.track_path, learner.token, len(events), events)
            else:
                body = b'{"events":[%b]}' % events
                yield REQUEST % (self.wire.batch_path, learner.token, len(body), body)

    def expected_status(self, batch_size: int) -> int:
        return self.wire.track_status if batch_size == 1 else self.wire.batch_status

    def _event(self, learner: Learner) -> bytes:
        number = learner.events
        learner.events += 1
        visit, step_of_visit = divmod(number, self._events_per_visit)
        unit = self.course.units[(learner.first_unit + visit) % len(self.course.units)]
        sitting, step = divmod(number, EVENTS_PER_SITTING)
        day, sitting = divmod(sitting, SITTINGS_PER_DAY)
        within_day = sitting * (EVENTS_PER_SITTING * STEP_SECONDS + BREAK_SECONDS) + step * STEP_SECONDS
        start = learner.started_at + day * DAY_SECONDS + within_day
        version = self.wire.event_id_version
        reached_percent = (step_of_visit + 1) * 100 // self._events_per_visit
        return EVENT % (
            b'"event_id":"%b",' % make_event_id(version) if version else b"",
            self._activity_type(step_of_visit),
            self.course.id,
            unit.module_id,
            unit.id,
            EVENT_SECONDS,
            reached_percent,
            reached_percent,
            1 + number % 9,
            format_time(start),
            format_time(start + EVENT_SECONDS),
        )

    def _activity_type(self, step: int) -> bytes:
        opening, *during, ending = self.wire.activity_types
        if step == 0:
            return opening
        return ending if step == self._events_per_visit - 1 else during[step % len(during)]


def make_event_id(version: int) -> bytes:
    """Return a UUID: random (version 4), as browsers generate it, or starting with the time (version 7)."""
    digits = f"{random.getrandbits(128):032x}"
    if version == 7:
        digits = f"{time.time_ns() // 1_000_000:012x}{digits[12:]}"
    return f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-a{digits[17:20]}-{digits[20:]}".encode()


@functools.lru_cache(maxsize=2**17)
def format_time(timestamp: int) -> bytes:
    moment = dt.datetime.fromtimestamp(timestamp, dt.UTC).replace(tzinfo=None)
    return (moment.isoformat(timespec="milliseconds") + "Z").encode()
