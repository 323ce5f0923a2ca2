"""What the use cases see of a database: read and write transactions, of different types so that a read cannot write.

Times are integers (milliseconds since 1970, UTC) on both sides of this interface, whatever the database stores.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias

from headway.storage.dialects import Dialect, RowsStatement, RowValues, Statement, WriteRows

RowsToWrite: TypeAlias = tuple[RowsStatement, RowValues]
"""A statement that writes rows, with the rows."""


class Row(Protocol):
    """One row of a result, by the name or the position of a column."""

    def __getitem__(self, key: str | int, /) -> Any:
        """Give a column's value."""

    def __iter__(self) -> Iterator[Any]:
        """Give all values in order."""


class ReadTransaction(ABC):
    """Statements that see one snapshot of the database."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    @abstractmethod
    async def all(self, statement: Statement, **given: Any) -> Sequence[Row]:
        """Run a statement and give all its rows. A set of rows is given as a list of tuples."""

    async def first(self, statement: Statement, **given: Any) -> Row | None:
        """Give the first row, or None."""
        found = await self.all(statement, **given)
        return found[0] if found else None

    async def one(self, statement: Statement, **given: Any) -> Row:
        """Give the only row of a statement that always has one."""
        (row,) = await self.all(statement, **given)
        return row


class WriteTransaction(ReadTransaction):
    """Statements that are committed together or not at all."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._after_commit: list[Callable[[], None]] = []

    @abstractmethod
    async def run(self, statement: Statement, **given: Any) -> int:
        """Run a statement and say how many rows it touched."""

    @abstractmethod
    async def write_rows(self, *writes: RowsToWrite) -> None:
        """Write many rows, each statement's in the order of its columns; several statements, on different tables, at once."""

    @abstractmethod
    async def insert_new(self, statement: WriteRows, values: RowValues) -> set[tuple[Any, ...]]:
        """Insert the rows whose primary key is not there yet and give the keys of those.

        The key's columns must be the first ones of the statement. Safe against others that insert the same keys meanwhile.
        """

    @abstractmethod
    async def lock_course(self, course_id: int) -> None:
        """Wait until nobody records anything in a course, and keep others from it until the transaction ends."""

    def after_commit(self, action: Callable[[], None]) -> None:
        """Have something done once the transaction is committed; it is not done if it fails."""
        self._after_commit.append(action)

    def committed(self) -> None:
        """Do what was to be done after the commit; called by the database."""
        for action in self._after_commit:
            action()


class Database(ABC):
    """One of the two databases. It is opened in the event loop that uses it."""

    dialect: Dialect
    useful_writers: int
    """How many write transactions of one process get more done than one: they wait for the database in turn."""

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises Unavailable if the database cannot be reached."""

    @abstractmethod
    def read(self) -> AbstractAsyncContextManager[ReadTransaction]:
        """Open a read-only snapshot. Raises Unavailable while the database cannot be reached."""

    @abstractmethod
    def write(self, *, in_courses: Collection[int] = ()) -> AbstractAsyncContextManager[WriteTransaction]:
        """Open a transaction, committed at the end of the block, rolled back if it raises.

        Until it ends nobody else changes the courses `in_courses`: whoever changes a course takes `lock_course` first.
        Raises Unavailable while the database cannot be reached, or cannot say whether it committed.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of all connections."""
