"""The loads: which request each of them sends to which server, what counts as one operation, and how real it is."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from workload import DAY_SECONDS, Learner, Workload, format_time, get, post, seconds_studied

Build = Callable[[Workload, Learner], bytes]

BATCH_SIZE = 50
# After all events of a run.
HEARTBEATS_START = 200 * DAY_SECONDS
# Too small for the responses of all learners: as they take turns, each is evicted before it is requested again.
NOTHING_CACHED = {"HEADWAY_CACHE_MEGABYTES": "1"}
# 256 connections with a batch each exceed the default, beyond which Headway returns 503 and the client has to wait.
LONG_QUEUE = {"HEADWAY_INGEST_QUEUE_EVENTS": "20000"}
# Learners take turns within seconds here; the limit is checked as ever.
UNLIMITED = {"HEADWAY_TUTORIAL_CHAPTERS_PER_MINUTE": "1000000"}


class Route(NamedTuple):
    """The request of a load to one server, and the status of its acknowledgement."""

    build: Build
    status: int = 200


@dataclass(frozen=True, eq=False, slots=True)
class Load:
    """A load. `routes` are by server; a server without one has no counterpart to it."""

    name: str
    operation: str
    """What is counted."""
    realism: str
    routes: Mapping[str, Route]
    per_request: int = 1
    """The operations of a request."""
    stores_events: bool = False
    is_grouped: bool = False
    """The collector writes what several requests send in one transaction."""
    needs_progress: bool = False
    """It is sent by learners who have progress in each unit of a course."""
    reads_first: bool = False
    """Before it, the progress of every learner is read once."""
    environment: Mapping[str, str] = field(default_factory=dict)
    from_cache: tuple[float, float] | None = None
    """The least and the largest share of responses that Headway's cache must give."""


def track(path: bytes) -> Build:
    return lambda workload, learner: post(path, learner.token, workload.next_event(learner))


def batch(path: bytes, size: int) -> Build:
    def build(workload: Workload, learner: Learner) -> bytes:
        events = b",".join([workload.next_event(learner) for _ in range(size)])
        return post(path, learner.token, b'{"events":[%b]}' % events)

    return build


def heartbeat(path: bytes) -> Build:
    def build(workload: Workload, learner: Learner) -> bytes:
        number = learner.heartbeats
        learner.heartbeats += 1
        course = workload.courses[0]
        unit = course.units[(learner.first_unit + number // 10) % len(course.units)]
        at = format_time(learner.started_at + HEARTBEATS_START + seconds_studied(number))
        body = b'{"course_id":%d,"module_id":%d,"unit_id":%d,"is_active":true,"active_seconds":30,"timestamp":"%b"}'
        return post(path, learner.token, body % (course.id, unit.module_id, unit.id, at))

    return build


def update(path: bytes, body: bytes) -> Build:
    """Update the next unit: the first turn completes every other unit, later turns raise the rest."""

    def build(workload: Workload, learner: Learner) -> bytes:
        course = workload.courses[0]
        turn, unit = divmod(learner.updates, len(course.units))
        learner.updates += 1
        is_complete = turn == 0 and unit % 2 == 0
        status, percent = (b"COMPLETED", 100) if is_complete else (b"IN_PROGRESS", min(40 + turn, 99))
        return post(path, learner.token, body % (course.id, course.units[unit].id, status, percent, 30 * (turn + 1)))

    return build


def read(path: bytes) -> Build:
    return lambda workload, learner: get(path % (workload.courses[0].id, learner.user_id), learner.token)


def mix(one: Build, other: Build, share: float) -> Build:
    """Build `other` for a share of the requests, else `one`."""
    chance = random.Random(1)

    def build(workload: Workload, learner: Learner) -> bytes:
        chosen = other if chance.random() < share else one
        return chosen(workload, learner)

    return build


def read_if_changed(path: bytes) -> Build:
    def build(workload: Workload, learner: Learner) -> bytes:
        headers = b"if-none-match: %b\r\n" % learner.etag
        return get(path % (workload.courses[0].id, learner.user_id), learner.token, headers)

    return build


def chapter(_workload: Workload, learner: Learner) -> bytes:
    """Report a position in the next of ten chapters."""
    learner.updates += 1
    turn, number = divmod(learner.updates, 10)
    body = b'{"chapterId":"chapter-%d","watchTime":%d,"lastPosition":%d,"totalChapters":10}'
    return post(b"/v1/tutorials/progress/intro/chapter", learner.token, body % (number, 15 * turn + 15, 15 * turn + 15))


def message(_workload: Workload, learner: Learner) -> bytes:
    body = b'{"receiverId":"%d","message":"Shall we go through the exercises of the last unit together?"}'
    return post(b"/api/v1/learner/messages", learner.token, body % learner.peer_id)


def batches(size: int) -> Load:
    return Load(
        f"batches of {size}",
        "event",
        "what a tracker sends",
        {
            "Headway": Route(batch(b"/api/courses/activity/batch", size)),
            "Baseline": Route(batch(b"/batch", size), 201),
        },
        per_request=size,
        stores_events=True,
        is_grouped=True,
        environment=LONG_QUEUE,
    )


HEADWAY_READ, BASELINE_READ = b"/user-progress/%d/%d", b"/progress/%d/%d"
HEADWAY_UPDATE = update(
    b"/user-progress/update",
    b'{"courseId":%d,"courseContentId":%d,"progressStatus":"%b","progressPercent":%d,"activityDuration":%d}',
)
BASELINE_UPDATE = update(
    b"/progress", b'{"course_id":%d,"unit_id":%d,"status":"%b","completion_percentage":%d,"time_spent_seconds":%d}'
)

SINGLE = Load(
    "single events",
    "event",
    "what hand-written front ends send: a request for each event",
    {"Headway": Route(track(b"/api/courses/activity/track"), 201), "Baseline": Route(track(b"/track"), 201)},
    stores_events=True,
    is_grouped=True,
)
BATCHES = batches(BATCH_SIZE)
HEARTBEATS = Load(
    "heartbeats",
    "heartbeat",
    "what a tracker sends every 30 seconds",
    {"Headway": Route(heartbeat(b"/api/courses/activity/heartbeat")), "Baseline": Route(heartbeat(b"/heartbeat"))},
    is_grouped=True,
)
UPDATES = Load(
    "updates",
    "update",
    "a front end that keeps track by itself saves a unit's progress",
    {"Headway": Route(HEADWAY_UPDATE), "Baseline": Route(BASELINE_UPDATE)},
    is_grouped=True,
    needs_progress=True,
)
READS_COLD = Load(
    "reads, cold",
    "read",
    "the first read after a change: nothing is in the cache",
    {"Headway": Route(read(HEADWAY_READ)), "Baseline": Route(read(BASELINE_READ))},
    needs_progress=True,
    environment=NOTHING_CACHED,
    from_cache=(0, 0.05),
)
READS_CACHED = Load(
    "reads, cached",
    "read",
    "a page is opened again, and nothing has changed",
    {"Headway": Route(read(HEADWAY_READ)), "Baseline": Route(read(BASELINE_READ))},
    needs_progress=True,
    reads_first=True,
    from_cache=(0.95, 1),
)
READS_UNCHANGED = Load(
    "reads, 304",
    "read",
    "likewise, by a client that sends `If-None-Match`",
    {"Headway": Route(read_if_changed(HEADWAY_READ), 304)},
    needs_progress=True,
    reads_first=True,
)
COURSE_ROOM = Load(
    "reads, a quarter updates",
    "request",
    "a course room at work: what is read has often changed",
    {
        "Headway": Route(mix(read(HEADWAY_READ), HEADWAY_UPDATE, 0.25)),
        "Baseline": Route(mix(read(BASELINE_READ), BASELINE_UPDATE, 0.25)),
    },
    needs_progress=True,
)
CHAPTERS = Load(
    "chapters",
    "chapter",
    "a tutorial's player reports its position",
    {"Headway": Route(chapter)},
    environment=UNLIMITED,
)
MESSAGES = Load("messages", "message", "a learner writes to a peer", {"Headway": Route(message, 201)})

LOADS = (
    *(SINGLE, BATCHES, HEARTBEATS),
    *(UPDATES, COURSE_ROOM, READS_COLD, READS_CACHED, READS_UNCHANGED),
    *(CHAPTERS, MESSAGES),
)
