"""What a roster says, what it changes, and the report of it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from headway.accounts.model import User
from headway.errors import HeadwayError, Invalid
from headway.identity import Caller, Client, Role
from headway.instants import Instant
from headway.text import is_blank

MAX_SHOWN_CHANGES = 1_000
"""How many changes of each kind, and rows that are not taken, a report lists; it counts all of them."""
MAX_SOURCE = 100
FEW = 10
"""So many people may leave the courses of a roster at once, whatever share of them it is."""


class Mode(StrEnum):
    """What it means that somebody is not in a roster."""

    BULK = "bulk"
    """The roster is complete: whoever it brought before and is missing now has left."""
    DELTA = "delta"
    """The roster tells of changes: whoever is missing stays."""


class Part(StrEnum):
    """What somebody is in a course."""

    LEARNER = "learner"
    TEACHER = "teacher"


class Line(NamedTuple):
    """Where something stands; line 0 is the file as a whole."""

    file: str
    number: int


class RosterCourse(msgspec.Struct, frozen=True):
    """A course as the roster describes it. `key` is what the rows of people name it by."""

    key: str
    title: str
    line: Line
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    subject: str | None = None


class RosterUser(msgspec.Struct, frozen=True):
    """A person. `key` is what the rows of people in courses name somebody by: an external id, or an address in lower case."""

    key: str
    name: str | None
    email: str | None
    role: Role
    line: Line
    external_id: str | None = None


class RosterPlace(msgspec.Struct, frozen=True):
    """That somebody has a part in a course, or where `is_active` is false, that it is over."""

    course: str
    user: str
    part: Part
    line: Line
    is_active: bool = True


class Fault(msgspec.Struct, frozen=True):
    """A row that is not taken."""

    file: str
    line: int
    reason: str


class Overview(NamedTuple):
    """What the first reading of a roster found. All of it is read once before anything is changed."""

    rows: int
    """Of people, courses, and people in courses."""
    source: str
    """The system that the roster is from."""
    mode: Mode
    brings_courses: bool
    """Whether courses are made and changed as the roster says, and a bulk roster speaks of all courses of its source.

    Else it speaks of courses that exist, and of those that it names.
    """
    owners: Mapping[str, str] = {}
    """By course, the person who is to own it: the first teacher who is marked as primary, or else the first one."""
    gone_users: frozenset[str] = frozenset()
    """People who are in no course any more."""
    gone_courses: frozenset[str] = frozenset()
    """Courses in which nobody is any more."""
    is_complete: bool = True
    """Whether each row of people in courses can be read; else nobody is missing for certain."""


class RosterSource(Protocol):
    """A roster in files that can be read more than once. Rows that cannot be taken are passed to `refuse`."""

    overview: Overview

    def users(self, report: "Report") -> Iterator[RosterUser]:
        """Yield the people who are active; who is not active is in no course any more."""

    def courses(self, report: "Report") -> Iterator[RosterCourse]:
        """Yield the courses that are not over."""

    def places(self, report: "Report") -> Iterator[RosterPlace]:
        """Yield who has which part in which course."""


class Options(NamedTuple):
    """How a roster is imported, and for whom; without a caller, for an operator at the command line."""

    caller: Caller | None = None
    client: Client | None = None
    is_dry_run: bool = False
    owner_id: int | None = None
    """Owns new courses that have no teacher."""
    max_rows: int | None = None
    """The most rows that the roster may have; None for no limit."""
    allows_drops: bool = False
    """More than half of the people of a roster may leave their courses at once."""


class Did(StrEnum):
    """What a roster did to something."""

    CREATED = "created"
    CHANGED = "changed"
    DROPPED = "dropped"


class KnownCourse(NamedTuple):
    """A stored course, with what a roster may change of it."""

    id: int
    title: str
    starts_at: Instant | None
    ends_at: Instant | None
    subject: str | None
    source: str | None


class Change(msgspec.Struct, frozen=True):
    """A change of an account, a course, an enrollment or the staff of a course."""

    kind: str
    """user, course, enrollment or staff"""
    did: Did
    name: str
    """Of the user, or of the course."""
    external_id: str | None = None
    user_id: int | None = None
    course_id: int | None = None
    course: str | None = None
    """The title, for enrollments and staff."""
    fields: Mapping[str, tuple[str | None, str | None]] = {}
    """What changed: from and to."""


class Report(msgspec.Struct):
    """What a roster changed, or with a dry run would change, and what of it was not taken."""

    source: str
    mode: Mode
    is_dry_run: bool
    rows: int = 0
    counts: dict[str, dict[str, int]] = {}
    """By kind: created, changed, dropped, unchanged."""
    changes: list[Change] = []
    not_taken: list[Fault] = []
    not_taken_count: int = 0
    left_out: dict[str, int] = {}
    """What Headway has no use for, such as guardians: how many rows of each."""
    _shown: Counter[tuple[str, Did]] = msgspec.field(default_factory=Counter)

    def add(self, change: Change) -> None:
        """Count a change, and list it while there are few of its kind."""
        self._count(change.kind, change.did.value)
        self._list(change)

    def keep(self, kind: str, count: int = 1) -> None:
        """Count what stays as it is."""
        if count:
            self._count(kind, "unchanged", count)

    def refuse(self, line: Line, reason: str) -> None:
        """Note that a row is not taken, and why."""
        self.not_taken_count += 1
        if len(self.not_taken) < MAX_SHOWN_CHANGES:
            self.not_taken.append(Fault(line.file, line.number, reason))

    def leave_out(self, what: str, count: int = 1) -> None:
        """Count rows of which Headway has no use."""
        self.left_out[what] = self.left_out.get(what, 0) + count

    @property
    def has_changes(self) -> bool:
        """Whether anything was changed, or would be."""
        return any(count for counts in self.counts.values() for did, count in counts.items() if did != "unchanged")

    def absorb(self, other: "Report") -> None:
        """Add what another report of a part of the same roster tells."""
        for kind, counts in other.counts.items():
            for did, count in counts.items():
                self._count(kind, did, count)
        for change in other.changes:
            self._list(change)
        self.not_taken_count += other.not_taken_count
        self.not_taken += other.not_taken[: max(0, MAX_SHOWN_CHANGES - len(self.not_taken))]
        for what, count in other.left_out.items():
            self.leave_out(what, count)

    def _list(self, change: Change) -> None:
        self._shown[change.kind, change.did] += 1
        if self._shown[change.kind, change.did] <= MAX_SHOWN_CHANGES:
            self.changes.append(change)

    def _count(self, kind: str, did: str, count: int = 1) -> None:
        self.counts.setdefault(kind, {"created": 0, "changed": 0, "dropped": 0, "unchanged": 0})[did] += count


def check_rows(rows: int, max_rows: int | None) -> None:
    """Reject a roster that takes longer than a request may. Raises Invalid."""
    if max_rows is not None and rows > max_rows:
        message = f"has {rows} rows, more than the {max_rows} that can be uploaded: import it with `headway import roster`"
        raise Invalid.field("file", message)


def describe(error: HeadwayError) -> str:
    """Return in one line why something was refused."""
    return "; ".join(f"{fault.field} {fault.message}" for fault in error.fields) or error.message


def check_source(source: str) -> None:
    """Reject a name of a source that cannot be shown. Raises Invalid."""
    if is_blank(source) or len(source) > MAX_SOURCE or "\0" in source:
        raise Invalid.field("source", f"must have 1 to {MAX_SOURCE} characters")


def account_changes(stored: User, wanted: RosterUser) -> dict[str, tuple[str | None, str | None]]:
    """Return what a roster changes of an account, by field: from and to.

    Accounts that see all data stay as they are, whoever brings the roster. Nobody loses the right to teach by a roster. One
    that names people by their addresses alone changes neither names nor addresses.
    """
    if stored.role.sees_all:
        return {}
    is_known = wanted.external_id is not None
    may_teach = wanted.role.can_teach and not stored.role.can_teach
    fields = (
        ("name", stored.name, wanted.name if is_known else None),
        ("email", stored.email, wanted.email if is_known else None),
        ("externalId", stored.external_id, wanted.external_id if stored.external_id is None else None),
        ("role", stored.role.value, wanted.role.value if may_teach else None),
    )
    return {name: (old, new) for name, old, new in fields if new is not None and new != old}


def course_changes(stored: KnownCourse, wanted: RosterCourse) -> dict[str, tuple[object, object]]:
    """Return what a roster changes of a course, by field: from and to. What it does not tell stays."""
    fields: Sequence[tuple[str, object, object]] = (
        ("title", stored.title, wanted.title),
        ("starts_at", stored.starts_at, wanted.starts_at),
        ("ends_at", stored.ends_at, wanted.ends_at),
        ("subject", stored.subject, wanted.subject),
    )
    return {name: (old, new) for name, old, new in fields if new is not None and new != old}


def drops_too_many(missing: int, placed: int) -> bool:
    """Return whether so many of those whom a roster brought are missing at once that a fault of the file is likely."""
    return missing > FEW and 2 * missing > placed
