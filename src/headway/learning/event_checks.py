"""What an event as stored must say of itself, and the evidence that it leaves for its unit."""

from collections.abc import Iterator
from typing import Any

import msgspec

from headway.courses.completion import EngagementMetrics, Evidence
from headway.db.database import Row
from headway.instants import SECOND, Milliseconds
from headway.learning.model import ActivityType
from headway.learning.study_time import StudyTimeSettings, Timing, time_event

_UNLIMITED: Milliseconds = 2**63


def mistimed(row: Row) -> Iterator[tuple[str, Any]]:
    """Time an event again by what the client sent; yield each column that says otherwise, with its right value."""
    claimed, timing = row["claimed_ms"], _time(row, _UNLIMITED)
    if 0 < claimed < timing.claimed and claimed % SECOND == 0:
        # Cut to the longest claim: a setting in whole seconds, which may have been another one at the time.
        timing = _time(row, claimed)
    if claimed != timing.claimed:
        yield "claimed_ms", timing.claimed
    elif row["occurred_at"] != timing.at:
        yield "occurred_at", timing.at
    elif bool(row["is_shifted"]) != timing.is_shifted:
        yield "is_shifted", timing.is_shifted


def evidence_of(row: Row) -> Evidence:
    """Return the evidence that an event leaves."""
    activity = row["activity_type"]
    metrics = EngagementMetrics(row["scroll_depth"], row["video_watch_percentage"], row["interaction_count"])
    return Evidence(
        engagement_metrics=None if metrics == EngagementMetrics() else metrics,
        quiz_score_percent=_quiz_score(row["metadata"]) if activity == ActivityType.QUIZ_SUBMIT else None,
        is_viewed=activity == ActivityType.UNIT_VIEW,
        is_marked_complete=activity == ActivityType.UNIT_COMPLETE,
    )


def _time(row: Row, longest_claim: Milliseconds) -> Timing:
    duration = row["duration_seconds"]
    return time_event(
        start=row["start_time"],
        end=row["end_time"],
        duration=None if duration is None else int(min(duration * SECOND, longest_claim)),
        sent_at=row["sent_at"],
        received_at=row["received_at"],
        settings=StudyTimeSettings(longest_claim=longest_claim),
    )


class _Quiz(msgspec.Struct):
    score: float | None = None
    max_score: float | None = None


def _quiz_score(metadata: str | None) -> float | None:
    try:
        quiz = msgspec.json.decode(metadata or "{}", type=_Quiz)
    except msgspec.DecodeError:
        return None
    return quiz.score / quiz.max_score * 100 if quiz.score is not None and quiz.max_score else None
