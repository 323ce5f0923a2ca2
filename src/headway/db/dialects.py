"""The only place where SQLite and PostgreSQL differ: how statements are compiled, and how many rows go in at once.

A statement is a SQLAlchemy Core construct, made once at import. It is compiled once per dialect and run on the raw driver.
Sets of rows go in at once: on PostgreSQL each column as the text of an array (asyncpg's own arrays were measured to cost three
times the processor time), on SQLite all as one JSON text where rows are looked up, and by the driver's `executemany` where they
are written, at half the cost of JSON.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, FromClause, Table, Text, Update, and_, bindparam, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import asyncpg as postgresql_asyncpg
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.engine.interfaces import Dialect as SqlDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

insert = postgresql_insert
"""Build an INSERT for either database: SQLite writes ON CONFLICT and RETURNING as PostgreSQL does."""

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
    arrays, columns = [], []
    for i, (name, kind) in enumerate(element.column_types.items()):
        type_name = compiler.dialect.type_compiler_instance.process(kind)
        form = "text" if type_name == "TEXT" else "json"
        array = compiler.process(bindparam(f"{element.parameter}__{form}_{i}", type_=Text()), **options)
        is_moment = type_name.startswith("TIMESTAMP")
        arrays.append(f"{array}::{'BIGINT' if is_moment else type_name}[]")
        # Whole seconds first: a double is too short for the milliseconds of far years.
        moment = f"to_timestamp({name} / 1000) + {name} % 1000 * interval '1 millisecond' AS {name}"
        columns.append(moment if is_moment else name)
    names = ", ".join(element.column_types)
    return f"(SELECT {', '.join(columns)} FROM unnest({', '.join(arrays)}) AS source({names}))"  # noqa: S608 - column names


@compiles(_RowSource, "sqlite")
def _json_each(element: _RowSource, compiler: SQLCompiler, **options: Any) -> str:
    rows_as_json = compiler.process(bindparam(f"{element.parameter}__rows"), **options)
    columns = ", ".join(f"json_extract(value, '$[{i}]') AS {name}" for i, name in enumerate(element.column_types))
    return f"(SELECT {columns} FROM json_each({rows_as_json}))"  # noqa: S608 - column names


def rows(name: str, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """Make a set of rows to select from or join; it is given at run time as the parameter `name`, a list of tuples."""
    return _RowSource(name, columns).table_valued(*columns, name=name)


class WriteRows:
    """An INSERT of many rows. Where the primary key exists, the columns `update` are overwritten, what is given for those of
    `add` is added to what is there, and if there are neither nothing happens.
    """

    def __init__(self, table: Table, columns: Sequence[str], *, update: Sequence[str] = (), add: Sequence[str] = ()) -> None:
        self.table, self.columns, self.update, self.add = table, tuple(columns), tuple(update), tuple(add)

    @cached_property
    def keys_that_exist(self) -> ClauseElement:
        """A SELECT of those primary keys, given as the set of rows `keys`, that are in the table."""
        key = list(self.table.primary_key)
        given = rows("keys", {column.name: column.type for column in key})
        matches = and_(*(column == given.c[column.name] for column in key))
        return select(*key).select_from(given).join(self.table, matches)

    def for_one_row(self) -> Insert:
        """Build it with a bind parameter for each column."""
        return self._or_else(insert(self.table).values({name: bindparam(name) for name in self.columns}))

    def from_rows(self, name: str) -> Insert:
        """Build it from the set of rows `name`."""
        given = rows(name, {column: self.table.c[column].type for column in self.columns})
        return self._or_else(
            insert(self.table).from_select(list(self.columns), select(*(given.c[column] for column in self.columns)))
        )

    def _or_else(self, statement: Insert) -> Insert:
        key = [column.name for column in self.table.primary_key]
        changed: dict[str, Any] = {name: statement.excluded[name] for name in self.update}
        changed |= {name: self.table.c[name] + statement.excluded[name] for name in self.add}
        if changed:
            return statement.on_conflict_do_update(index_elements=key, set_=changed)
        return statement.on_conflict_do_nothing(index_elements=key)


class UpdateRows:
    """An UPDATE of many rows by their primary key; each row gives the new values first, then the key."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self.table, self.changed = table, tuple(columns)
        self.key = tuple(column.name for column in table.primary_key)
        self.columns = self.changed + self.key

    def for_one_row(self) -> Update:
        """Build it with a bind parameter for each column, named `to_…`: they may not be named like the columns."""
        return self._set({name: bindparam(f"to_{name}", type_=self.table.c[name].type) for name in self.columns})

    def from_rows(self, name: str) -> Update:
        """Build it from the set of rows `name`."""
        given = rows(name, {column: self.table.c[column].type for column in self.columns})
        return self._set({column: given.c[column] for column in self.columns})

    def _set(self, values: Mapping[str, ColumnElement[Any]]) -> Update:
        changed = {name: values[name] for name in self.changed}
        return update(self.table).values(changed).where(*(self.table.c[name] == values[name] for name in self.key))


Statement = ClauseElement | WriteRows | UpdateRows
RowsStatement = WriteRows | UpdateRows


class _Slot(NamedTuple):
    """Where one positional parameter comes from: a plain value, a set of rows as JSON, or one of its columns as an array."""

    name: str
    form: str
    column: int
    default: Any


class Compiled(NamedTuple):
    """A statement as text with its positional parameters."""

    sql: str
    slots: tuple[_Slot, ...]
    arrange: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None
    """For writing many rows one by one: puts a row's values in the order of the positions."""

    def bind(self, given: Mapping[str, Any]) -> list[Any]:
        """Put the given parameters in their positions."""
        values: list[Any] = []
        columns: dict[str, list[tuple[Any, ...]]] = {}
        for name, form, column, default in self.slots:
            if not form:
                values.append(given.get(name, default))
            elif form == "rows":
                values.append(msgspec.json.encode(given[name]).decode())
            else:
                if name not in columns:
                    columns[name] = list(zip(*given[name], strict=True))
                values.append(_array(columns[name][column], form) if columns[name] else "{}")
        return values


def _array(values: Sequence[Any], form: str) -> str:
    """Write values as the text of a PostgreSQL array; numbers and booleans are written there as they are in JSON."""
    if form == "json":
        return "{" + msgspec.json.encode(values).decode()[1:-1] + "}"
    return "{" + ",".join("NULL" if text is None else _quoted(text) for text in values) + "}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


class Dialect:
    """One of the two databases: it compiles statements and remembers them."""

    def __init__(self, sql_dialect: SqlDialect) -> None:
        self._dialect = sql_dialect
        self.name = sql_dialect.name
        # The statements are kept beside their text: their identities must not be given to others while it is remembered.
        self._compiled: dict[int | tuple[int, ...], tuple[object, Compiled]] = {}

    def compile(self, statement: Statement) -> Compiled:
        """Give the statement's text for this database, compiling it the first time; one that writes rows, for one row."""
        known = self._compiled.get(id(statement))
        if known is None:
            known = self._compiled[id(statement)] = (statement, self._compile(statement))
        return known[1]

    def compile_together(self, statements: Sequence[RowsStatement]) -> Compiled:
        """Give one text that writes the sets of rows `rows0`, `rows1`, … of several statements on different tables."""
        identity = tuple(map(id, statements))
        known = self._compiled.get(identity)
        if known is None:
            built = [each.from_rows(f"rows{i}") for i, each in enumerate(statements)]
            together = built[-1].add_cte(*(part.cte(f"part{i}") for i, part in enumerate(built[:-1])))
            known = self._compiled[identity] = (tuple(statements), self._compile(together))
        return known[1]

    def _compile(self, statement: Statement) -> Compiled:
        columns = statement.columns if isinstance(statement, WriteRows | UpdateRows) else ()
        if isinstance(statement, WriteRows | UpdateRows):
            statement = statement.for_one_row()
        compiled = statement.compile(dialect=self._dialect)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - tells the type checker what Core statements compile to
        slots = tuple(_slot(name, compiled.params.get(name)) for name in compiled.positiontup or ())
        arrange = itemgetter(*(columns.index(slot.name.removeprefix("to_")) for slot in slots)) if columns else None
        return Compiled(str(compiled), slots, arrange)


def _slot(name: str, default: Any) -> _Slot:
    base, mark, rest = name.rpartition("__")
    if not mark:
        return _Slot(name, "", 0, default)
    form, _, column = rest.partition("_")
    return _Slot(base, form, int(column or 0), None)


def postgresql() -> Dialect:
    """PostgreSQL through asyncpg."""
    return Dialect(postgresql_asyncpg.dialect())  # type: ignore[no-untyped-call]


def sqlite3() -> Dialect:
    """SQLite through the standard library."""
    return Dialect(sqlite.dialect(paramstyle="qmark"))
