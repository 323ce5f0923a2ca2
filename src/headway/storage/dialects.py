"""The only place where SQLite and PostgreSQL differ: how statements are compiled, and how many rows go in at once.

A statement is a SQLAlchemy Core construct, made once at import. It is compiled once per dialect and run on the raw driver.
Sets of rows go in as one parameter: on PostgreSQL an array for each column, on SQLite a JSON text where rows are looked up and
the driver's `executemany` where they are written (measured at half the cost of JSON).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ARRAY, FromClause, Table, and_, bindparam, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg as postgresql_asyncpg
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine.interfaces import Dialect as SqlDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

RowValues = Sequence[tuple[Any, ...]]


class _RowSource(FunctionElement[Any]):
    """A set of rows given as a parameter; see `rows`."""

    inherit_cache = False

    def __init__(self, name: str, columns: Mapping[str, TypeEngine[Any]]) -> None:
        self.parameter = name
        self.column_types = dict(columns)
        super().__init__()


@compiles(_RowSource, "postgresql")
def _unnest(element: _RowSource, compiler: SQLCompiler, **options: Any) -> str:
    arrays = ", ".join(
        compiler.process(bindparam(f"{element.parameter}__{i}", type_=ARRAY(kind)), **options)
        for i, kind in enumerate(element.column_types.values())
    )
    return f"(SELECT * FROM unnest({arrays}) AS source({', '.join(element.column_types)}))"  # noqa: S608 - column names


@compiles(_RowSource, "sqlite")
def _json_each(element: _RowSource, compiler: SQLCompiler, **options: Any) -> str:
    rows_as_json = compiler.process(bindparam(f"{element.parameter}__json"), **options)
    columns = ", ".join(f"json_extract(value, '$[{i}]') AS {name}" for i, name in enumerate(element.column_types))
    return f"(SELECT {columns} FROM json_each({rows_as_json}))"  # noqa: S608 - column names


def rows(name: str, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """Make a set of rows to select from or join; it is given at run time as the parameter `name`, a list of tuples."""
    return _RowSource(name, columns).table_valued(*columns, name=name)


class WriteRows:
    """An INSERT of many rows. Where the primary key exists, either nothing happens or the columns `update` are overwritten."""

    def __init__(self, table: Table, columns: Sequence[str], *, update: Sequence[str] = ()) -> None:
        self.table, self.columns, self.update = table, tuple(columns), tuple(update)

    @cached_property
    def keys_that_exist(self) -> ClauseElement:
        """A SELECT of those primary keys, given as the set of rows `keys`, that are in the table."""
        key = list(self.table.primary_key)
        given = rows("keys", {column.name: column.type for column in key})
        matches = and_(*(column == given.c[column.name] for column in key))
        return select(*key).select_from(given).join(self.table, matches)

    def statement(self, source: Callable[[Mapping[str, TypeEngine[Any]]], FromClause] | None) -> ClauseElement:
        """Build it: from a set of rows, or for one row with a bind parameter for each column."""
        key = [column.name for column in self.table.primary_key]
        types = {name: self.table.c[name].type for name in self.columns}
        if source is None:
            statement = insert(self.table).values({name: bindparam(name) for name in self.columns})
        else:
            given = source(types)
            statement = insert(self.table).from_select(list(self.columns), select(*(given.c[n] for n in self.columns)))
        if self.update:
            return statement.on_conflict_do_update(
                index_elements=key, set_={name: statement.excluded[name] for name in self.update}
            )
        return statement.on_conflict_do_nothing(index_elements=key)


class UpdateRows:
    """An UPDATE of many rows by their primary key; each row gives the new values first, then the key."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self.table, self.changed = table, tuple(columns)
        self.key = tuple(column.name for column in table.primary_key)
        self.columns = self.changed + self.key

    def statement(self, source: Callable[[Mapping[str, TypeEngine[Any]]], FromClause] | None) -> ClauseElement:
        """Build it: from a set of rows, or for one row with a bind parameter for each column."""
        if source is None:
            # The parameters of an UPDATE may not be named like its columns.
            values: dict[str, Any] = {name: bindparam(f"to_{name}", type_=self.table.c[name].type) for name in self.changed}
            keys: list[Any] = [bindparam(f"to_{name}", type_=self.table.c[name].type) for name in self.key]
        else:
            given = source({name: self.table.c[name].type for name in self.columns})
            values = {name: given.c[name] for name in self.changed}
            keys = [given.c[name] for name in self.key]
        return update(self.table).values(values).where(*(self.table.c[n] == k for n, k in zip(self.key, keys, strict=True)))


Statement = ClauseElement | WriteRows | UpdateRows


class _Slot(NamedTuple):
    """Where one positional parameter comes from: a plain value, a column of a set of rows, or the set as JSON."""

    name: str
    column: int | None
    default: Any


class Compiled(NamedTuple):
    """A statement as text with its positional parameters."""

    sql: str
    slots: tuple[_Slot, ...]
    arrange: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None
    """For writing many rows one by one: puts a row's values in the order of the positions."""

    def bind(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """Put the given parameters in their positions."""
        values: list[Any] = []
        transposed: dict[str, list[tuple[Any, ...]]] = {}
        for name, column, default in self.slots:
            if column is None:
                values.append(given.get(name, default))
            elif column < 0:
                values.append(msgspec.json.encode(given[name]).decode())
            else:
                if name not in transposed:
                    transposed[name] = list(zip(*given[name], strict=True))
                values.append(transposed[name][column] if transposed[name] else ())
        return tuple(values)


class Dialect:
    """One of the two databases: it compiles statements and remembers them."""

    def __init__(self, sql_dialect: SqlDialect) -> None:
        self._dialect = sql_dialect
        self.name = sql_dialect.name
        self._compiled: dict[int, tuple[Statement, Compiled]] = {}

    def compile(self, statement: Statement) -> Compiled:
        """Give the statement's text for this database, compiling it the first time."""
        known = self._compiled.get(id(statement))
        if known is None:
            # The statement is kept beside its text: its identity must not be given to another while the text is remembered.
            known = self._compiled[id(statement)] = (statement, self._compile(statement))
        return known[1]

    def _compile(self, statement: Statement) -> Compiled:
        columns = statement.columns if isinstance(statement, WriteRows | UpdateRows) else ()
        if isinstance(statement, WriteRows | UpdateRows):
            as_arrays = self.name == "postgresql"
            statement = statement.statement((lambda types: rows("rows", types)) if as_arrays else None)
        compiled = statement.compile(dialect=self._dialect)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - tells the type checker what Core statements compile to
        slots = tuple(_slot(name, compiled.params.get(name)) for name in compiled.positiontup or ())
        arrange = None
        if columns and self.name == "sqlite":
            arrange = itemgetter(*(columns.index(slot.name.removeprefix("to_")) for slot in slots))
        return Compiled(str(compiled), slots, arrange)


def _slot(name: str, default: Any) -> _Slot:
    base, mark, column = name.rpartition("__")
    if mark and column == "json":
        return _Slot(base, -1, None)
    if mark and column.isdigit():
        return _Slot(base, int(column), None)
    return _Slot(name, None, default)


def postgresql() -> Dialect:
    """PostgreSQL through asyncpg."""
    return Dialect(postgresql_asyncpg.dialect())  # type: ignore[no-untyped-call]


def sqlite3() -> Dialect:
    """SQLite through the standard library."""
    return Dialect(sqlite.dialect(paramstyle="qmark"))
