"""One import of a roster: what it knows by now, and how each part is compared with what is stored, and then stored."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from headway.accounts.service import Accounts
from headway.audit.model import Act
from headway.audit.service import AuditRecorder
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.db.repeating import repeated
from headway.enrollments.enrolling import Enrolling
from headway.enrollments.foresight import Foresight
from headway.enrollments.service import Enrollments
from headway.enrollments.staff import CourseStaff
from headway.instants import Clock
from headway.learning.course_editing import CourseEditing
from headway.rosters.model import Options, Overview, Report
from headway.rosters.store import Placed

Item = TypeVar("Item")
AT_ONCE = 500
"""How many rows are compared and stored in a transaction."""
Advance = Callable[[int], None]
"""Called with the number of further rows that are done."""


class Rooms(NamedTuple):
    """The services that a roster is imported with."""

    database: Database
    clock: Clock
    accounts: Accounts
    course_editing: CourseEditing
    course_staff: CourseStaff
    enrollments: Enrollments
    enrolling: Enrolling
    audit: AuditRecorder


class Run:
    """What an import has learned. In a dry run, what would be created has a negative id."""

    def __init__(self, rooms: Rooms, overview: Overview, options: Options) -> None:
        self.rooms = rooms
        self.overview = overview
        self.options = options
        self.now = rooms.clock()
        self.report = Report(overview.source, overview.mode, options.is_dry_run, rows=overview.rows)
        self.user_ids: dict[str, int] = {}
        """Of accounts, by the keys of people in the roster."""
        self.people: set[str] = set()
        """The keys of the people in the roster so far."""
        self.addresses: dict[str, str] = {}
        """Of the people in the roster so far: whose each one is."""
        self.strangers: set[str] = set()
        """Addresses that no account has, and that have no name: they are invited."""
        self.disabled: set[int] = set()
        self.classes: set[str] = set()
        """The keys of the courses in the roster so far."""
        self.course_ids: dict[str, int] = {}
        """By the keys of courses in the roster."""
        self.titles: dict[int, str] = {}
        self.owners: set[tuple[int, int]] = set()
        """(user_id, course_id) of the courses that this import made."""
        self.seen: set[Placed] = set()
        """Who the roster has in which course."""
        self.left: set[Placed] = set()
        """Who leaves because a row says so."""
        self.noted = 0
        """How many more places the roster has by now than before."""
        self.foresight = Foresight(self.now)
        """What a dry run would have changed by now; nothing in an import."""
        self.freed: set[str] = set()
        """In a dry run, the addresses that would not be those of their accounts any more."""
        self._last_id = 0

    def next_id(self) -> int:
        """Return the id of something that a dry run would create."""
        self._last_id -= 1
        return self._last_id


class Step(ABC, Generic[Item]):
    """Compares some rows of a roster with what is stored, and changes that.

    What is stored follows in transactions of their own, each about as little as is locked together.
    """

    def __init__(self, run: Run, *, is_first: bool = True) -> None:
        self.run = run
        self.is_first = is_first
        """Whether rows are compared for the first time, and not again in the transaction that stores what they say."""
        self.draft = Report(run.report.source, run.report.mode, run.options.is_dry_run)
        self.acts: list[Act] = []
        """For the audit log, which is written last."""
        self.work: list[Item] = []
        """The rows of which something is to be stored."""

    @abstractmethod
    async def compare(self, tx: ReadTransaction, items: Sequence[Item]) -> None:
        """Find out which of the rows are `work`, and note what the others say."""

    @abstractmethod
    async def store(self, tx: WriteTransaction) -> None:
        """Store what is to be stored."""

    @abstractmethod
    async def foresee(self, tx: ReadTransaction) -> None:
        """Report what `store` would do, and what it would refuse."""

    @abstractmethod
    def note(self) -> None:
        """Pass to the run what has been learned."""

    def groups(self) -> Iterable[Sequence[Item]]:
        """Return the work in parts that are stored together."""
        return [self.work] if self.work else []


async def take(kind: type[Step[Item]], run: Run, items: Sequence[Item]) -> None:
    """Take a step: where nothing is to be stored, nothing is locked. A dry run goes the same way, and only reads."""
    step = kind(run)
    async with run.rooms.database.read() as reading:
        await step.compare(reading, items)
        _finish(step)
        for group in step.groups() if run.options.is_dry_run else ():
            part = kind(run, is_first=False)
            await part.compare(reading, group)
            await part.foresee(reading)
            _finish(part)
    for group in () if run.options.is_dry_run else step.groups():
        _finish(await repeated(partial(_store, kind, run, group)))


async def _store(kind: type[Step[Item]], run: Run, group: Sequence[Item]) -> Step[Item]:
    part = kind(run, is_first=False)
    async with run.rooms.database.write() as tx:
        await part.compare(tx, group)
        await part.store(tx)
        await run.rooms.audit.record_all_for(tx, run.options.caller, part.acts, run.options.client)
    return part


def _finish(step: Step[Item]) -> None:
    step.note()
    step.run.report.absorb(step.draft)


def some(items: Iterable[Item], count: int = AT_ONCE) -> Iterator[list[Item]]:
    """Yield items in lists of up to so many."""
    rest = iter(items)
    while found := list(islice(rest, count)):
        yield found


def grouped(items: Iterable[Item], key: Callable[[Item], object]) -> Iterator[list[Item]]:
    """Yield items in lists with the same key, each of up to AT_ONCE."""
    groups: dict[object, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    for group in groups.values():
        yield from some(group)
