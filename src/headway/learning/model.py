"""What clients report of learners: events, which are kept for ever, heartbeats, which only vouch for study time, and updates,
which declare how far a learner is in a unit.
"""

import re
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, TypeAlias

import msgspec

from headway.audit.model import Actor
from headway.courses.completion import COMPLETE, NO_EVIDENCE, Declaration, EngagementMetrics, Evidence, Percent, count_played
from headway.courses.external_ids import ExternalIds
from headway.courses.video import Playback
from headway.errors import FieldError
from headway.identity import Client
from headway.instants import MINUTE, Instant, Milliseconds
from headway.learning.unit_progress import UnitProgress, UnitStatus
from headway.text import canonical_json, nfc

MAX_TYPE_LENGTH = 100
OPEN_TYPE_PATTERN = r"^[a-z][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)+$"
"""A word with a namespace, such as `x.page_print`: what Headway does not know, but stores and counts as activity."""
_OPEN_TYPE = re.compile(OPEN_TYPE_PATTERN)


class ActivityType(StrEnum):
    """The types that Headway knows, and any other with a namespace: `ActivityType("x.page_print")` is of this type too."""

    COURSE_VIEW = "course_view"
    MODULE_VIEW = "module_view"
    UNIT_VIEW = "unit_view"
    UNIT_COMPLETE = "unit_complete"
    VIDEO_PLAY = "video_play"
    VIDEO_PAUSE = "video_pause"
    VIDEO_SEEK = "video_seek"
    VIDEO_PROGRESS = "video_progress"
    VIDEO_COMPLETE = "video_complete"
    QUIZ_START = "quiz_start"
    QUIZ_SUBMIT = "quiz_submit"
    ASSESSMENT_START = "assessment_start"
    ASSESSMENT_SUBMIT = "assessment_submit"
    RESOURCE_DOWNLOAD = "resource_download"
    LINK_CLICK = "link_click"
    DISCUSSION_VIEW = "discussion_view"
    DISCUSSION_POST = "discussion_post"
    NOTE_CREATE = "note_create"
    SEARCH = "search"
    SESSION_START = "session_start"
    SESSION_END = "session_end"

    @classmethod
    def _missing_(cls, value: object) -> "ActivityType | None":
        # Not kept: clients decide how many there are.
        if not isinstance(value, str) or len(value) > MAX_TYPE_LENGTH or _OPEN_TYPE.fullmatch(value) is None:
            return None
        made = str.__new__(cls, value)
        made._name_ = made._value_ = value
        return made


def is_view(activity_type: str) -> bool:
    """Return whether an event of this type views its unit: `unit_view`, and every open type."""
    return activity_type == ActivityType.UNIT_VIEW or "." in activity_type


_NO_METRICS = EngagementMetrics()


class EventContent(NamedTuple):
    """All of an event that a repetition must have in common with it; the fields are named as the columns are."""

    activity_type: str
    course_id: int
    module_id: int | None
    unit_id: int | None
    duration_seconds: float | None
    scroll_depth: float | None
    video_watch_percentage: float | None
    interaction_count: int | None
    start_time: Instant | None
    end_time: Instant | None
    session_id: str | None
    metadata: str | None
    video_segments: str | None = None
    video_duration_seconds: float | None = None

    def repeats(self, stored: "EventContent | None", *, names_module: bool) -> bool:
        """Return whether this is the content of a stored event.

        A module that the client did not name follows from the unit, which may have been in another one at the time. Texts that
        were stored as clients wrote them are compared in their canonical form.
        """
        if stored is None:
            return False
        if not names_module:
            stored = stored._replace(module_id=self.module_id)
        return self == stored or self == in_canonical_form(stored)


def in_canonical_form(content: EventContent) -> EventContent:
    """Return a content with its texts in the form in which they are compared."""
    return content._replace(
        session_id=None if content.session_id is None else nfc(content.session_id),
        metadata=None if content.metadata is None else canonical_json(msgspec.json.decode(content.metadata)),
    )


class Event(msgspec.Struct, frozen=True):
    """One thing a learner did. Times are as the client gave them; `metadata` is canonical JSON text of an object, and
    `video_segments` of pairs of seconds.
    """

    event_id: str
    activity_type: ActivityType
    course_id: int
    module_id: int | None = None
    unit_id: int | None = None
    duration_seconds: float | None = None
    metrics: EngagementMetrics | None = None
    start_time: Instant | None = None
    end_time: Instant | None = None
    session_id: str | None = None
    sent_at: Instant | None = None
    metadata: str | None = None
    quiz_score_percent: float | None = None
    """The score in `metadata` of a `quiz_submit` that has one."""
    video_segments: str | None = None
    video_duration_seconds: float | None = None
    names: ExternalIds | None = None
    """The external ids that stand in place of ids, or beside them."""
    playback: Playback | None = None
    """What `video_segments` are of the video of the unit, if there is a unit: without one it is kept nowhere."""

    @property
    def evidence(self) -> Evidence:
        """What this event says about its unit."""
        return Evidence(
            engagement_metrics=self.metrics if self.playback is None else count_played(self.metrics, self.playback),
            quiz_score_percent=self.quiz_score_percent,
            is_viewed=is_view(self.activity_type),
            is_marked_complete=self.activity_type is ActivityType.UNIT_COMPLETE,
            video=self.playback,
        )

    def content(self, module_id: int | None) -> EventContent:
        """Return the event's content, with the module that the client named or the unit implies."""
        metrics = self.metrics or _NO_METRICS
        return EventContent(
            self.activity_type.value,
            self.course_id,
            module_id,
            self.unit_id,
            self.duration_seconds,
            metrics.scroll_depth,
            metrics.video_watch_percentage,
            metrics.interaction_count,
            self.start_time,
            self.end_time,
            self.session_id,
            self.metadata,
            self.video_segments,
            self.video_duration_seconds,
        )


class Heartbeat(msgspec.Struct, frozen=True):
    """A sign that a learner is still here; it leaves no row of its own."""

    course_id: int
    is_active: bool
    module_id: int | None = None
    unit_id: int | None = None
    timestamp: Instant | None = None
    active: Milliseconds | None = None
    session_id: str | None = None
    sent_at: Instant | None = None
    event_id: str | None = None
    """Only echoed: merging a heartbeat twice changes nothing, so none is needed to tell a repetition."""
    names: ExternalIds | None = None

    @property
    def evidence(self) -> Evidence:
        """A heartbeat says nothing but that time was spent."""
        return NO_EVIDENCE


class Update(msgspec.Struct, frozen=True):
    """A client's word on how far a learner is in a unit: a command, which is refused where the unit is locked.

    It leaves no row of its own: what it says merges with what is known by maximum, `metadata` key by key.
    """

    course_id: int
    unit_id: int
    status: UnitStatus | None = None
    percent: Percent | None = None
    duration_seconds: int | None = None
    metadata: dict[str, Any] | None = None
    module_id: ClassVar[None] = None
    event_id: ClassVar[None] = None
    session_id: ClassVar[None] = None
    sent_at: ClassVar[None] = None
    names: ClassVar[None] = None

    @property
    def is_start(self) -> bool:
        """Whether this says that the learner has begun."""
        return self.status is not UnitStatus.NOT_STARTED or bool(self.percent or self.duration_seconds)

    def declare(self, declaration: Declaration) -> Evidence:
        """Return what this says about its unit: COMPLETED is 100 percent unless another one is named, and counts in full."""
        is_complete = self.status is UnitStatus.COMPLETED
        percent = COMPLETE if is_complete and self.percent is None else self.percent
        return Evidence(
            is_declared_complete=is_complete,
            declared_percent=percent,
            reported_seconds=self.duration_seconds,
            declaration=None if percent is None else declaration,
        )


Observation: TypeAlias = Event | Heartbeat | Update


class Report(msgspec.Struct, frozen=True):
    """What one request of one learner brings; its observations get their verdicts in the same order."""

    user_id: int
    received_at: Instant
    observations: tuple[Observation, ...]
    size_bytes: int = 0
    """How large the request's body was."""
    caller_id: int | None = None
    """Who reports, where that is somebody else than the learner."""
    actor: Actor | None = None
    """The same, for the audit log; an update without one is the learner's own."""
    client: Client | None = None
    key_id: int | None = None

    @property
    def declaration(self) -> Declaration:
        """Return who declares what the updates of this report say, and when."""
        return Declaration(self.user_id if self.caller_id is None else self.caller_id, self.received_at)


class Outcome(StrEnum):
    """What became of one observation."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


class Refusal(StrEnum):
    """Why an observation is not recorded, where it could be read."""

    UNKNOWN = "unknown"
    """There is no such course, module or unit, or they do not belong together."""
    FORBIDDEN = "forbidden"
    LOCKED = "locked"
    """By the units before it."""
    OUTSIDE = "outside"
    """The unit has yet to open, or has closed."""
    TOO_LARGE = "too large"


class Verdict(msgspec.Struct, frozen=True):
    """The outcome for one observation. A rejection has errors; an update that is accepted has the progress it led to."""

    outcome: Outcome
    event_id: str | None = None
    errors: tuple[FieldError, ...] = ()
    refusal: Refusal | None = None
    progress: UnitProgress | None = None


HERE_WITHIN = 5 * MINUTE
"""Who was active so recently is here, and who pauses for less has been here all the time."""


def has_returned(last_at: Instant | None, at: Instant | None) -> bool:
    """Return whether an activity comes after a pause in which the learner was not here, or is the first one."""
    return at is not None and (last_at is None or at - last_at >= HERE_WITHIN)
