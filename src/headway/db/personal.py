"""What is known of a person, read from tables a part at a time: the form in which rooms bring it to an export of all of it.

A room lists its `Section`s in its `export_store`. A `TableSection` tells all columns of a table but those that it names with a
reason, so a new column is told without further ado.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from sqlalchemy import Boolean, Column, ColumnElement, Select, Table, bindparam, select, tuple_

from headway.db.database import ReadTransaction, Row
from headway.db.personal_keys import PersonalTexts, reader
from headway.db.types import ENCRYPTED_ROWS, Id, Timestamp
from headway.errors import camel_case
from headway.identity import UserIds
from headway.instants import DAY, Day, iso, to_datetime

Record = dict[str, Any]
"""A row as it is told, by names in camelCase: ready to be written as JSON."""
Place = Any
"""Where a part ends, as the section notes it."""
Writer = Callable[[Any], Any]
AT_ONCE = 500
"""Rows are read so many at a time."""
_HUNDREDTHS = 100


class Person(NamedTuple):
    """Of whom something is told."""

    ids: UserIds
    email: str | None

    @property
    def id(self) -> int:
        """The id of the account."""
        return self.ids.id


class Part(NamedTuple):
    """Some records of a section, and where the next part begins; None at the end."""

    records: list[Record]
    next: Place | None
    missing: Sequence[Record] = ()
    """What should have been told, and cannot be read."""


class Section(Protocol):
    """A kind of thing that is known of people."""

    @property
    def name(self) -> str:
        """The name, by which its files are named."""

    @property
    def tables(self) -> Sequence[str]:
        """The tables whose rows of a person it tells."""

    @property
    def is_of_staff(self) -> bool:
        """Whether it is what staff noted for each other about a person, who does not see it otherwise."""

    @property
    def people(self) -> Sequence[str]:
        """The fields, but for their ending `Id`, with ids of others whom the person sees by name."""

    async def read(self, tx: ReadTransaction, person: Person, place: Place | None) -> Part:
        """Read the first part, or the one that begins at a place."""


class TableSection:
    """The rows of a table that are of one person, in the order of a key."""

    def __init__(  # noqa: PLR0913 - what can be said of a table
        self,
        name: str,
        table: Table,
        key: Sequence[str],
        *,
        of: ColumnElement[bool] | None = None,
        without: Mapping[str, str] | None = None,
        written: Mapping[str, Writer] | None = None,
        is_of_staff: bool = False,
        people: Sequence[str] = (),
    ) -> None:
        """Describe the rows with the condition `of`, in which `person` is a parameter: by default, those with this `user_id`.

        `without` names columns that are not told, with the reason; `written` how values of others are written, but null.
        `key` follows `user_id` in the primary key, or is what orders the rows that `of` finds.
        """
        self.name, self.tables = name, (table.name,)
        self.is_of_staff, self.people = is_of_staff, people
        self.without = without or {}
        self._key = tuple(key)
        told = [column for column in table.c if column.name not in self.without]
        self._writers = {each.name: (camel_case(each.name), (written or {}).get(each.name, _writer(each))) for each in told}
        self._encrypted = [column.name for column in told if ENCRYPTED_ROWS in column.info]
        columns = [column for column in table.c if column.name in self._writers or column.name in self._key]
        condition = table.c.user_id == bindparam("person", type_=Id) if of is None else of
        order = [table.c[each] for each in self._key]
        self.first: Select[Any] = select(*columns).where(condition).order_by(*order).limit(AT_ONCE)
        after = [bindparam(f"after_{each.name}", type_=each.type) for each in order]
        self.rest = (
            self.first.where(tuple_(*order) > tuple_(*after)) if len(order) > 1 else self.first.where(order[0] > after[0])
        )

    async def read(self, tx: ReadTransaction, person: Person, place: Place | None) -> Part:
        """Read the first rows, or those after a key."""
        of_person = await self.parameters(tx, person)
        if of_person is None:
            return Part([], None)
        if place is None:
            found = await tx.all(self.first, **of_person)
        else:
            found = await tx.all(self.rest, **of_person, **{f"after_{name}": place[name] for name in self._key})
        last = {name: found[-1][name] for name in self._key} if len(found) == AT_ONCE else None
        personal = await reader(tx, [row[name] for row in found for name in self._encrypted])
        return Part([self._record(personal, row) for row in found], last)

    async def parameters(self, _tx: ReadTransaction, person: Person) -> dict[str, Any] | None:
        """Return the parameters of the condition; None if there can be no rows."""
        return {"person": person.id}

    def _record(self, personal: PersonalTexts, row: Row) -> Record:
        values = {name: row[name] for name in self._writers}
        for name in self._encrypted:
            values[name] = personal.text_if(values[name])
        return {
            said: value if value is None or write is None else write(value)
            for (said, write), value in zip(self._writers.values(), values.values(), strict=True)
        }


def json_of(text: str) -> Any:
    """Return JSON that is stored as text, to be written as it is; a text that is no JSON stays a text."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    return msgspec.Raw(text.encode())


def hundredths_of(value: int) -> float:
    """Return a percent that is stored in hundredths."""
    return value / _HUNDREDTHS


def day_of(day: Day) -> str:
    """Return a day in UTC as a date."""
    return to_datetime(day * DAY).date().isoformat()


def _writer(column: Column[Any]) -> Writer | None:
    if column.type is Timestamp:
        return iso
    # SQLite has no booleans.
    return bool if isinstance(column.type, Boolean) else None
