"""Real learners and what they did, from the Open University Learning Analytics Dataset, through the same services as HTTP.

The dataset has days, clicks and scores, but no time of day and no durations. These follow by rule, so that a repetition of the
import finds every event as it left it:

- Materials become units, grouped into one module for each `activity_type`. What is read (`oucontent`, `resource`, `subpage`,
  `url`, `page`) is completed when viewed, and required if at least a third of the learners opened it: nobody could complete a
  run whose required materials were hardly ever handed out. The rest (forums, glossaries, …) is optional.
- A row of interactions becomes one event: `unit_view`, in forums `discussion_view`, in quizzes `quiz_start`; `sum_click` is its
  `interaction_count`, and each click counts as half a minute of study, ten minutes a row at the most.
- A learner's day begins between 09:00 and 17:00 UTC, at a minute given by the learner's number, and its rows follow one
  another in the order of the file; a day that would run past midnight is compressed to fit.
- An event's id is made of run, learner, material, day and a count of such rows.
- Who unregistered becomes DROPPED once what was done before is recorded.
- With a day on which the runs end, all dates of a run are shifted by the same number of whole days, so that its last
  interaction falls on that day. What then lies in the future has not happened yet and is left out; a repetition on a later day
  brings it.
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
from headway.audit.model import Action, EntryFilter, TargetType, course_target
from headway.courses.completion import Completion, EngagementMetrics, Rule
from headway.courses.model import CourseTree, NewAssessment, NewCourse, NewModule, NewUnit
from headway.db.database import ReadTransaction
from headway.enrollments.status import OPEN
from headway.errors import Conflict, Invalid
from headway.identity import NOBODY, Caller, Role
from headway.importers.oulad_files import Assessment, Course, Interaction, Material, OuladFolder, Registration, Result
from headway.instants import DAY, HOUR, SECOND, Day, Instant, Milliseconds, from_datetime, to_datetime
from headway.learning.model import ActivityType, Event, Outcome, Report
from headway.paging.service import Walk
from headway.services import Services

OWNER_EMAIL = "tutor@oulad.example"

_READ = {"oucontent", "resource", "subpage", "url", "page"}
_ACTIVITY = {"forumng": ActivityType.DISCUSSION_VIEW, "quiz": ActivityType.QUIZ_START}
_TITLES = {
    "dataplus": "Databases",
    "externalquiz": "External quizzes",
    "forumng": "Forums",
    "glossary": "Glossaries",
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
_REQUIRED_SHARE = 1 / 3
"""The share of a run's learners who open a material that is required."""
_SHIFT = "shiftDays"
"""The field of an audit entry that holds by how many days an imported run was shifted."""

Advance = Callable[[int], None]
"""Called with the number of further rows that are done."""


class Summary(msgspec.Struct):
    """What an import did: how many there are, how many of them are new, and how many rows lie in the future."""

    courses: int = 0
    learners: int = 0
    events: int = 0
    results: int = 0
    new_courses: int = 0
    new_learners: int = 0
    new_events: int = 0
    new_results: int = 0
    left_out: int = 0


class _CourseRun(NamedTuple):
    """All of a course run, read and checked, and the number of days by which its dates are shifted."""

    course: Course
    materials: list[Material]
    assessments: list[Assessment]
    registrations: list[Registration]
    interactions: list[Interaction]
    results: list[Result]
    shift_days: int = 0

    @property
    def slug(self) -> str:
        return "oulad-" + "-".join(self.course.run).lower()

    @property
    def day_zero(self) -> Instant:
        """When the run begins."""
        return self.first_day_zero + self.shift_days * DAY

    @property
    def last_day(self) -> Day:
        """The day of the last interaction; without any, of the end of the run."""
        days = (interaction.day for interaction in self.interactions)
        return self.day_zero // DAY + max(days, default=self.course.length_days)

    @property
    def required_sites(self) -> set[int]:
        """The materials that everybody has to read."""
        opened = Counter(site for _, site in {(each.student, each.site) for each in self.interactions})
        least = len(self.registrations) * _REQUIRED_SHARE
        return {each.site for each in self.materials if each.activity_type in _READ and opened[each.site] >= least}

    @property
    def first_day_zero(self) -> Instant:
        """When the run began at the Open University."""
        presentation = self.course.run[1]
        month_and_day = _STARTS.get(presentation[-1:])
        if month_and_day is None or _YEAR.fullmatch(presentation[:-1]) is None:
            raise Invalid.field("courses.csv, column code_presentation", f"{presentation[:50]!r} is no year with B or J")
        return from_datetime(datetime(int(presentation[:-1]), *month_and_day, tzinfo=UTC))

    @property
    def rows(self) -> int:
        return len(self.registrations) + len(self.interactions) + len(self.results)


class OuladImport:
    """An import of a folder. All of a course run is read and checked before any of it is stored.

    With `ends`, the dates of each run are shifted so that its last interaction falls on that day.
    """

    def __init__(self, folder: Path, services: Services, *, ends: Day | None = None) -> None:
        files = OuladFolder(folder)
        self._runs = [_shifted(_read_run(files, course), ends) for course in files.courses()]
        self._services = services
        self.rows = sum(run.rows for run in self._runs)

    async def run(self, advance: Advance) -> Summary:
        """Import everything that is not stored yet, and does not lie in the future.

        Raises Conflict OTHER_DATES if a run is stored with its dates shifted by another number of days.
        """
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
            if tree is not None:
                await self._check_shift(tx, run, tree.id)
            else:
                owner = await services.accounts.ensure(tx, role=Role.INSTRUCTOR, name="OULAD tutor", email=OWNER_EMAIL)
                tree = await services.course_editing.create(tx, _new_course(run), owner_id=owner.id)
            # One entry for all that the run brings, before any of it.
            target, rows = (
                course_target(tree.id, tree.course.title),
                {"source": "OULAD", "rows": run.rows, _SHIFT: run.shift_days},
            )
            await services.audit.record_as_operator(tx, Action.IMPORT_DATA, target, metadata=rows)
        return tree

    async def _check_shift(self, tx: ReadTransaction, run: _CourseRun, course_id: int) -> None:
        """Refuse to store a run with two sets of dates. The audit log knows those of before, whatever staff changed since."""
        imports = EntryFilter(action=Action.IMPORT_DATA, target_type=TargetType.COURSE, target_ids=[str(course_id)])
        found = await self._services.audit_log.read(tx, Caller(NOBODY, Role.SYSTEM), imports, Walk(1, 1))
        stored = found[0].metadata.get(_SHIFT, 0) if found else run.shift_days
        if stored != run.shift_days:
            ends = to_datetime(run._replace(shift_days=stored).last_day * DAY).date()
            option = f"with --ends {ends}" if stored else "without --ends"
            message = f"The run {run.slug} is stored with its last interaction on {ends}: repeat the import {option}."
            raise Conflict(message, code="OTHER_DATES")

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
                    registered_at = run.day_zero + (registration.registered or 0) * DAY
                    enrolled_at = min(registered_at, self._services.clock())
                    await self._services.enrollments.enroll(tx, user.id, course_id, at=enrolled_at)
                    summary.new_learners += 1
            learners[student] = user.id
            summary.learners += 1
            advance(1)
        return learners

    async def _record(
        self, run: _CourseRun, tree: CourseTree, learners: dict[int, int], summary: Summary, advance: Advance
    ) -> None:
        now, recorded = self._services.clock(), 0
        for group in _groups(_reports(run, tree, learners, now)):
            async with self._services.database.write() as tx:
                verdicts_of = await self._services.tracking.record(tx, group, now)
            for report, verdicts in zip(group, verdicts_of, strict=True):
                for event, verdict in zip(report.observations, verdicts, strict=True):
                    if verdict.outcome not in {Outcome.ACCEPTED, Outcome.DUPLICATE}:
                        reasons = "; ".join(f"{error.field} {error.message}" for error in verdict.errors)
                        raise Invalid.field(f"studentVle.csv, event {event.event_id}", reasons)
                    summary.new_events += verdict.outcome is Outcome.ACCEPTED
                recorded += len(verdicts)
                advance(len(verdicts))
        summary.events += recorded
        summary.left_out += len(run.interactions) - recorded
        advance(len(run.interactions) - recorded)

    async def _unregister(self, run: _CourseRun, course_id: int, learners: dict[int, int]) -> None:
        last_day = (self._services.clock() - run.day_zero) // DAY
        for registration in run.registrations:
            if registration.unregistered is not None and registration.unregistered <= last_day:
                user_id = learners[registration.student]
                async with self._services.database.write() as tx:
                    found = await self._services.enrollments.find(tx, user_id, course_id)
                    if found is not None and found.status in OPEN:
                        await self._services.enrollments.leave(tx, user_id, course_id)

    async def _store_results(
        self, run: _CourseRun, tree: CourseTree, learners: dict[int, int], summary: Summary, advance: Advance
    ) -> None:
        now = self._services.clock()
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
            if run.day_zero + result.day * DAY <= now
        ]
        async with self._services.database.write() as tx:
            summary.new_results += await self._services.assessments.store_results(tx, results)
        summary.results += len(results)
        summary.left_out += len(run.results) - len(results)
        advance(len(run.results))


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


def _shifted(run: _CourseRun, ends: Day | None) -> _CourseRun:
    return run if ends is None else run._replace(shift_days=ends - run.last_day)


def _new_course(run: _CourseRun) -> NewCourse:
    by_type: dict[str, list[Material]] = defaultdict(list)
    for material in run.materials:
        by_type[material.activity_type].append(material)
    code, presentation = run.course.run
    required = run.required_sites
    return NewCourse(
        title=f"Open University {code}, {presentation}",
        slug=run.slug,
        description="From the Open University Learning Analytics Dataset (CC BY 4.0).",
        starts_at=run.day_zero,
        ends_at=run.day_zero + run.course.length_days * DAY,
        modules=tuple(
            NewModule(_title(kind), slug=kind, units=tuple(_new_unit(each, n, required) for n, each in enumerate(materials, 1)))
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


def _new_unit(material: Material, number: int, required: set[int]) -> NewUnit:
    is_read = material.activity_type in _READ
    return NewUnit(
        title=f"{_title(material.activity_type)} {number}",
        slug=str(material.site),
        kind=material.activity_type,
        is_required=material.site in required,
        completion=Completion(Rule.VIEWED if is_read else Rule.MANUAL),
    )


def _title(activity_type: str) -> str:
    return _TITLES.get(activity_type, f"{activity_type.capitalize()}s")


def _reports(run: _CourseRun, tree: CourseTree, learners: dict[int, int], now: Instant) -> Iterator[Report]:
    """Yield a report for each learner and day, in order, without what lies in the future."""
    units = {int(unit.slug or 0): unit for unit in tree.units}
    in_order = sorted(run.interactions, key=lambda each: (each.student, each.day))
    for (student, day), rows in groupby(in_order, key=lambda each: (each.student, each.day)):
        events = []
        seen: Counter[int] = Counter()
        for row, (start, end) in _timed(list(rows), run.day_zero + day * DAY):
            if end > now:
                continue
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
        if events:
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
