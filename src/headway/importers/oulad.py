"""Real learners and what they did, from the Open University Learning Analytics Dataset, through the same services as HTTP.

The dataset has days, clicks and scores, but no time of day and no durations. These follow by rule, so that a repetition of the
import finds every event as it left it:

- Materials become units, grouped into one module for each `activity_type`. What is read (`oucontent`, `resource`, `subpage`,
  `url`, `page`) is required and completed when viewed; the rest (forums, glossaries, …) is optional.
- A row of interactions becomes one event: `unit_view`, in forums `discussion_view`, in quizzes `quiz_start`; `sum_click` is its
  `interaction_count`, and each click counts as half a minute of study, ten minutes a row at the most.
- A learner's day begins between 09:00 and 17:00 UTC, at a minute given by the learner's number, and its rows follow one
  another in the order of the file; a day that would run past midnight is compressed to fit.
- An event's id is made of run, learner, material, day and a count of such rows.
- Who unregistered becomes DROPPED once what was done before is recorded.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import msgspec

from headway.assessments.model import GradedResult
from headway.audit.model import Action, course_target
from headway.courses.completion import Completion, EngagementMetrics, Rule
from headway.courses.model import CourseTree, NewAssessment, NewCourse, NewModule, NewUnit
from headway.enrollments.model import OPEN
from headway.errors import Invalid
from headway.identity import Role
from headway.importers.oulad_files import Assessment, Course, Interaction, Material, OuladFolder, Registration, Result
from headway.instants import DAY, HOUR, SECOND, Instant, Milliseconds, from_datetime
from headway.learning.model import ActivityType, Event, Outcome, Report
from headway.services import Services

OWNER_EMAIL = "tutor@oulad.example"

_READ = {"oucontent", "resource", "subpage", "url", "page"}
_ACTIVITY = {"forumng": ActivityType.DISCUSSION_VIEW, "quiz": ActivityType.QUIZ_START}
_TITLES = {
    "dataplus": "Databases",
    "externalquiz": "External quizzes",
    "forumng": "Forums",
    "homepage": "Home page",
    "oucollaborate": "Live sessions",
    "oucontent": "Course texts",
    "ouwiki": "Wikis",
    "subpage": "Pages",
    "url": "Links",
}
_STARTS = {"B": (2, 1), "J": (10, 1)}
"""Month and day on which presentations begin, by the last letter of their code."""
_YEAR = re.compile("20[0-9][0-9]")
_PER_CLICK = 30 * SECOND
_MAX_ROW = 600 * SECOND
_FIRST_HOUR = 9 * HOUR
_MINUTES_OF_BEGINNING = 8 * 60
_EVENTS_AT_ONCE = 500

Advance = Callable[[int], None]
"""Called with the number of further rows that are done."""


class Summary(msgspec.Struct):
    """What an import did: how many there are, and how many of them are new."""

    courses: int = 0
    learners: int = 0
    events: int = 0
    results: int = 0
    new_courses: int = 0
    new_learners: int = 0
    new_events: int = 0
    new_results: int = 0


class _CourseRun(NamedTuple):
    """All of a course run, read and checked."""

    course: Course
    materials: list[Material]
    assessments: list[Assessment]
    registrations: list[Registration]
    interactions: list[Interaction]
    results: list[Result]

    @property
    def slug(self) -> str:
        return "oulad-" + "-".join(self.course.run).lower()

    @property
    def day_zero(self) -> Instant:
        presentation = self.course.run[1]
        month_and_day = _STARTS.get(presentation[-1:])
        if month_and_day is None or _YEAR.fullmatch(presentation[:-1]) is None:
            raise Invalid.field("courses.csv, column code_presentation", f"{presentation[:50]!r} is no year with B or J")
        return from_datetime(datetime(int(presentation[:-1]), *month_and_day, tzinfo=UTC))

    @property
    def rows(self) -> int:
        return len(self.registrations) + len(self.interactions) + len(self.results)


class OuladImport:
    """An import of a folder. All of a course run is read and checked before any of it is stored."""

    def __init__(self, folder: Path, services: Services) -> None:
        files = OuladFolder(folder)
        self._runs = [_read_run(files, course) for course in files.courses()]
        self._services = services
        self.rows = sum(run.rows for run in self._runs)

    async def run(self, advance: Advance) -> Summary:
        """Import everything that is not stored yet."""
        summary = Summary()
        for run in self._runs:
            tree = await self._course(run, summary)
            learners = await self._register(run, tree.id, summary, advance)
            await self._record(run, tree, learners, summary, advance)
            await self._unregister(run, tree.id, learners)
            await self._store_results(run, tree, learners, summary, advance)
        return summary

    async def _course(self, run: _CourseRun, summary: Summary) -> CourseTree:
        summary.courses += 1
        services = self._services
        async with services.database.write() as tx:
            tree = await services.courses.find_by_slug(tx, run.slug)
            summary.new_courses += tree is None
            if tree is None:
                owner = await services.accounts.ensure(tx, role=Role.INSTRUCTOR, name="OULAD tutor", email=OWNER_EMAIL)
                tree = await services.course_editing.create(tx, _new_course(run), owner_id=owner.id)
            # One entry for all that the run brings, before any of it.
            target, rows = course_target(tree.id, tree.course.title), {"source": "OULAD", "rows": run.rows}
            await services.audit.record_as_operator(tx, Action.IMPORT_DATA, target, metadata=rows)
        return tree

    async def _register(self, run: _CourseRun, course_id: int, summary: Summary, advance: Advance) -> dict[int, int]:
        """Enroll everybody who registered; return the user id of each student."""
        learners: dict[int, int] = {}
        for registration in run.registrations:
            student = registration.student
            async with self._services.database.write() as tx:
                user = await self._services.accounts.ensure(
                    tx, role=Role.PARTICIPANT, name=f"Learner {student}", external_id=f"oulad-{student}"
                )
                if await self._services.enrollments.find(tx, user.id, course_id) is None:
                    enrolled_at = run.day_zero + (registration.registered or 0) * DAY
                    await self._services.enrollments.enroll(tx, user.id, course_id, at=enrolled_at)
                    summary.new_learners += 1
            learners[student] = user.id
            summary.learners += 1
            advance(1)
        return learners

    async def _record(
        self, run: _CourseRun, tree: CourseTree, learners: dict[int, int], summary: Summary, advance: Advance
    ) -> None:
        now = self._services.clock()
        for group in _groups(_reports(run, tree, learners, now)):
            async with self._services.database.write() as tx:
                verdicts_of = await self._services.tracking.record(tx, group, now)
            for report, verdicts in zip(group, verdicts_of, strict=True):
                for event, verdict in zip(report.observations, verdicts, strict=True):
                    if verdict.outcome not in {Outcome.ACCEPTED, Outcome.DUPLICATE}:
                        reasons = "; ".join(f"{error.field} {error.message}" for error in verdict.errors)
                        raise Invalid.field(f"studentVle.csv, event {event.event_id}", reasons)
                    summary.new_events += verdict.outcome is Outcome.ACCEPTED
                summary.events += len(verdicts)
                advance(len(verdicts))

    async def _unregister(self, run: _CourseRun, course_id: int, learners: dict[int, int]) -> None:
        for registration in run.registrations:
            if registration.unregistered is not None:
                user_id = learners[registration.student]
                async with self._services.database.write() as tx:
                    found = await self._services.enrollments.find(tx, user_id, course_id)
                    if found is not None and found.status in OPEN:
                        await self._services.enrollments.leave(tx, user_id, course_id)

    async def _store_results(
        self, run: _CourseRun, tree: CourseTree, learners: dict[int, int], summary: Summary, advance: Advance
    ) -> None:
        ids = {theirs.id: ours.id for theirs, ours in zip(run.assessments, tree.assessments, strict=True)}
        results = [
            GradedResult(
                user_id=learners[result.student],
                submission_id=f"oulad-{result.assessment}-{result.student}",
                assessment_id=ids[result.assessment],
                grade=result.score,
                submitted_at=run.day_zero + result.day * DAY,
            )
            for result in run.results
        ]
        async with self._services.database.write() as tx:
            summary.new_results += await self._services.assessments.store_results(tx, results)
        summary.results += len(results)
        advance(len(results))


def _read_run(files: OuladFolder, course: Course) -> _CourseRun:
    assessments = files.assessments(course.run)
    run = _CourseRun(
        course=course,
        materials=files.materials(course.run),
        assessments=assessments,
        registrations=files.registrations(course.run),
        interactions=files.interactions(course.run),
        results=files.results({assessment.id for assessment in assessments}),
    )
    students = {registration.student for registration in run.registrations}
    sites = {material.site for material in run.materials}
    for interaction in run.interactions:
        if interaction.student not in students or interaction.site not in sites:
            raise Invalid.field("studentVle.csv", f"{interaction} is not of a registered learner on a known material")
    for result in run.results:
        if result.student not in students:
            raise Invalid.field("studentAssessment.csv", f"{result} is not of a registered learner")
    return run


def _new_course(run: _CourseRun) -> NewCourse:
    by_type: dict[str, list[Material]] = defaultdict(list)
    for material in run.materials:
        by_type[material.activity_type].append(material)
    code, presentation = run.course.run
    return NewCourse(
        title=f"Open University {code}, {presentation}",
        slug=run.slug,
        description="From the Open University Learning Analytics Dataset (CC BY 4.0).",
        starts_at=run.day_zero,
        ends_at=run.day_zero + run.course.length_days * DAY,
        modules=tuple(
            NewModule(_title(kind), slug=kind, units=tuple(_new_unit(each, n) for n, each in enumerate(materials, 1)))
            for kind, materials in sorted(by_type.items())
        ),
        assessments=tuple(
            NewAssessment(
                f"{each.kind} {each.id}",
                description=None if each.weight is None else f"Weight {each.weight:g} %",
                due_at=None if each.day is None else run.day_zero + (each.day + 1) * DAY,
            )
            for each in run.assessments
        ),
    )


def _new_unit(material: Material, number: int) -> NewUnit:
    is_read = material.activity_type in _READ
    return NewUnit(
        title=f"{_title(material.activity_type)} {number}",
        slug=str(material.site),
        kind=material.activity_type,
        is_required=is_read,
        completion=Completion(Rule.VIEWED if is_read else Rule.MANUAL),
    )


def _title(activity_type: str) -> str:
    return _TITLES.get(activity_type, f"{activity_type.capitalize()}s")


def _reports(run: _CourseRun, tree: CourseTree, learners: dict[int, int], now: Instant) -> Iterator[Report]:
    """Yield a report for each learner and day, in order."""
    units = {int(unit.slug or 0): unit for unit in tree.units}
    in_order = sorted(run.interactions, key=lambda each: (each.student, each.day))
    for (student, day), rows in groupby(in_order, key=lambda each: (each.student, each.day)):
        events = []
        seen: Counter[int] = Counter()
        for row, (start, end) in _timed(list(rows), run.day_zero + day * DAY):
            seen[row.site] += 1
            unit = units[row.site]
            events.append(
                Event(
                    event_id=f"{run.slug}-{student}-{row.site}-{day}-{seen[row.site]}",
                    activity_type=_ACTIVITY.get(unit.kind or "", ActivityType.UNIT_VIEW),
                    course_id=tree.id,
                    unit_id=unit.id,
                    duration_seconds=(end - start) / SECOND,
                    metrics=EngagementMetrics(interaction_count=row.clicks),
                    start_time=start,
                    end_time=end,
                )
            )
        yield Report(learners[student], now, tuple(events))


def _timed(rows: list[Interaction], midnight: Instant) -> Iterator[tuple[Interaction, tuple[Instant, Instant]]]:
    """Place a learner's rows of one day one after the other, within the day."""
    lengths: list[Milliseconds] = [max(SECOND, min(row.clicks * _PER_CLICK, _MAX_ROW)) for row in rows]
    start = _FIRST_HOUR + rows[0].student % _MINUTES_OF_BEGINNING * 60 * SECOND
    room = DAY - start
    for row, length in zip(rows, lengths, strict=True):
        fitted = length * room // max(room, sum(lengths))
        yield row, (midnight + start, midnight + start + fitted)
        start += fitted


def _groups(reports: Iterator[Report]) -> Iterator[Sequence[Report]]:
    """Group reports, a few hundred events at a time."""
    group: list[Report] = []
    for report in reports:
        group.append(report)
        if sum(len(each.observations) for each in group) >= _EVENTS_AT_ONCE:
            yield group
            group = []
    if group:
        yield group
