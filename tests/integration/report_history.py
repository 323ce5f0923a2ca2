"""A random history of a course, recorded in random order, and what reports must say of it, from plain rows.

What is expected is computed from events, study days and unit progress, without what enrollments keep for reports.
"""

import json
import random
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from statistics import quantiles
from typing import Any

from sqlalchemy import text

from headway.courses.completion import Completion, EngagementMetrics, Rule
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.courses.video import encode_segments, played
from headway.identity import Caller, Role
from headway.instants import DAY, HOUR, SECOND
from headway.learning.model import ActivityType, Event, Heartbeat, Observation, Report, Update
from headway.learning.unit_progress import UnitStatus
from headway.measures import score_percent
from tests.world import World

FILM_SECONDS = 100
RULES = (
    *(Completion(Rule.VIEWED), Completion(Rule.VIDEO, 90), Completion(Rule.QUIZ, 60)),
    *(Completion(Rule.SCROLL, 80), Completion(Rule.VIEWED), Completion(Rule.MANUAL)),
)
EPOCH = date(1970, 1, 1)


class History:
    """A course with a history."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.draw = random.Random(seed)
        self.learners: list[int] = []
        self.course: CourseTree
        self.staff: Caller

    async def build(self, learners: int = 12) -> "History":
        """Make the course: three modules of two units, the last of which has an optional one besides."""
        owner = await self.world.user(Role.INSTRUCTOR)
        self.staff = Caller(owner.id, Role.INSTRUCTOR)
        pairs = [tuple(NewUnit(f"Unit {n}", completion=RULES[n]) for n in (first, first + 1)) for first in (0, 2, 4)]
        pairs[2] += (NewUnit("Extra", is_required=False, completion=Completion(Rule.VIEWED)),)
        new = NewCourse("Course", modules=tuple(NewModule(f"Module {n}", units=units) for n, units in enumerate(pairs)))
        self.course = await self.world.write(self.world.services.course_editing.create, new, owner_id=owner.id)
        self.learners = [(await self.world.learner(self.course)).id for _ in range(learners)]
        return self

    async def record(self, steps: int = 200, *, leavers: int = 2) -> None:
        """Record what learners do on a hundred days in random order and groups; then some leave."""
        reports = [self._report(number) for number in range(steps)]
        reports += self.draw.sample(reports, 20)
        self.draw.shuffle(reports)
        for first in range(0, len(reports), 7):
            group = reports[first : first + 7]
            await self.world.write(self.world.services.tracking.record, group, self.world.clock())
        for learner in self.draw.sample(self.learners, leavers):
            await self.world.write(self.world.services.enrollments.leave, learner, self.course.id)

    def _report(self, number: int) -> Report:
        draw, now = self.draw, self.world.clock()
        # Some get far, some never begin.
        learner = self.learners[min(draw.randrange(len(self.learners)), len(self.learners) - 2)]
        pace = 1 + self.learners.index(learner) % 8
        unit = self.course.units[min(draw.randrange(pace), 6)]
        at = now - draw.randrange(100 * DAY) if draw.random() < 0.8 else now - draw.randrange(5 * DAY)
        return Report(learner, now, (self._observation(f"event {number}", unit.id, unit.completion.rule, at),))

    def _observation(self, name: str, unit_id: int, rule: Rule, at: int) -> Observation:
        draw, course_id = self.draw, self.course.id
        where: dict[str, Any] = {"course_id": course_id, "unit_id": unit_id}
        kind = draw.choice(["heartbeat", "update", "event", "event", "event"])
        if kind == "heartbeat":
            return Heartbeat(is_active=True, timestamp=at, active=45 * SECOND, **where)
        if kind == "update":
            return Update(
                **where, percent=draw.choice([None, 1_000, 5_000]), status=draw.choice([None, UnitStatus.NOT_STARTED])
            )
        timed: dict[str, Any] = {"end_time": at, "duration_seconds": draw.choice([None, 60, 1_900])}
        activity, told = self._event(rule)
        return Event(name, activity, **where, **timed, **told)

    def _event(self, rule: Rule) -> tuple[ActivityType, dict[str, Any]]:
        """Return what counts for a rule."""
        draw = self.draw
        match rule:
            case Rule.VIDEO:
                start = draw.randrange(80)
                parts = encode_segments([(start, start + draw.randrange(5, 60)), (0, draw.randrange(1, 30))])
                film = {"video_segments": parts, "video_duration_seconds": FILM_SECONDS}
                return ActivityType.VIDEO_PROGRESS, {**film, "playback": played(parts, FILM_SECONDS)}
            case Rule.QUIZ:
                score = draw.randrange(0, 21)
                told = {
                    "metadata": json.dumps({"max_score": 20, "score": score}),
                    "quiz_score_percent": score_percent(score, 20),
                }
                return ActivityType.QUIZ_SUBMIT, told
            case Rule.SCROLL:
                return ActivityType.LINK_CLICK, {"metrics": EngagementMetrics(scroll_depth=float(draw.randrange(101)))}
            case Rule.MANUAL:
                return ActivityType.UNIT_COMPLETE, {}
        return draw.choice([ActivityType.UNIT_VIEW, ActivityType.SEARCH]), {}

    async def rows(self, sql: str) -> list[Any]:
        """Read rows of the course by their columns' names."""
        async with self.world.database.read() as tx:
            return list(await tx.all(text(sql), course=self.course.id))


class Expected:
    """What reports must say, computed from plain rows."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.now = history.world.clock()
        self.course = history.course
        self.units = [unit for unit in self.course.units if not unit.is_retired]

    async def read(self) -> "Expected":
        rows, self.states, self.unit_rows = self.history.rows, defaultdict[int, dict[int, str]](dict), {}
        self.enrolled = {
            row["user_id"]: row
            for row in await rows(
                "SELECT user_id, status, percent, study_ms, completed_at, last_activity_at FROM enrollments"
                " WHERE course_id = :course"
            )
        }
        for row in await rows(
            "SELECT user_id, unit_id, status, percent, study_ms, last_activity_at FROM unit_progress"
            " WHERE course_id = :course AND status <> 'NOT_STARTED'"
        ):
            self.states[row["user_id"]][row["unit_id"]] = row["status"]
            self.unit_rows[row["user_id"], row["unit_id"]] = row
        self.events = await rows("SELECT * FROM learner_activity_logs WHERE course_id = :course")
        self.days = await rows("SELECT user_id, day FROM study_days WHERE course_id = :course")
        return self

    @property
    def active(self) -> int:
        today = datetime.fromtimestamp(self.now / 1000, UTC).date()
        since = datetime.combine(today - timedelta(days=6), datetime.min.time(), UTC).timestamp() * 1000
        return sum((row["last_activity_at"] or -(10**15)) >= since for row in self.enrolled.values())

    @property
    def progress(self) -> list[int]:
        counts = Counter(
            0 if row["percent"] == 0 else 6 if row["percent"] == 10_000 else 1 + row["percent"] // 2_000
            for row in self.enrolled.values()
        )
        return [counts[band] for band in range(7)]

    @property
    def weeks(self) -> list[tuple[date, int]]:
        """The active learners by Monday: by events, by days of study, and by what is known of the last activity."""
        active: defaultdict[date, set[int]] = defaultdict(set)
        seen = [(row["user_id"], row["occurred_at"] // DAY) for row in self.events]
        seen += [(row["user_id"], row["day"]) for row in self.days]
        seen += [(user, row["last_activity_at"] // DAY) for user, row in self.enrolled.items() if row["last_activity_at"]]
        seen += [(user, row["last_activity_at"] // DAY) for (user, _), row in self.unit_rows.items()]
        for user, number in seen:
            day = EPOCH + timedelta(days=number)
            active[day - timedelta(days=day.weekday())].add(user)
        today = EPOCH + timedelta(days=self.now // DAY)
        this_monday = today - timedelta(days=today.weekday())
        mondays = [this_monday - timedelta(weeks=ago) for ago in range(11, -1, -1)]
        return [(monday, len(active[monday])) for monday in mondays]

    @property
    def funnel(self) -> list[int]:
        modules = [
            {unit.id for unit in self.units if unit.module_id == module.id and unit.is_required}
            for module in self.course.modules
        ]
        stages = [required for required in modules if required]
        finished = {user for user, row in self.enrolled.items() if row["completed_at"] is not None}
        started = {user for user, row in self.enrolled.items() if row["last_activity_at"] is not None}
        steps = [len(self.enrolled), len(started)]
        through = set(started)
        for required in stages:
            done = {user for user in started if required <= self._completed(user)}
            through = {user for user in through if user in done}
            steps.append(len(through | finished))
        return [*steps, len(finished)]

    def _completed(self, user: int) -> set[int]:
        return {unit for unit, status in self.states[user].items() if status == "COMPLETED"}

    @property
    def study_times(self) -> list[int]:
        return sorted(row["study_ms"] for row in self.enrolled.values() if row["last_activity_at"] is not None)

    def counts(self, unit_id: int) -> tuple[int, int, int]:
        """Started, completed, skipped."""
        order = [unit.id for unit in self.units]
        later = set(order[order.index(unit_id) + 1 :])
        begun = [set(self.states[user]) for user in self.enrolled]
        completed = sum(unit_id in self._completed(user) for user in self.enrolled)
        return (
            sum(unit_id in each for each in begun),
            completed,
            sum(unit_id not in each and bool(later & each) for each in begun),
        )

    def stuck(self, unit_id: int) -> set[int]:
        rows = {user: row for (user, unit), row in self.unit_rows.items() if unit == unit_id}
        times = [row["study_ms"] // 1000 for row in rows.values()]
        limit = max(600, 2 * sum(times) / len(times)) * 1000 if times else 0
        return {
            user
            for user, row in rows.items()
            if row["status"] == "IN_PROGRESS"
            and self.enrolled[user]["status"] in {"ENROLLED", "IN_PROGRESS"}
            and (self.now - row["last_activity_at"] >= 168 * HOUR or row["study_ms"] > limit)
        }

    def scores(self, unit_id: int) -> list[float]:
        best: dict[int, float] = {}
        for row in self.events:
            if row["unit_id"] == unit_id and row["activity_type"] == "quiz_submit":
                told = json.loads(row["metadata"])
                best[row["user_id"]] = max(best.get(row["user_id"], 0), told["score"] / told["max_score"] * 100)
        return sorted(best.values())

    def strips(self, unit_id: int) -> list[tuple[int, int]]:
        """(watched, again) of each strip, by how often each learner's events have its middle."""
        starts = range(0, FILM_SECONDS, 12)
        counted: defaultdict[int, list[int]] = defaultdict(lambda: [0] * len(starts))
        for row in self.events:
            if row["unit_id"] == unit_id and row["video_segments"]:
                for number, start in enumerate(starts):
                    middle = (start + min(start + 12, FILM_SECONDS)) / 2
                    counted[row["user_id"]][number] += sum(a <= middle < b for a, b in json.loads(row["video_segments"]))
        by_strip = list(zip(*counted.values(), strict=True))
        return [(sum(count > 0 for count in each), sum(count > 1 for count in each)) for each in by_strip]


def inclusive_quartiles(values: list[int]) -> tuple[float, ...]:
    """Compute quartiles with the standard library, between the smallest and the largest value."""
    return (min(values), *quantiles(values, n=4, method="inclusive"), max(values)) if len(values) > 1 else tuple(values) * 5
