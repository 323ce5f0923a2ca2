"""Recording what learners' clients report: each event exactly once, each observation with its verdict.

Reports of concurrent requests are grouped by a collector, whose writer opens the transaction of each group: the one place of
this room that opens any.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial

import structlog

from headway.audit.service import AuditRecorder
from headway.collector import Collector, CollectorLimits
from headway.courses.course_names import CourseNames, Snapshot
from headway.courses.external_ids import UNKNOWN_COURSE
from headway.courses.structure import CourseStructure
from headway.courses.times import Lock
from headway.db.database import Database, WriteTransaction
from headway.enrollments.model import Enrollment, LearnerInCourse
from headway.errors import FieldError, Forbidden, Invalid, Raced
from headway.instants import DAY, SECOND, Clock, Instant, Milliseconds
from headway.learning import archived_ids, clocks_store
from headway.learning import store as activity
from headway.learning.archived_ids import KnownContent
from headway.learning.clocks_store import ClockKey
from headway.learning.entries import ACCEPTED, Entry, admit
from headway.learning.external_ids import named_courses, with_courses, with_parts
from headway.learning.group_store import Group, read_contents, read_group
from headway.learning.model import Event, Heartbeat, Observation, Outcome, Refusal, Report, Update, Verdict
from headway.learning.progress import ProgressChange, advance, merged_metadata
from headway.learning.reporters import Reporters
from headway.learning.store import COURSE_ALONE, NO_DAY, CourseStructures, EventRow, StateKey
from headway.learning.study_time import StudyTimeSettings, Timing, by_day, time_event, time_heartbeat
from headway.learning.uncounted_store import UncountedEvent
from headway.telemetry import Metrics

log = structlog.get_logger(__name__)

_CONFLICT = FieldError("event_id", "was used before for an event with other content")
_REPETITIONS = 4
"""How often a group is written again that races with another server process which records the same events."""


class Tracking:
    """Records events, heartbeats and updates within a transaction."""

    def __init__(
        self,
        structures: CourseStructures,
        course_names: CourseNames,
        settings: StudyTimeSettings,
        audit: AuditRecorder,
        *,
        late_work: Milliseconds = 30 * DAY,
        max_metadata_bytes: int = 32_000,
    ) -> None:
        self._structures = structures
        self._course_names = course_names
        self._settings = settings
        self._audit = audit
        self._reporters = Reporters()
        self._late_work = late_work
        self._max_metadata_bytes = max_metadata_bytes

    async def record(self, tx: WriteTransaction, reports: Sequence[Report], now: Instant) -> list[list[Verdict]]:
        """Record many learners' reports and return a verdict for each observation; see `record_in_locked_courses`."""
        reports, course_ids = await self.find_courses(reports, lambda: nullcontext(tx))
        await tx.share_course_locks(course_ids)
        return await self.record_in_locked_courses(tx, reports, now)

    async def find_courses(self, reports: Sequence[Report], snapshot: Snapshot) -> tuple[Sequence[Report], set[int]]:
        """Return reports with the courses that they name by external ids alone, and the ids of all their courses.

        The `snapshot` is opened if courses have to be read.
        """
        course_ids = reported_courses(reports)
        if UNKNOWN_COURSE not in course_ids:
            return reports, course_ids
        reports = with_courses(reports, await self._course_names.find(named_courses(reports), snapshot))
        return reports, reported_courses(reports)

    async def record_in_locked_courses(
        self, tx: WriteTransaction, reports: Sequence[Report], now: Instant
    ) -> list[list[Verdict]]:
        """Record reports in a transaction that shares the locks of their courses, and return a verdict for each observation.

        An event is stored once for ever: its repetition is a duplicate, the same id with other content a conflict.
        What does not belong where it says, or is not open to the learner, is rejected and costs the others nothing.
        The number of statements does not depend on how much is reported.
        """
        by_report = [[Entry(report, observation) for observation in report.observations] for report in reports]
        entries = [entry for of_report in by_report for entry in of_report]
        await self._record(tx, entries, reported_courses(reports), now)
        accepted = ((each.report, each.observation) for each in entries if each.verdict.outcome is Outcome.ACCEPTED)
        if any(report.actor is not None for report in reports):
            await self._audit.record_all(tx, self._reporters.deeds(tx, accepted, now))
        return [[entry.verdict for entry in of_report] for of_report in by_report]

    async def _record(self, tx: WriteTransaction, entries: Sequence[Entry], course_ids: set[int], now: Instant) -> None:
        for entry in entries:
            entry.timing = self._time(entry)
        event_keys = {entry.key for entry in entries if entry.is_event}
        named = {entry: entry.observation for entry in entries if entry.observation.names is not None}
        if named:
            await self._resolve(tx, named, {})
        group = await read_group(tx, _state_keys(entries), event_keys)
        if await self._correct_clocks(tx, [entry for entry in entries if entry.learner in group.enrollments], now):
            # They may have been at work on other days.
            group = await read_group(tx, _state_keys(entries), event_keys)
        revisions = {enrollment.course_id: enrollment.course_revision for enrollment in group.enrollments.values()}
        if named and await self._resolve(tx, named, revisions):
            group = await read_group(tx, _state_keys(entries), event_keys)
        structures = await self._structures.get(tx, course_ids, revisions)
        self._admit(entries, group.enrollments, structures, now)
        await self._check_updates(tx, [entry for entry in entries if isinstance(entry.observation, Update)], group, structures)
        new = await _judge_events(tx, [entry for entry in entries if entry.is_event], group)
        changes = _progress_changes(entries, group.enrollments, structures)
        if changes:
            rows, uncounted = [_row(entry) for entry in new], _uncounted(new, changes)
            reached = await advance(tx, list(changes.values()), now, group=group, events=rows, uncounted=uncounted)
            for entry in entries:
                if isinstance(entry.observation, Update) and entry.verdict is ACCEPTED:
                    progress = reached[*entry.learner, entry.observation.unit_id]
                    entry.verdict = Verdict(Outcome.ACCEPTED, progress=progress)

    async def _resolve(self, tx: WriteTransaction, named: Mapping[Entry, Observation], revisions: Mapping[int, int]) -> bool:
        """Find the modules and units that are named by external ids, and return whether they are others than before."""
        structures = await self._structures.get(tx, {observation.course_id for observation in named.values()}, revisions)
        has_changed = False
        for entry, reported in named.items():
            before = entry.observation
            entry.observation, entry.fault = with_parts(reported, structures.get(reported.course_id))
            has_changed |= entry.observation != before
        return has_changed

    async def _correct_clocks(self, tx: WriteTransaction, entries: Sequence[Entry], now: Instant) -> bool:
        """Correct clocks that deviate by the offsets of their sessions, and return whether there are any.

        A group without any costs no statement.
        """
        deviating = [entry for entry in entries if entry.transit.deviation]
        if not deviating:
            return False
        offsets: dict[ClockKey, Milliseconds] = {}
        for entry in deviating:
            offsets.setdefault(entry.clock, self._settings.offset(entry.transit.deviation))
        known = await clocks_store.learn(tx, offsets, now)
        for entry in deviating:
            is_session = entry.observation.session_id is not None
            entry.transit = entry.transit.corrected(known[entry.clock], self._settings, is_session=is_session)
            entry.timing = self._time(entry)
        return True

    def _admit(
        self,
        entries: Sequence[Entry],
        enrolled: Mapping[LearnerInCourse, Enrollment],
        structures: Mapping[int, CourseStructure],
        now: Instant,
    ) -> None:
        """Refuse what may not be recorded: a learner is enrolled, or, for what is no command, was so at its time."""
        has_access = {learner: enrollment.is_open(now) for learner, enrollment in enrolled.items()}
        for entry in entries:
            is_enrolled = has_access.get(entry.learner, False)
            if not is_enrolled and entry.learner in enrolled and not isinstance(entry.observation, Update):
                is_enrolled = enrolled[entry.learner].was_open(entry.timing.at, now=now, patience=self._late_work)
            admit(entry, structures.get(entry.observation.course_id), is_enrolled=is_enrolled)

    async def _check_updates(
        self, tx: WriteTransaction, entries: Sequence[Entry], group: Group, structures: Mapping[int, CourseStructure]
    ) -> None:
        """Refuse updates of locked and hidden units, and those that would make the client's metadata too large."""
        admitted = [entry for entry in entries if entry.refusal is None]
        new = {
            entry.learner
            for entry in admitted
            if structures[entry.observation.course_id].is_sequential and not group.has_begun(entry.unit_key)
        }
        known = await activity.read_units_of(tx, sorted(new)) if new else {}
        for entry in admitted:
            update, stored = entry.observation, group.units.get(entry.unit_key)
            assert isinstance(update, Update)  # noqa: S101 - they are chosen by that
            structure, at = structures[update.course_id], entry.timing.at
            completed = {unit.unit_id for unit in known.get(entry.learner, ()) if unit.is_complete}
            lock = structure.find_lock(update.unit_id, completed, at, is_begun=group.has_begun(entry.unit_key))
            if update.unit_id in structure.hidden and entry.report.caller_id is None:
                entry.refuse("unit_id", "is not a unit of this course")
            elif lock is Lock.SEQUENCE:
                entry.refuse("unit_id", "is locked until the units before it are complete", Refusal.LOCKED)
            elif lock is not None:
                entry.refuse("unit_id", structure.timed[update.unit_id].describe(lock), Refusal.OUTSIDE)
            elif update.metadata and stored is not None and stored.client_metadata is not None:
                kept = merged_metadata(stored.client_metadata, update.metadata)
                if len(kept.encode()) > self._max_metadata_bytes:
                    entry.refuse(
                        "metadata", f"must not come to more than {self._max_metadata_bytes} bytes in all", Refusal.TOO_LARGE
                    )

    def _time(self, entry: Entry) -> Timing:
        observation = entry.observation
        if isinstance(observation, Event):
            duration = observation.duration_seconds
            return time_event(
                start=observation.start_time,
                end=observation.end_time,
                # Longer than any claim is as long as the longest one.
                duration=None if duration is None else int(min(duration * SECOND, self._settings.longest_claim)),
                transit=entry.transit,
                settings=self._settings,
            )
        if isinstance(observation, Update):
            return Timing(entry.report.received_at, 0, is_shifted=False)
        return time_heartbeat(
            timestamp=observation.timestamp,
            is_active=observation.is_active,
            active=observation.active,
            transit=entry.transit,
            settings=self._settings,
        )


class Ingest:
    """The way in for reports of requests: grouped, recorded, counted, and each answered after the commit."""

    def __init__(
        self, tracking: Tracking, *, database: Database, clock: Clock, capacity: int, group_weight: int, metrics: Metrics
    ) -> None:
        self._tracking = tracking
        self._database = database
        self._snapshot = partial(database.read, single_statement=True)
        self._clock = clock
        self._metrics = metrics
        self._collector: Collector[Report, list[Verdict]] = Collector(
            self._write,
            _weigh,
            CollectorLimits(capacity, group_weight),
            is_in_transaction=database.is_writing,
            meters=metrics.ingest,
            partition_of=_partition_of,
        )
        metrics.samplers.append(self._collector.sample)
        self._counters = {outcome: metrics.observations.labels(outcome.value) for outcome in Outcome}

    async def record(self, report: Report) -> list[Verdict]:
        """Record a report and return the verdicts once they are durable.

        Raises Overloaded, and Unavailable; then nothing is stored, or, if the connection was lost during the commit,
        everything: a repetition with the same event ids tells.
        """
        return self._count(await self._collector.submit(report))

    async def record_all(self, reports: Sequence[Report]) -> list[list[Verdict]]:
        """Record reports of one request on several learners, as `record` does, and return the verdicts of each.

        When it raises Unavailable, some of them may be stored: a repetition with the same event ids tells.
        """
        return [self._count(verdicts) for verdicts in await self._collector.submit_all(reports)]

    async def find_courses(self, reports: Sequence[Report]) -> Sequence[Report]:
        """Return reports with the courses that they name by external ids alone, as far as there are any."""
        return (await self._tracking.find_courses(reports, self._snapshot))[0]

    async def record_in(self, tx: WriteTransaction, report: Report) -> list[Verdict]:
        """Record a report within a transaction, and return its verdicts."""
        (verdicts,) = await self._tracking.record(tx, [report], self._clock())
        return self._count(verdicts)

    def count_rejected(self, verdicts: Iterable[Verdict], *, unread: int) -> None:
        """Count what was rejected within a report that was not refused as a whole, and log the reasons.

        Of the verdicts, `unread` are on items that could not be read and so were never recorded.
        """
        self._counters[Outcome.REJECTED].inc(unread)
        rejected = [verdict for verdict in verdicts if verdict.outcome is Outcome.REJECTED]
        for verdict in rejected:
            reason = Forbidden.code if verdict.refusal is Refusal.FORBIDDEN else Invalid.code
            self._metrics.reject(reason, verdict.errors)
        if rejected:
            errors = [f"{error.field}: {error.message}" for verdict in rejected for error in verdict.errors]
            log.info("rejected", items=len(rejected), errors=errors)

    async def close(self) -> None:
        """Write what is waiting and take nothing more."""
        await self._collector.close()

    async def _write(self, reports: Sequence[Report]) -> list[list[Verdict]]:
        for _ in range(_REPETITIONS):
            # The other transaction has ended: the next attempt sees its events.
            with suppress(Raced):
                return await self._attempt(reports)
        return await self._attempt(reports)

    async def _attempt(self, reports: Sequence[Report]) -> list[list[Verdict]]:
        # The locks of the courses come with the beginning of the transaction: PostgreSQL has one round trip less.
        reports, course_ids = await self._tracking.find_courses(reports, self._snapshot)
        async with self._database.write(in_courses=course_ids) as tx:
            return await self._tracking.record_in_locked_courses(tx, reports, self._clock())

    def _count(self, verdicts: list[Verdict]) -> list[Verdict]:
        for outcome, count in Counter([verdict.outcome for verdict in verdicts]).items():
            self._counters[outcome].inc(count)
        return verdicts


def reported_courses(reports: Sequence[Report]) -> set[int]:
    """Return the courses in which something is reported."""
    return {observation.course_id for report in reports for observation in report.observations}


def _partition_of(_report: Report) -> int:
    """Return the partition of a report's learner: all learners are in one."""
    return 0


def _weigh(report: Report) -> int:
    """Count observations; a large body counts as one more for each kilobyte, so that waiting reports are bounded in memory."""
    return len(report.observations) + report.size_bytes // 1024


def _state_keys(entries: Sequence[Entry]) -> set[StateKey]:
    """Return the keys of the stored state that the entries may change."""
    keys: set[StateKey] = set()
    for entry in entries:
        if entry.timing.claimed:
            keys.update((*entry.unit_key, day) for day, _ in by_day(entry.timing.span))
        else:
            keys.add((*entry.unit_key, NO_DAY))
    return keys


async def _judge_events(tx: WriteTransaction, entries: Sequence[Entry], group: Group) -> list[Entry]:
    """Set every event's verdict. Return those that are admitted and new.

    What is refused now may have been stored when it was still allowed: its repetition is a duplicate all the same.
    """
    contents = await read_contents(tx, group, {entry.key for entry in entries})
    new: list[Entry] = []
    refused: list[Entry] = []
    for entry in entries:
        if entry.key in contents:
            entry.verdict = _repeated(entry, contents[entry.key])
        elif entry.refusal is not None:
            refused.append(entry)
        else:
            contents[entry.key] = entry.content
            new.append(entry)
    for entry in refused:
        if entry.key in contents:
            entry.verdict = _repeated(entry, contents[entry.key])
    return new


def _repeated(entry: Entry, known: KnownContent) -> Verdict:
    """Return the verdict on an event whose id is known."""
    event_id = entry.observation.event_id
    if archived_ids.repeats(entry.content, known, names_module=entry.observation.module_id is not None):
        return Verdict(Outcome.DUPLICATE, event_id)
    return entry.refusal or Verdict(Outcome.CONFLICT, event_id, (_CONFLICT,))


def _row(entry: Entry) -> EventRow:
    assert isinstance(entry.observation, Event)  # noqa: S101 - only events are stored
    return activity.event_row(entry.key, entry.content, entry.timing, entry.transit)


def _uncounted(entries: Sequence[Entry], changes: Mapping[LearnerInCourse, ProgressChange]) -> list[UncountedEvent]:
    """Return what is kept of those new events that lie outside of the times of their units, or before a reset of them."""
    return [
        UncountedEvent(*entry.unit_key, entry.key[1], entry.timing.at, entry.observation.evidence)
        for entry in entries
        if (times := changes[entry.learner].times_of(entry.observation.unit_id or COURSE_ALONE)) is not None
        and not times.include(entry.timing.at)
        and isinstance(entry.observation, Event)
    ]


def _progress_changes(
    entries: Sequence[Entry], enrolled: Mapping[LearnerInCourse, Enrollment], structures: Mapping[int, CourseStructure]
) -> dict[LearnerInCourse, ProgressChange]:
    """Gather the steps of everything accepted, by learner; a heartbeat that is not active is no step."""
    changes: dict[LearnerInCourse, ProgressChange] = {}
    for entry in entries:
        observation = entry.observation
        if entry.verdict is not ACCEPTED or (isinstance(observation, Heartbeat) and not observation.is_active):
            continue
        change = changes.get(entry.learner)
        if change is None:
            change = changes[entry.learner] = ProgressChange(enrolled[entry.learner], structures[observation.course_id])
        if isinstance(observation, Update):
            evidence = observation.declare(entry.report.declaration)
            change.step(observation.unit_id, entry.timing, evidence, is_start=observation.is_start, is_command=True)
            change.note(observation.unit_id, observation.metadata or {})
        else:
            change.step(observation.unit_id, entry.timing, observation.evidence)
    return changes
