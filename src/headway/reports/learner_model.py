"""The record of one learner in a course: what happened when."""

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import msgspec

from headway.assessments.model import Submission
from headway.attention.model import Note
from headway.courses.completion import COMPLETE, Percent
from headway.courses.model import Assessment
from headway.enrollments.model import CLOSED_FOR_GOOD, Enrollment
from headway.enrollments.status import EnrollmentStatus
from headway.errors import Invalid
from headway.instants import DAY, Day, Instant
from headway.learning.study_time import Span
from headway.learning.unit_progress import UnitProgress
from headway.messaging.model import Message

StudyDays: TypeAlias = Sequence[tuple[Day, dict[int, list[Span]]]]
"""UTC days in order, each with its spans by unit, in milliseconds of the day."""


class Happening(StrEnum):
    """The kinds of entries of a timeline."""

    ENROLLED = "enrolled"
    UNIT_STARTED = "unit_started"
    UNIT_COMPLETED = "unit_completed"
    COURSE_COMPLETED = "course_completed"
    ACCESS_ENDED = "access_ended"
    SUBMITTED = "submitted"
    GRADED = "graded"
    MESSAGE_SENT = "message_sent"
    MESSAGE_RECEIVED = "message_received"
    NOTE = "note"


class Entry(NamedTuple):
    """Something that happened. `key` tells entries of the same instant apart."""

    at: Instant
    key: str
    kind: Happening
    unit_id: int | None = None
    work: "HandedIn | None" = None
    text: str | None = None
    author: str | None = None
    """Who wrote a note."""


class HandedIn(NamedTuple):
    """A submission and its assessment."""

    submission: Submission
    assessment: Assessment

    @property
    def is_late(self) -> bool:
        """Whether it came after the due date."""
        return self.submission.is_late(self.assessment)


MESSAGE = "message-"
"""With what the keys of messages begin; the id follows."""


class Position(msgspec.Struct, frozen=True, order=True):
    """A place in a timeline: entries after it are older."""

    at: Instant
    key: str

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read a position as `__str__` writes it. Raises Invalid."""
        at, _, key = text.partition(".")
        if not (at.isascii() and at.removeprefix("-").isdigit() and len(at) <= 16 and key):
            raise Invalid.field("before", "is not a place in this timeline")
        return cls(int(at), key)

    def among(self, prefix: str) -> tuple[Instant, str | None]:
        """Return where entries go on whose keys are a prefix and an id: up to an instant, and if not None, before an id."""
        if self.key.startswith(prefix):
            return self.at, self.key.removeprefix(prefix)
        return (self.at if prefix < self.key else self.at - 1), None

    def __str__(self) -> str:
        return f"{self.at}.{self.key}"


class Timeline(NamedTuple):
    """Some entries, the newest first, and where the older ones begin; None if there are none."""

    entries: list[Entry]
    next: Position | None


def first_study(days: StudyDays) -> dict[int, Instant]:
    """Return when study of each unit began."""
    first: dict[int, Instant] = {}
    for day, units in days:
        for unit_id, spans in units.items():
            if spans:
                first.setdefault(unit_id, day * DAY + spans[0][0])
    return first


def happenings(
    enrollment: Enrollment, units: Iterable[UnitProgress], works: Iterable[HandedIn], began_at: dict[int, Instant]
) -> list[Entry]:
    """Return what is known of a learner's way through a course; `began_at` is when study of units began.

    A unit began with its first study, or with its first progress, if there was some without study or before it.
    """
    entries = [Entry(enrollment.enrolled_at, "enrolled", Happening.ENROLLED)]
    if enrollment.completed_at is not None:
        last_at = enrollment.last_activity_at or enrollment.completed_at
        told_late = last_at < enrollment.created_at
        entries.append(Entry(last_at if told_late else enrollment.completed_at, "completed", Happening.COURSE_COMPLETED))
    is_closed = enrollment.status in {EnrollmentStatus.DROPPED, EnrollmentStatus.EXPIRED}
    if is_closed and enrollment.closed_at not in {None, CLOSED_FOR_GOOD}:
        entries.append(Entry(enrollment.closed_at, "ended", Happening.ACCESS_ENDED))
    for unit in units:
        if unit.is_started:
            # Of what was told late, such as an import, activity is older than its row.
            first_row = min(unit.created_at, unit.last_activity_at)
            at = min(began_at.get(unit.unit_id, first_row), first_row)
            entries.append(Entry(at, f"begun-{unit.unit_id}", Happening.UNIT_STARTED, unit.unit_id))
        if unit.is_complete and unit.completed_at is not None:
            # Complete as soon as it was known: by the activity, and not when that was told.
            told_with_it = unit.completed_at <= unit.created_at
            done_at = min(unit.completed_at, unit.last_activity_at) if told_with_it else unit.completed_at
            entries.append(Entry(done_at, f"done-{unit.unit_id}", Happening.UNIT_COMPLETED, unit.unit_id))
    for work in works:
        submission = work.submission
        # A result that was graded elsewhere was never handed in here.
        if submission.submission_url is not None or submission.graded_at is None:
            entries.append(Entry(submission.submitted_at, f"work-{submission.id}", Happening.SUBMITTED, work=work))
        if submission.graded_at is not None:
            entries.append(Entry(submission.graded_at, f"grade-{submission.id}", Happening.GRADED, work=work))
    return entries


def mean_grade(works: Iterable[HandedIn]) -> Percent | None:
    """Return the mean of the grades, each as a share of the largest one, in hundredths of a percent; None without a grade."""
    shares = [each.submission.grade / each.assessment.max_grade for each in works if each.submission.grade is not None]
    return math.floor(sum(shares) / len(shares) * COMPLETE + 1e-6) if shares else None


def message_entry(message: Message, reader_id: int) -> Entry:
    """Return the entry of a message as one of its two users reads it."""
    kind = Happening.MESSAGE_SENT if message.sender_id == reader_id else Happening.MESSAGE_RECEIVED
    return Entry(message.created_at, f"{MESSAGE}{message.id}", kind, text=message.message)


def note_entry(note: Note) -> Entry:
    """Return the entry of a note."""
    return Entry(note.created_at, f"note-{note.id}", Happening.NOTE, text=note.text, author=note.author_name)


def cut(entries: Iterable[Entry], before: Position | None, limit: int) -> Timeline:
    """Return the newest entries, or those before a position; no more than `limit`."""
    older = [each for each in entries if before is None or Position(each.at, each.key) < before]
    older.sort(key=lambda each: (each.at, each.key), reverse=True)
    page = older[:limit]
    return Timeline(page, Position(page[-1].at, page[-1].key) if len(older) > limit else None)
