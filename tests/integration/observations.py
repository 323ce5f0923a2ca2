"""What learners' clients may send in a test of merging, and the state that must come of it, computed second by second.

Nothing here uses the code under test.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import strategies as st

from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree
from tests.world import NOON

NOW = NOON // 1000
MIDNIGHT = NOW - 12 * 3600
LONGEST, INTERVAL, TRAVEL = 4 * 3600, 30, 122
LEARNERS = 3
SHORT_COURSE = (Completion(Rule.VIEWED), Completion(Rule.TIME, 120))
Reached = dict[tuple[int, int, int | None], tuple[int, int, str]]
"""Study time in milliseconds, percent in hundredths and status by (learner, course, unit); unit None for the course."""


class Sample(NamedTuple):
    """One event or heartbeat: who sent it, where it belongs by position, and its other fields; times in seconds."""

    learner: int
    course: int
    unit: int | None
    fields: dict[str, Any]

    @property
    def claim(self) -> range:
        """The seconds of study that it claims."""
        is_heartbeat = self.fields["activity_type"] == "heartbeat"
        length, end = self._heartbeat() if is_heartbeat else self._event()
        sent_at, latest = self.fields.get("sent_at") or NOW, NOW
        if abs(NOW - sent_at) > TRAVEL:
            end += NOW - sent_at
        else:
            latest = max(NOW, sent_at)
        end = min(end, latest)
        return range(end - length, end)

    def _heartbeat(self) -> tuple[int, int]:
        get = self.fields.get
        length = INTERVAL if get("active_seconds") is None else min(self.fields["active_seconds"], 2 * INTERVAL)
        return (length if get("is_active") else 0), get("timestamp") or get("sent_at") or NOW

    def _event(self) -> tuple[int, int]:
        get = self.fields.get
        start, end, duration = get("start_time"), get("end_time"), get("duration_seconds")
        if start is not None and end is not None:
            return min(duration or LONGEST, end - start, LONGEST), end
        length = min(duration or 0, LONGEST)
        return length, end or (start + length if start is not None else get("sent_at") or NOW)


TIMES = ("start_time", "end_time", "sent_at", "timestamp")
moments = st.one_of(
    st.integers(MIDNIGHT - 300, MIDNIGHT + 300), st.integers(NOW - 300, NOW + 300), st.integers(NOW - 40_000, NOW)
)
durations = st.integers(1, 240) | st.integers(1, 20_000)
skews = st.none() | st.sampled_from([NOW, NOW - 90, NOW + 90, NOW - 86_400])
shares = st.sampled_from([-0.0, 0, 12.34, 40, 79.99, 80, 94.99, 95, 100])
metrics = st.fixed_dictionaries(
    {}, optional={"scroll_depth": shares, "video_watch_percentage": shares, "interaction_count": st.integers(0, 9)}
)
segments = st.tuples(st.integers(0, 110), st.integers(1, 60)).map(lambda drawn: [drawn[0], sum(drawn)])
videos = st.fixed_dictionaries(
    {"video_segments": st.lists(segments, max_size=4)}, optional={"video_duration_seconds": st.sampled_from([80, 100, 100])}
)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(st.none() | moments)
    end = draw(st.none() | (moments if start is None else durations.map(lambda length: start + length)))
    given: dict[str, Any] = {"activity_type": draw(st.sampled_from(["unit_view", "unit_complete", "search", "quiz_submit"]))}
    if given["activity_type"] == "quiz_submit":
        given["metadata"] = {"score": draw(st.integers(0, 8)), "max_score": 8}
    optional = {
        "start_time": start,
        "end_time": end,
        "duration_seconds": draw(st.none() | durations),
        "sent_at": draw(skews),
        "engagement_metrics": draw(st.none() | metrics | st.builds(lambda told, video: told | video, metrics, videos)),
    }
    return given | {name: value for name, value in optional.items() if value is not None}


heartbeats = st.fixed_dictionaries(
    {"activity_type": st.just("heartbeat"), "is_active": st.sampled_from([True, True, True, False])},
    optional={"active_seconds": st.sampled_from([0, 7, 45, 60, 61, 500]), "timestamp": moments, "sent_at": skews},
)


@st.composite
def samples(draw: st.DrawFn) -> list[Sample]:
    """Some events and heartbeats of some learners in both courses, within units and without."""
    sent = []
    for number in range(draw(st.integers(1, 14))):
        course = draw(st.integers(0, 1))
        unit = draw(st.none() | st.integers(0, 6 if course == 0 else 2))
        fields = draw(events() | heartbeats) | {"event_id": f"event-{number}"}
        sent.append(Sample(draw(st.integers(0, LEARNERS - 1)), course, unit, fields))
    return sent


@st.composite
def replays(draw: st.DrawFn) -> tuple[list[Sample], list[list[Sample]]]:
    """What is sent, and the same in any order, some of it again, cut into groups that are written together."""
    sent = draw(samples())
    shuffled = draw(st.permutations([*sent, *draw(st.lists(st.sampled_from(sent), max_size=8))]))
    cuts = draw(st.lists(st.booleans(), min_size=len(shuffled), max_size=len(shuffled)))
    groups: list[list[Sample]] = [[]]
    for each, is_cut in zip(shuffled, cuts, strict=True):
        if is_cut:
            groups.append([])
        groups[-1].append(each)
    return sent, [group for group in groups if group]


def expected(sent: Sequence[Sample], courses: Sequence[CourseTree]) -> Reached:
    """Compute what must be reached from what was sent."""
    steps = [each for each in sent if each.fields.get("is_active", True)]
    reached: Reached = {}
    for learner in range(LEARNERS):
        for number, course in enumerate(courses):
            own = [each for each in steps if (each.learner, each.course) == (learner, number)]
            percents = {}
            for unit, described in enumerate(course.units):
                here = [each for each in own if each.unit == unit]
                seconds = len({second for each in here for second in each.claim})
                percents[unit] = percent_by_rule(described.completion, here, seconds)
                if here:
                    status = "COMPLETED" if percents[unit] == 10_000 else "IN_PROGRESS"
                    reached[learner, number, unit] = (seconds * 1000, percents[unit], status)
            required = [percents[unit] for unit, described in enumerate(course.units) if described.is_required]
            seconds = len({second for each in own for second in each.claim})
            status = "ENROLLED" if not own else "COMPLETED" if min(required) == 10_000 else "IN_PROGRESS"
            reached[learner, number, None] = (seconds * 1000, sum(required) // len(required), status)
    return reached


def percent_by_rule(completion: Completion, sent: Sequence[Sample], seconds: int) -> int:
    """Compute a unit's percent in hundredths: all or nothing, or the share reached of the threshold, cut."""
    kinds = {each.fields["activity_type"] for each in sent}
    if completion.rule in {Rule.MANUAL, Rule.VIEWED}:
        return 10_000 if ("unit_complete" if completion.rule is Rule.MANUAL else "unit_view") in kinds else 0
    told = [each.fields.get("engagement_metrics") or {} for each in sent]
    reached: list[Any] = {
        Rule.TIME: [seconds],
        Rule.SCROLL: [each.get("scroll_depth", 0) for each in told],
        Rule.VIDEO: [each.get("video_watch_percentage", 0) for each in told] + [percent_of_segments(told)],
        Rule.QUIZ: [each.fields["metadata"]["score"] * 100 / 8 for each in sent if "metadata" in each.fields],
    }[completion.rule]
    best = max((Fraction(str(value)) for value in reached), default=Fraction(0))
    return min(10_000, int(best * 10_000 / Fraction(str(completion.threshold))))


def percent_of_segments(told: Sequence[dict[str, Any]]) -> Fraction:
    """Compute how much of a video was played: in steps of an eightieth and of a hundredth of it, which 400 parts have both."""
    parts: set[int] = set()
    for each in told:
        duration = each.get("video_duration_seconds")
        for start, end in each.get("video_segments", ()) if duration else ():
            parts.update(range(start * 400 // duration, min(end * 400 // duration, 400)))
    return Fraction(len(parts), 4)
