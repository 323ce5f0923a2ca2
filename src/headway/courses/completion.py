"""When a unit counts as done: completion rules, the evidence that a learner's events leave for them, and what is missing.

A percent is a whole number of hundredths of a percent, 0 to 10,000, so that means can be cut exactly.
"""

import math
from enum import StrEnum
from typing import TypeAlias, TypeVar

import msgspec

from headway.courses.video import Playback
from headway.instants import SECOND, Instant, Milliseconds
from headway.measures import reaches

Percent: TypeAlias = int
COMPLETE: Percent = 10_000


class Rule(StrEnum):
    """What completes a unit."""

    MANUAL = "manual"
    VIEWED = "viewed"
    TIME = "time"
    SCROLL = "scroll"
    VIDEO = "video"
    QUIZ = "quiz"


DEFAULT_THRESHOLD: dict[Rule, float] = {Rule.VIDEO: 95.0}
"""Thresholds of rules that do not need one from the author; the video figure is Open edX's."""

LARGEST_THRESHOLD: dict[Rule, float] = {Rule.TIME: 31_536_000.0, Rule.SCROLL: 100.0, Rule.VIDEO: 100.0, Rule.QUIZ: 100.0}
"""Seconds of study for `time`, a percent for the others. `manual` and `viewed` have no threshold."""


class Completion(msgspec.Struct, frozen=True):
    """A unit's rule with its threshold: seconds for `time`, percent for `scroll`, `video` and `quiz`."""

    rule: Rule = Rule.MANUAL
    threshold: float | None = None


class Declaration(msgspec.Struct, frozen=True):
    """Who declared how far a learner is in a unit, and when."""

    user_id: int
    at: Instant


class EngagementMetrics(msgspec.Struct, frozen=True, omit_defaults=True):
    """The largest value seen of each metric; the share of a video is at least that of the segments that were played."""

    scroll_depth: float | None = None
    video_watch_percentage: float | None = None
    interaction_count: int | None = None


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a learner's work in a unit, each part merged by maximum or union, in any order.

    It is what progress metadata holds on the wire and in storage; an empty one is `{}`.
    """

    engagement_metrics: EngagementMetrics | None = None
    quiz_score_percent: float | None = None
    is_viewed: bool = False
    is_marked_complete: bool = False
    is_declared_complete: bool = False
    """A command declared the unit complete, which counts whatever the rule; events cannot say so."""
    declared_percent: Percent | None = None
    """What a command declared to be reached, whatever the rule."""
    reported_seconds: int | None = None
    """How long a client says that the learner took; no study time, for nobody measured it."""
    declaration: Declaration | None = None
    """Of several declarations the one that reaches furthest, and of equal ones the earliest."""
    video: Playback | None = None
    outside_ms: Milliseconds | None = None
    """Study outside of the times of the unit, which does not count for it; None without any."""

    @property
    def declared(self) -> Percent | None:
        """The percent that was declared, COMPLETE where the unit was declared complete; None without a declaration."""
        return COMPLETE if self.is_declared_complete else self.declared_percent

    def merge(self, other: "Evidence") -> "Evidence":
        """Keep the larger of each part, and the union of what was played. Merge each once: what both have was replayed."""
        if other == self and self.video is None:
            return self
        video = self.video.merge(other.video) if self.video and other.video else self.video or other.video
        metrics = _merge_metrics(self.engagement_metrics, other.engagement_metrics)
        return Evidence(
            engagement_metrics=metrics if video is None else count_played(metrics, video),
            quiz_score_percent=_larger(self.quiz_score_percent, other.quiz_score_percent),
            is_viewed=self.is_viewed or other.is_viewed,
            is_marked_complete=self.is_marked_complete or other.is_marked_complete,
            is_declared_complete=self.is_declared_complete or other.is_declared_complete,
            declared_percent=_larger(self.declared_percent, other.declared_percent),
            reported_seconds=_larger(self.reported_seconds, other.reported_seconds),
            declaration=_furthest(self, other) if self.declaration or other.declaration else None,
            video=video,
            outside_ms=_larger(self.outside_ms, other.outside_ms),
        )

    def with_outside(self, outside: Milliseconds) -> "Evidence":
        """Return the evidence with another length of study outside of the times of the unit."""
        return self if outside == (self.outside_ms or 0) else msgspec.structs.replace(self, outside_ms=outside or None)

    def counted(self, studied: Milliseconds) -> Milliseconds:
        """Return how much of the study in the unit counts for it."""
        return studied - (self.outside_ms or 0)


NO_EVIDENCE = Evidence()
_NO_METRICS = EngagementMetrics()
_encode = msgspec.json.Encoder().encode

decode_evidence = msgspec.json.Decoder(Evidence).decode
"""Read evidence from JSON."""


def encode_evidence(evidence: Evidence) -> str:
    """Return evidence as JSON: the text of a `metadata` column."""
    return _encode(evidence).decode()


def count_played(metrics: EngagementMetrics | None, video: Playback) -> EngagementMetrics:
    """Return metrics whose share of the video is the reported one, or that of what was played if it is larger."""
    by_segments = EngagementMetrics(video_watch_percentage=video.watched / 100)
    return _merge_metrics(metrics, by_segments) or by_segments


def percent_of_unit(completion: Completion, evidence: Evidence, studied: Milliseconds) -> Percent:
    """Return how much of a unit's threshold is reached, or was declared to be; 10,000 completes it."""
    return max(percent_by_rule(completion, evidence, studied), evidence.declared_percent or 0)


def percent_by_rule(completion: Completion, evidence: Evidence, studied: Milliseconds) -> Percent:
    """Return how much of a unit's threshold is reached, whatever was declared; 10,000 meets the rule."""
    metrics, threshold = evidence.engagement_metrics or _NO_METRICS, completion.threshold
    match completion.rule:
        case Rule.MANUAL:
            return COMPLETE if evidence.is_marked_complete else 0
        case Rule.VIEWED:
            return COMPLETE if evidence.is_viewed else 0
        case Rule.TIME:
            return _share(studied / SECOND, threshold)
        case Rule.SCROLL:
            return _share(metrics.scroll_depth, threshold)
        case Rule.VIDEO:
            return _share(metrics.video_watch_percentage, threshold)
        case Rule.QUIZ:
            return _share(evidence.quiz_score_percent, threshold)


def missing_for(completion: Completion, evidence: Evidence, studied: Milliseconds) -> str:
    """Return what has to be added to the evidence to meet a rule that it does not meet, rounded up."""
    metrics, threshold = evidence.engagement_metrics or _NO_METRICS, completion.threshold or 0
    match completion.rule:
        case Rule.MANUAL:
            return "marking the unit complete"
        case Rule.VIEWED:
            return "viewing the unit"
        case Rule.TIME:
            return f"{_more_seconds((threshold * SECOND - studied) / SECOND)} of study"
        case Rule.SCROLL:
            return f"{_difference(threshold, metrics.scroll_depth)} more percent of scroll depth"
        case Rule.VIDEO:
            percent = _difference(threshold, metrics.video_watch_percentage)
            how_long = f" ({_more_seconds(evidence.video.duration_seconds * float(percent) / 100)})" if evidence.video else ""
            return f"{percent} more percent of the video{how_long}"
        case Rule.QUIZ:
            return f"{_difference(threshold, evidence.quiz_score_percent)} more percent of the quiz score"


def percent_of_course(sum_of_required: int, required_units: int) -> Percent:
    """Cut the mean of the required units' percents; a course without required units stays at 0."""
    return sum_of_required // required_units if required_units else 0


def _share(reached: float | None, threshold: float | None) -> Percent:
    if reached is None or threshold is None:
        return 0
    if reaches(reached, threshold):
        return COMPLETE
    # Cut, but do not let the last bit of a binary fraction cost a hundredth.
    return min(math.floor(reached * COMPLETE / threshold + 1e-6), COMPLETE - 1)


def _more_seconds(seconds: float) -> str:
    whole = max(math.ceil(seconds), 1)
    return f"{whole} more {'second' if whole == 1 else 'seconds'}"


def _difference(threshold: float, reached: float | None) -> str:
    # Up to hundredths, but do not let the last bit of a binary fraction cost one.
    hundredths = max(math.ceil((threshold - (reached or 0)) * 100 - 1e-6), 1)
    return f"{hundredths / 100:.2f}".rstrip("0").rstrip(".")


def _merge_metrics(mine: EngagementMetrics | None, theirs: EngagementMetrics | None) -> EngagementMetrics | None:
    if mine is None or theirs is None:
        return mine or theirs
    return EngagementMetrics(
        scroll_depth=_larger(mine.scroll_depth, theirs.scroll_depth),
        video_watch_percentage=_larger(mine.video_watch_percentage, theirs.video_watch_percentage),
        interaction_count=_larger(mine.interaction_count, theirs.interaction_count),
    )


def _furthest(mine: Evidence, theirs: Evidence) -> Declaration | None:
    if mine.declaration is None or theirs.declaration is None:
        return mine.declaration or theirs.declaration
    first = (-(mine.declared or 0), mine.declaration.at, mine.declaration.user_id)
    second = (-(theirs.declared or 0), theirs.declaration.at, theirs.declaration.user_id)
    return mine.declaration if first <= second else theirs.declaration


_Number = TypeVar("_Number", int, float)


def _larger(a: _Number | None, b: _Number | None) -> _Number | None:
    if a is None or (b is not None and b > a):
        return b
    return a
