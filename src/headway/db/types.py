"""Column types and conventions of all tables: one schema for SQLite and PostgreSQL.

Every learner-owned table has the learner's id first in its primary key and in each unique constraint, so that it can be
partitioned by learner. Times are `timestamptz` on PostgreSQL and integers (milliseconds) on SQLite; both drivers return
integers. JSON is text that only Headway writes.
"""

from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from sqlalchemy import BigInteger, CheckConstraint, Column, ColumnElement, Index, Integer, MetaData, Sequence, Table, Text, true
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class NamedValues(Protocol):
    """The values of a row by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column's value."""


PeopleOf: TypeAlias = Callable[[NamedValues, str], Collection[int]]

Timestamp: TypeEngine[int] = BigInteger().with_variant(TIMESTAMP(timezone=True), "postgresql")
Id: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column of type INTEGER."""

CodePointText: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that both databases sort by code points, so that a range holds the same on both."""

ENCRYPTED_ROWS = "encrypted_rows"
"""In a column's `info`: a function from its table to the condition of the rows that are encrypted."""

PEOPLE = "people"
"""In a column's `info`: a function from a row, by names, and the decrypted text to the ids of the people it is of."""

ONLY_ON = "only_on"
"""In an index's `info`: the one database that has it."""

UPDATED_IN_PLACE, UPDATED_TOGETHER = {"fillfactor": 80}, {"fillfactor": 60}
"""Leave room in the pages of rows that almost every event rewrites, so that PostgreSQL can update them in place (HOT).

A transaction that updates most rows of a page needs room for all their new versions: there is more where it does so often.
"""


def id_sequence(table: str) -> Sequence:
    """Return the sequence of a column `id` that `WriteTransaction.new_ids` fills; SQLite counts in `revisions` instead."""
    return Sequence(f"ids_of_{table}", metadata=metadata)


def encrypted_column(
    name: str,
    *,
    nullable: bool = False,
    rows: Callable[[Table], ColumnElement[bool]] | None = None,
    people: PeopleOf | None = None,
    comment: str = "encrypted",
) -> Column[str]:
    """Describe a column of encrypted text, which key rotation encrypts anew: in all rows, or in those that `rows` selects.

    With `people`, the texts are encrypted under the keys of the people they are of; rotation leaves those as they are.
    """
    info = {ENCRYPTED_ROWS: rows or (lambda _table: true()), PEOPLE: people}
    return Column(name, Text, nullable=nullable, comment=comment, info=info)


def only_on(dialect: str, index: Index) -> Index:
    """Return an index that one of the two databases has alone."""
    index.info[ONLY_ON] = dialect
    index.ddl_if(dialect=dialect)
    return index


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """Return the constraint that a column holds one of these values."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(v)) for v in values)})", name=column)
