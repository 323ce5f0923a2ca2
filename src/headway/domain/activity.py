"""What learners' clients report: events, which are kept for ever, and heartbeats, which only vouch for study time."""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from headway.domain.completion import NO_EVIDENCE, EngagementMetrics, Evidence
from headway.domain.errors import FieldError
from headway.domain.instants import Instant, Milliseconds


class ActivityType(StrEnum):
    """The things a learner can do."""

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


class Event(msgspec.Struct, frozen=True):
    """One thing a learner did. Times are as the client gave them; `metadata` is canonical JSON text of an object."""

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

    @property
    def evidence(self) -> Evidence:
        """What this event says about its unit."""
        return Evidence(
            engagement_metrics=self.metrics,
            quiz_score_percent=self.quiz_score_percent,
            is_viewed=self.activity_type is ActivityType.UNIT_VIEW,
            is_marked_complete=self.activity_type is ActivityType.UNIT_COMPLETE,
        )


class Heartbeat(msgspec.Struct, frozen=True):
    """A sign that a learner is still here; it leaves no row of its own."""

    course_id: int
    is_active: bool
    module_id: int | None = None
    unit_id: int | None = None
    timestamp: Instant | None = None
    active: Milliseconds | None = None
    sent_at: Instant | None = None
    event_id: str | None = None
    """Only echoed: merging a heartbeat twice changes nothing, so none is needed to tell a repetition."""

    @property
    def evidence(self) -> Evidence:
        """A heartbeat says nothing but that time was spent."""
        return NO_EVIDENCE


Observation: TypeAlias = Event | Heartbeat


class Report(msgspec.Struct, frozen=True):
    """What one request of one learner brings; its observations get their verdicts in the same order."""

    user_id: int
    received_at: Instant
    observations: tuple[Observation, ...]
    size_bytes: int = 0
    """How large the request's body was."""


class Outcome(StrEnum):
    """What became of one observation."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


class Verdict(msgspec.Struct, frozen=True):
    """The outcome for one observation. A rejection has errors; `is_forbidden` marks one for want of access."""

    outcome: Outcome
    event_id: str | None = None
    errors: tuple[FieldError, ...] = ()
    is_forbidden: bool = False
