"""Importing logs: accounts, courses and units are found by their names in the log, and events recorded as those of HTTP are."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec

from headway.accounts.model import User
from headway.audit.model import Action, course_target, enrollment_target, learner_in_course
from headway.courses.completion import EngagementMetrics
from headway.courses.video import encode_segments, played
from headway.db.database import WriteTransaction
from headway.db.repeating import repeated
from headway.enrollments.model import LearnerInCourse
from headway.errors import Conflict, NotFound
from headway.importers.log_files import Advance, LogFile, ParsedLine
from headway.importers.log_model import LogEvent, Reason, Refusal
from headway.importers.log_report import ImportReport, Tally
from headway.importers.log_targets import Target, Targets
from headway.importers.seen_store import SeenIds
from headway.instants import DAY, START_OF_TIME, Instant, Milliseconds
from headway.learning.model import ActivityType, Event, Outcome, Report, Verdict
from headway.learning.model import Refusal as Refused
from headway.measures import score_percent
from headway.services import Services
from headway.text import canonical_json, nfc, nfc_json

Item = TypeVar("Item")
Work: TypeAlias = Callable[[WriteTransaction], Awaitable[Item]]
_AT_ONCE = 500
_LONGEST: Milliseconds = 7 * DAY
_MAX_KNOWN = 100_000
"""How many learners are remembered as enrolled at once."""


class Reader(Protocol):
    """Reads the files of a kind of log."""

    name: str
    """The name of the platform."""
    notes: list[str]
    """What was assumed of the files."""

    def read(self, file: LogFile, advance: Advance) -> Iterator[ParsedLine]:
        """Yield what each line of a file says."""


class ImportOptions(NamedTuple):
    """What an import may do beside recording events."""

    is_dry_run: bool = False
    creates_users: bool = False
    """Make an account for each learner who has none."""
    creates_enrollments: bool = False
    """Enroll learners in the courses in which they have events, from their first event on."""
    needs_no_units: bool = False
    """Store events of content that is no unit here as activity in the course."""


class _Placed(NamedTuple):
    """An event of a log, and the file and line in which it stands."""

    place: str
    event: LogEvent


class _Judged(NamedTuple):
    """What became of an event: its outcome, or why it was not taken."""

    placed: _Placed
    outcome: Outcome | Refusal
    event: Event | None = None


class _Made(msgspec.Struct):
    """What was made for some events, and why learners could not be enrolled."""

    users: list[str] = []
    enrollments: list[str] = []
    refused: dict[LearnerInCourse, str] = {}


class _Taken(NamedTuple):
    """What became of some events, and what was made for them."""

    judged: list[_Judged]
    made: _Made


class _RolledBack(Exception):
    """Ends the transaction of a dry run, which has gone through all that an import does."""


class LogImport:
    """An import of files. Some hundred lines at once are recorded in one transaction, so an import can be interrupted."""

    def __init__(self, services: Services, reader: Reader, options: ImportOptions) -> None:
        self._services = services
        self._reader = reader
        self._options = options
        self._targets = Targets(services, needs_no_units=options.needs_no_units)
        self._tally = Tally(is_dry_run=options.is_dry_run)
        self._enrolled: set[tuple[int, int]] = set()
        self._noted: set[int] = set()
        """The courses of which the audit log says that this import brings something."""

    async def run(self, files: Sequence[LogFile], advance: Advance) -> ImportReport:
        """Import files in order. Raises Invalid for a file that cannot be read at all, naming it."""
        seen = SeenIds() if self._options.is_dry_run else None
        try:
            for file in files:
                self._tally.begin_file()
                events = self._events_of(file, advance)
                while chunk := list(islice(events, _AT_ONCE)):
                    self._count(await self._take(chunk), seen)
        finally:
            if seen is not None:
                seen.close()
        return self._tally.finish(self._reader.notes)

    def _events_of(self, file: LogFile, advance: Advance) -> Iterator[_Placed]:
        now = self._services.clock()
        for line, parsed in self._reader.read(file, advance):
            place = f"{file.path.name}:{line}"
            if isinstance(parsed, LogEvent) and parsed.segment is not None:
                yield _Placed(place, parsed)
                continue
            self._tally.count_line()
            if isinstance(parsed, Refusal):
                self._tally.refuse(place, parsed)
            elif parsed.at > now:
                self._tally.refuse(place, Refusal(parsed.type, Reason.FUTURE))
            else:
                yield _Placed(place, parsed)

    async def _take(self, chunk: Sequence[_Placed]) -> _Taken:
        """Record events. A dry run does the same in one transaction, and rolls it back."""
        if not self._options.is_dry_run:
            made = await self._admit(chunk, self._transact)
            judged = await self._transact(partial(self._record, chunk, made.refused))
            self._noted |= _courses_of(judged)
            return _Taken(judged, made)
        taken = await repeated(partial(self._pretend, chunk))
        self._enrolled.clear()
        return taken

    async def _transact(self, work: Work[Item]) -> Item:
        """Do work in a transaction; again, if it fails for the moment or others store the same."""

        async def once() -> Item:
            async with self._services.database.write() as tx:
                return await work(tx)

        return await repeated(once)

    async def _pretend(self, chunk: Sequence[_Placed]) -> _Taken:
        taken = _Taken([], _Made())
        with suppress(_RolledBack):
            async with self._services.database.write() as tx:
                made = await self._admit(chunk, lambda work: work(tx))
                taken = _Taken(await self._record(chunk, made.refused, tx), made)
                raise _RolledBack
        return taken

    async def _admit(self, chunk: Sequence[_Placed], transact: Callable[[Work[Any]], Awaitable[Any]]) -> _Made:
        """Make the accounts and enrollments that the options ask for, each enrollment in a transaction of its own."""
        made, options = _Made(), self._options
        if not (options.creates_users or options.creates_enrollments):
            return made
        events = [placed.event for placed in chunk]
        created, targets = await transact(partial(self._create_accounts, events))
        made.users += [f"user {user.external_id}" for user in created]
        if not options.creates_enrollments:
            return made
        for learner, (at, user) in _first_events(events, targets).items():
            if learner in self._enrolled:
                continue
            refused = await transact(partial(self._enroll, learner, at))
            if isinstance(refused, str):
                made.refused[learner] = refused
                continue
            if refused:
                made.enrollments.append(f"enrollment {user.external_id or user.id} {learner[1]}")
            if len(self._enrolled) >= _MAX_KNOWN:
                self._enrolled.clear()
            self._enrolled.add(learner)
        return made

    async def _create_accounts(
        self, events: Sequence[LogEvent], tx: WriteTransaction
    ) -> tuple[list[User], list[Target | Refusal]]:
        """Make the accounts that the options ask for, and return them, and where each event is recorded then."""
        courses = await self._targets.find_courses(tx, events)
        created = await self._targets.create_accounts(tx, events, courses) if self._options.creates_users else []
        for user in created:
            metadata = {"role": user.role.value}
            await self._services.audit.record_as_operator(tx, Action.CREATE_USER, user.target, metadata=metadata)
        return created, await self._targets.find(tx, events, courses)

    async def _enroll(self, learner: LearnerInCourse, at: Instant, tx: WriteTransaction) -> bool | str:
        """Enroll a learner from the first event on. Return whether that was needed, or why it is refused.

        Whoever was enrolled at any time stays as they are.
        """
        enrollments = self._services.enrollments
        if await enrollments.find(tx, *learner) is not None:
            return False
        try:
            await enrollments.enroll(tx, *learner, at=at)
        except (Conflict, NotFound) as error:
            # Somebody else may have enrolled the learner meanwhile.
            return error.message if await enrollments.find(tx, *learner) is None else False
        target, metadata = enrollment_target(learner[1], learner[0]), learner_in_course(learner[1], learner[0])
        await self._services.audit.record_as_operator(tx, Action.ENROLL_LEARNER, target, metadata=metadata)
        return True

    async def _record(
        self, chunk: Sequence[_Placed], refused: Mapping[LearnerInCourse, str], tx: WriteTransaction
    ) -> list[_Judged]:
        log_events = [placed.event for placed in chunk]
        courses = await self._targets.find_courses(tx, log_events)
        await tx.share_course_locks({course.id for course in courses.values()})
        judged: list[_Judged] = []
        of_user: dict[int, list[tuple[_Placed, Event]]] = {}
        for placed, target in zip(chunk, await self._targets.find(tx, log_events, courses), strict=True):
            if isinstance(target, Refusal):
                judged.append(_Judged(placed, target))
            elif (learner := (target.user.id, target.course_id)) in refused:
                judged.append(_Judged(placed, Refusal(placed.event.type, Reason.NOT_ENROLLED, refused[learner])))
            else:
                of_user.setdefault(target.user.id, []).append((placed, to_event(placed.event, target)))
        judged += await self._judge(tx, of_user)
        await self._note(tx, judged)
        return judged

    async def _judge(self, tx: WriteTransaction, of_user: Mapping[int, Sequence[tuple[_Placed, Event]]]) -> list[_Judged]:
        now = self._services.clock()
        reports = [Report(user_id, now, tuple(event for _, event in events)) for user_id, events in of_user.items()]
        verdicts_of = await self._services.tracking.record_in_locked_courses(tx, reports, now)
        return [
            _Judged(placed, _outcome(placed.event, verdict), event)
            for events, verdicts in zip(of_user.values(), verdicts_of, strict=True)
            for (placed, event), verdict in zip(events, verdicts, strict=True)
        ]

    async def _note(self, tx: WriteTransaction, judged: Sequence[_Judged]) -> None:
        """Record in the audit log that this import brings something to a course, once for each."""
        for course_id in sorted(_courses_of(judged) - self._noted):
            course = (await self._services.courses.find(tx, course_id)).course
            target, source = course_target(course_id, course.title), {"source": self._reader.name}
            await self._services.audit.record_as_operator(tx, Action.IMPORT_DATA, target, metadata=source)

    def _count(self, taken: _Taken, seen: SeenIds | None) -> None:
        """Count what became of events. A dry run stores nothing, so what it did before is told by what it has `seen`."""
        users, enrollments = taken.made.users, taken.made.enrollments
        stored = [each for each in taken.judged if each.event is not None and each.outcome is Outcome.ACCEPTED]
        if seen is not None:
            users, enrollments = _new(users, users, seen), _new(enrollments, enrollments, seen)
            new = _new(stored, [each.placed.event.event_id for each in stored], seen)
        else:
            new = stored
        self._tally.count_new(users=len(users), enrollments=len(enrollments))
        for each in new:
            assert each.event is not None  # noqa: S101 - they are chosen by that
            self._tally.count_stored(each.event.activity_type.value)
        self._tally.count_duplicates(len(stored) - len(new))
        for each in taken.judged:
            if isinstance(each.outcome, Refusal):
                # What was played is told by a line that is refused itself.
                if each.placed.event.segment is None:
                    self._tally.refuse(each.placed.place, each.outcome)
            elif each.outcome is Outcome.DUPLICATE:
                self._tally.count_duplicates(1)


def _courses_of(judged: Iterable[_Judged]) -> set[int]:
    """Return the courses to which something was brought."""
    return {each.event.course_id for each in judged if each.event is not None and each.outcome is Outcome.ACCEPTED}


def to_event(event: LogEvent, target: Target) -> Event:
    """Return the event as it is recorded."""
    is_part = event.part_type is not None and not target.is_whole
    activity_type = ActivityType(event.part_type if is_part and event.part_type is not None else event.activity_type)
    metadata, score, segments = dict(event.metadata), None, None
    if event.score is not None:
        keys = ("part_score", "part_max_score") if is_part else ("score", "max_score")
        metadata |= dict(zip(keys, event.score, strict=True))
        score = score_percent(*event.score) if activity_type is ActivityType.QUIZ_SUBMIT else None
    if event.segment is not None and not is_part:
        segments = encode_segments([event.segment])
    is_completed_video = activity_type is ActivityType.VIDEO_COMPLETE
    duration = None if segments is None else event.video_duration
    started_at = _start(event)
    return Event(
        event_id=event.event_id,
        activity_type=activity_type,
        course_id=target.course_id,
        unit_id=target.unit_id,
        metrics=EngagementMetrics(None, 100.0, None) if is_completed_video else None,
        start_time=event.at if started_at is None else started_at,
        end_time=None if started_at is None else event.at,
        session_id=None if event.session_id is None else nfc(event.session_id),
        metadata=text if (text := canonical_json(metadata)).isascii() else canonical_json(nfc_json(metadata)),
        quiz_score_percent=score,
        video_segments=segments,
        video_duration_seconds=duration,
        playback=None if target.unit_id is None else played(segments, duration),
    )


def _start(event: LogEvent) -> Instant | None:
    """Return when the event began, if its log states an interval; of a longer one than an event can claim it is no matter."""
    if event.started_at is None:
        return None
    started_at = max(event.started_at, event.at - _LONGEST, START_OF_TIME)
    return started_at if started_at < event.at else None


def _first_events(
    events: Sequence[LogEvent], targets: Sequence[Target | Refusal]
) -> dict[LearnerInCourse, tuple[Instant, User]]:
    """Return when learners were first active in courses, as far as these events tell."""
    found: dict[LearnerInCourse, tuple[Instant, User]] = {}
    for event, target in zip(events, targets, strict=True):
        if isinstance(target, Target):
            learner = (target.user.id, target.course_id)
            at, _ = found.get(learner, (event.at, target.user))
            found[learner] = (min(at, event.at), target.user)
    return found


def _outcome(event: LogEvent, verdict: Verdict) -> Outcome | Refusal:
    if verdict.outcome is Outcome.CONFLICT:
        return Refusal(event.type, Reason.CONFLICT)
    if verdict.outcome is not Outcome.REJECTED:
        return verdict.outcome
    if verdict.refusal is Refused.FORBIDDEN:
        return Refusal(event.type, Reason.NOT_ENROLLED)
    return Refusal(event.type, Reason.REJECTED, "; ".join(f"{error.field} {error.message}" for error in verdict.errors))


def _new(items: Sequence[Item], names: Sequence[str], seen: SeenIds) -> list[Item]:
    """Return the items whose names were not seen before."""
    return [item for item, is_new in zip(items, seen.add(names), strict=True) if is_new]
