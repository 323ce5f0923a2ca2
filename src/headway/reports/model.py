"""What staff read about a course: its overview, its units, one of them, and the grid of learners and units."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from headway.courses.completion import Percent, Rule
from headway.courses.model import Module, Unit
from headway.courses.video import Playback
from headway.enrollments.statistics import BANDS, percent_band
from headway.enrollments.status import OPEN
from headway.enrollments.traces import UnitStates, first_day, read_states, read_window, week_of
from headway.instants import DAY, MINUTE, START_OF_TIME, Day, Instant, Milliseconds
from headway.reports.distribution import SCORE_STARTS, STUDY_TIME_STARTS, Distribution, distribute
from headway.reports.path import Funnel, Path, UnitCounts, add_up, funnel, read_sum, step_of
from headway.reports.retention import Retention, retention

RECENT_DAYS = 7
"""A learner is active whose last activity was today or on the six days before, in UTC."""
WEEKS = 12
"""As many weeks are shown, the present one included."""
STUCK_DAYS = 7
"""So long without activity in a unit that was begun and is not complete. The rule STUCK of attention is about learners."""
STUCK_TIMES, STUCK_LEAST = 2, 10 * MINUTE
"""So many times the average time of the unit, and so long at least, without completing it."""


class Learners(NamedTuple):
    """All who ever enrolled in a course, by column: a hundred thousand are read and counted in a part of a second."""

    user_id: Sequence[int]
    status: Sequence[str]
    percent: Sequence[Percent]
    study_ms: Sequence[Milliseconds]
    last_activity_at: Sequence[Instant | None]
    completed_at: Sequence[Instant | None]
    active_weeks: Sequence[str]
    unit_states: Sequence[str]

    @property
    def states(self) -> Counter[UnitStates]:
        """How many have the same states of units."""
        return Counter({read_states(text): count for text, count in Counter(self.unit_states).items()})


class ProgressClass(NamedTuple):
    """How many learners have a percent of the course in a band, in hundredths."""

    percents: range
    learners: int


class ActiveWeek(NamedTuple):
    """How many learners were active in a week, Monday to Sunday in UTC."""

    monday: Day
    learners: int


class Overview(NamedTuple):
    """How a course goes. It counts everybody who ever enrolled; `left` are those whose access ended."""

    learners: int
    left: int
    active: int
    """Whose last activity was within seven days."""
    completed: int
    """Who completed the course at some time."""
    average_percent: float
    progress: list[ProgressClass]
    weeks: list[ActiveWeek]
    """The last twelve, in order; the present one is not over."""
    funnel: Funnel
    study_time: Distribution
    """In milliseconds, of those who have been active."""


def summarize(learners: Learners, path: Path, *, today: Day) -> Overview:
    """Compute the overview of a course on a day."""
    total, since = len(learners.user_id), (today - RECENT_DAYS + 1) * DAY
    bands: Counter[int] = Counter()
    for percent, count in Counter(learners.percent).items():
        bands[percent_band(percent)] += count
    times = zip(learners.study_ms, learners.last_activity_at, strict=True)
    return Overview(
        learners=total,
        left=sum(status not in OPEN for status in learners.status),
        active=sum(at is not None and at >= since for at in learners.last_activity_at),
        completed=sum(at is not None for at in learners.completed_at),
        average_percent=sum(learners.percent) / total / 100 if total else 0.0,
        progress=[ProgressClass(percents, bands[band]) for band, percents in enumerate(BANDS)],
        weeks=_count_weeks(learners.active_weeks, today),
        funnel=funnel_of(learners, path),
        study_time=distribute([time for time, at in times if at is not None], STUDY_TIME_STARTS),
    )


def _count_weeks(texts: Sequence[str], today: Day) -> list[ActiveWeek]:
    first = week_of(today) - WEEKS + 1
    counts = add_up(Counter([read_window(text, first, WEEKS) for text in texts]).items())
    return [ActiveWeek(first_day(first + number), read_sum(counts, number)) for number in range(WEEKS)]


def funnel_of(learners: Learners, path: Path) -> Funnel:
    """Return the funnel of a course."""
    standing: Counter[int] = Counter()
    left: Counter[int] = Counter()
    facts = zip(learners.unit_states, learners.last_activity_at, learners.completed_at, learners.status, strict=True)
    alike = Counter([(text, at is None, done is None, status in OPEN) for text, at, done, status in facts])
    for (text, is_idle, is_incomplete, is_open), count in alike.items():
        place = step_of(path, read_states(text), is_active=not is_idle, is_completed=not is_incomplete)
        standing[place] += count
        if not is_open:
            left[place] += count
    return funnel(path, standing, left)


class StandingLearner(NamedTuple):
    """A learner who stands at a step of the funnel."""

    user_id: int
    name: str
    has_left: bool
    percent: Percent
    last_activity_at: Instant | None


def learners_at(learners: Learners, path: Path, place: int) -> list[int]:
    """Return the positions of those who stand at a step of the funnel, who were active last first."""
    facts = zip(learners.unit_states, learners.last_activity_at, learners.completed_at, strict=True)
    found = [
        (-(START_OF_TIME if at is None else at), learners.user_id[number], number)
        for number, (text, at, done) in enumerate(facts)
        if step_of(path, read_states(text), is_active=at is not None, is_completed=done is not None) == place
    ]
    return [number for _, _, number in sorted(found)]


class UnitReport(NamedTuple):
    """A unit as learners use it."""

    unit: Unit
    module: Module
    counts: UnitCounts
    stuck: int | None
    """None where too many learners have units in progress to count them with all units of the course."""
    average_seconds: float
    """How long those who began it took on average, as course statistics say."""


def is_idle(last_activity_at: Instant | None, now: Instant) -> bool:
    """Return whether nothing has happened for a week."""
    return last_activity_at is not None and now - last_activity_at >= STUCK_DAYS * DAY


def stuck_after(average_seconds: float) -> Milliseconds:
    """Return the study time after which a learner is stuck on a unit with this average."""
    return max(STUCK_LEAST, int(STUCK_TIMES * average_seconds * 1000))


class UnitEvidence(msgspec.Struct, frozen=True):
    """What reports read of the evidence in a unit."""

    quiz_score_percent: float | None = None
    video: Playback | None = None


_decode_evidence = msgspec.json.Decoder(UnitEvidence).decode


class UnitLearners(NamedTuple):
    """All who began a unit, by column."""

    user_id: Sequence[int]
    enrollment_status: Sequence[str]
    status: Sequence[str]
    study_ms: Sequence[Milliseconds]
    last_activity_at: Sequence[Instant]
    metadata: Sequence[str]
    """JSON of `UnitEvidence` and more."""


class StuckLearner(NamedTuple):
    """A learner who is stuck on a unit."""

    user_id: int
    name: str
    study_ms: Milliseconds
    last_activity_at: Instant


class UnitDetail(NamedTuple):
    """One unit in detail."""

    report: UnitReport
    study_time: Distribution
    """In milliseconds, of those who began it."""
    scores: Distribution
    """The best scores of a quiz in percent."""
    pass_percent: float | None
    """The score that completes it; None if its rule is not that of a quiz."""
    retention: Retention | None
    """None if nobody's player told what was watched."""
    stuck: list[StuckLearner]
    """Those who are stuck, the longest study time first, up to a hundred."""


def describe_unit(report: UnitReport, learners: UnitLearners, stuck: list[StuckLearner]) -> UnitDetail:
    """Compute the details of a unit from all who began it; of those who are stuck some are named."""
    completion = report.unit.completion
    evidence = [_decode_evidence(text) for text in learners.metadata if text != "{}"]
    return UnitDetail(
        report=report,
        study_time=distribute(learners.study_ms, STUDY_TIME_STARTS),
        scores=distribute([each.quiz_score_percent for each in evidence if each.quiz_score_percent is not None], SCORE_STARTS),
        pass_percent=completion.threshold if completion.rule is Rule.QUIZ else None,
        retention=retention([each.video for each in evidence if each.video is not None]),
        stuck=stuck,
    )


class GridSort(StrEnum):
    """What the grid is sorted by."""

    NAME = "name"
    PERCENT = "percent"
    LAST_ACTIVITY = "last-activity"


class GridOrder(NamedTuple):
    """The order of the learners of a grid, and who is in it."""

    sort: GridSort = GridSort.NAME
    is_descending: bool = False
    with_left: bool = False
    """Whether those who left are in it too."""


class GridPlace(NamedTuple):
    """A place in a grid: behind the learner with a key. It stays where it is when learners move."""

    key: str | int
    user_id: int


class GridLearner(NamedTuple):
    """A learner as the grid is sorted."""

    user_id: int
    name: str
    folded_name: str
    status: str
    percent: Percent
    last_activity_at: Instant | None

    def key(self, sort: GridSort) -> str | int:
        """Return what the learner is sorted by; who was never active comes before everybody."""
        match sort:
            case GridSort.NAME:
                return self.folded_name
            case GridSort.PERCENT:
                return self.percent
            case GridSort.LAST_ACTIVITY:
                return START_OF_TIME if self.last_activity_at is None else self.last_activity_at


class GridRow(NamedTuple):
    """A learner with a cell for each unit: None where it was not begun, or else the percent that it counts, 0 to 100, cut."""

    learner: GridLearner
    cells: list[int | None]


class Grid(NamedTuple):
    """Some learners of a course, and its units."""

    units: Sequence[Unit]
    modules: dict[int, Module]
    rows: list[GridRow]
    learners: int
    """How many are in the whole grid."""
    next_place: GridPlace | None
    """Where the next page begins; None on the last one."""


def sort_learners(learners: Sequence[GridLearner], order: GridOrder, after: GridPlace | None) -> list[GridLearner]:
    """Return the learners of a grid behind a place, in order; those with equal keys by their ids."""

    def place(each: GridLearner) -> tuple[str | int, int]:
        return each.key(order.sort), each.user_id

    ordered = sorted(learners, key=place, reverse=order.is_descending)
    if after is None:
        return ordered
    if order.is_descending:
        return [each for each in ordered if place(each) < tuple(after)]
    return [each for each in ordered if place(each) > tuple(after)]
