"""What a line of another platform's log says, before users, courses and units are looked up, and why a line is not taken."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias, TypeGuard
from uuid import UUID, uuid5

import msgspec

from headway.courses.video import Segment
from headway.ids import MAX_EXTERNAL_ID
from headway.instants import Instant

MAX_TYPE_CHARACTERS = 64
_LARGEST = 1e15
_EVENTS = UUID("8b6f3c1e-5f0a-5d7e-9a53-0c7d1f2b4e60")
"""The name space of the ids of imported events."""


class Reason(StrEnum):
    """Why a line is not taken."""

    UNREADABLE = "cannot be read"
    NOT_AN_EVENT = "is not an event of this kind of log"
    UNSTORABLE = "has texts or numbers that cannot be stored"
    NO_TIME = "has no time that can be read"
    FUTURE = "lies in the future"
    NO_USER = "names no user"
    NO_COURSE = "names no course"
    UNKNOWN_TYPE = "is of a type that is not known to tell of learning"
    REQUEST = "is a request to a server, which says nothing of what was done"
    ENROLLMENT = "is about who is in a course, which rosters and enrolling bring"
    ACCOUNT = "is about an account, a session or messages"
    CATALOGUE = "is about how a course is made"
    STAFF = "was done by staff or by the platform, not by the learner"
    AWARD = "is a badge or a certificate, which the platform keeps"
    MODERATION = "is about moderating posts"
    REPORT = "is a look at a report"
    UNDONE = "takes a completion back, and progress never goes back"
    UNKNOWN_USER = "is of a user who has no account here"
    UNKNOWN_COURSE = "is of a course that is not here"
    UNKNOWN_UNIT = "is of content that is no unit here"
    NOT_ENROLLED = "is of a learner who is not enrolled in the course"
    CONFLICT = "was stored before with other content"
    REJECTED = "is refused by the rules for events"


class Refusal(NamedTuple):
    """A line that is not taken: its type in the log, and why."""

    type: str
    reason: Reason
    detail: str = ""


class UserName(NamedTuple):
    """How a log names a user: the texts by which an account may be known here, the best one first."""

    external_ids: tuple[str, ...]
    email: str | None = None
    full_name: str | None = None


class Place(NamedTuple):
    """Content in which something happened, by its external id."""

    external_id: str
    is_whole: bool = True
    """Whether the event is of this content itself, or only of something in it."""


class LogEvent(NamedTuple):
    """An event of a log. If it is of a unit as a whole, it counts as `activity_type`, with its evidence.

    In a unit that only contains what the event is of, it is stored as `part_type`, and its evidence is not counted: the score
    of one problem is not that of the page on which it stands.
    """

    event_id: str
    type: str
    """The type in the log, for reports."""
    at: Instant
    user: UserName
    courses: tuple[str, ...]
    """The external ids that the course may have here, the best one first."""
    activity_type: str
    part_type: str | None = None
    """None if the event is stored alike in both cases."""
    places: tuple[Place, ...] = ()
    """The content, what it is in, and so on."""
    needs_unit: bool = False
    """Whether the event is of content alone. Where it is no unit here, others are stored as activity in the course."""
    started_at: Instant | None = None
    """Set if the log states an interval of study, which ended at `at`."""
    session_id: str | None = None
    metadata: dict[str, Any] = {}  # noqa: RUF012 - never changed
    score: tuple[float, float] | None = None
    """The score and the largest possible one."""
    video_duration: float | None = None
    segment: Segment | None = None
    """What was played of a video, in seconds."""

    @property
    def names(self) -> Iterator[str]:
        """All texts by which something is looked up, or that are stored as they are."""
        yield from (*self.user.external_ids, self.user.email or "", self.user.full_name or "", *self.courses)
        yield from (place.external_id for place in self.places)
        yield self.session_id or ""


Parsed: TypeAlias = LogEvent | Refusal


def event_id_of(*parts: object) -> str:
    """Return the id of an event that follows from what it says: the same line has the same id, whatever file it is in."""
    return str(uuid5(_EVENTS, msgspec.json.encode(parts, order="deterministic").decode()))


def open_type(namespace: str, text: str) -> str:
    """Return the open activity type for a type of a log: `edx.forum.thread.voted` is `openedx.forum_thread_voted`."""
    letters = "".join(each if each.isascii() and each.isalnum() else "_" for each in text.lower())
    word = "_".join(part for part in letters.split("_") if part) or "event"
    return f"{namespace}.{word}"[:MAX_TYPE_CHARACTERS].rstrip("_")


def names(*texts: object) -> tuple[str, ...]:
    """Return the texts that can be external ids, each once, in order; numbers are taken as digits. Longer ones are dropped."""
    found: Iterable[str] = (str(text).strip() for text in texts if isinstance(text, str | int) and not isinstance(text, bool))
    return tuple(dict.fromkeys(text for text in found if text and len(text) <= MAX_EXTERNAL_ID))


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value of JSON is a number that a measure can have; booleans are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST
