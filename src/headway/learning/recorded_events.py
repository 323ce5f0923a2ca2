"""What follows from a recorded event, computed from its row alone: how it is placed in time, and the evidence it leaves."""

from collections.abc import Iterator
from typing import Any

import msgspec

from headway.courses.completion import EngagementMetrics, Evidence, count_played
from headway.courses.video import Playback, played
from headway.db.database import Row
from headway.instants import SECOND, Milliseconds
from headway.learning.model import ActivityType, is_view
from headway.learning.study_time import StudyTimeSettings, Timing, Transit, time_event
from headway.measures import score_percent

_UNLIMITED: Milliseconds = 2**63


def mistimed(row: Row) -> Iterator[tuple[str, Any]]:
    """Time an event again by what the client sent; yield each column that says otherwise, with its right value."""
    if row["clock_offset_ms"] is not None and row["sent_at"] is None:
        yield "clock_offset_ms", None
    claimed, timing = row["claimed_ms"], _timing_of(row, _UNLIMITED)
    if 0 < claimed < timing.claimed and claimed % SECOND == 0:
        # Cut to the longest claim: a setting in whole seconds, which may have been another one at the time.
        timing = _timing_of(row, claimed)
    if claimed != timing.claimed:
        yield "claimed_ms", timing.claimed
    elif row["occurred_at"] != timing.at:
        yield "occurred_at", timing.at
    elif bool(row["is_shifted"]) != timing.is_shifted:
        yield "is_shifted", timing.is_shifted


def evidence_of(row: Row) -> Evidence:
    """Return the evidence that an event leaves."""
    activity, video = row["activity_type"], _played(row)
    told = EngagementMetrics(row["scroll_depth"], row["video_watch_percentage"], row["interaction_count"])
    metrics = None if told == EngagementMetrics() else told
    return Evidence(
        engagement_metrics=metrics if video is None else count_played(metrics, video),
        quiz_score_percent=_quiz_score(row["metadata"]) if activity == ActivityType.QUIZ_SUBMIT else None,
        is_viewed=is_view(activity),
        is_marked_complete=activity == ActivityType.UNIT_COMPLETE,
        video=video,
    )


def _played(row: Row) -> Playback | None:
    if row["unit_id"] is None:
        return None
    try:
        return played(row["video_segments"], row["video_duration_seconds"])
    except msgspec.DecodeError:
        return None


def _timing_of(row: Row, longest_claim: Milliseconds) -> Timing:
    duration = row["duration_seconds"]
    # How far ahead a clock might be is a setting, which may have been another one at the time.
    longest_travel = 0 if row["occurred_at"] == row["received_at"] else _UNLIMITED
    return time_event(
        start=row["start_time"],
        end=row["end_time"],
        duration=None if duration is None else int(min(duration * SECOND, longest_claim)),
        transit=Transit(row["sent_at"], row["received_at"], row["clock_offset_ms"] or 0),
        settings=StudyTimeSettings(longest_claim=longest_claim, longest_travel=longest_travel),
    )


class _Quiz(msgspec.Struct):
    score: float | None = None
    max_score: float | None = None


def _quiz_score(metadata: str | None) -> float | None:
    try:
        quiz = msgspec.json.decode(metadata or "{}", type=_Quiz)
    except msgspec.DecodeError:
        return None
    return None if quiz.score is None or quiz.max_score is None else score_percent(quiz.score, quiz.max_score)
