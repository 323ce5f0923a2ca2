"""Where SQLite and PostgreSQL differ: how statements compile, and how sets of rows are passed.

A statement is a SQLAlchemy Core construct, made once at import, compiled once per dialect, and run on the raw driver.
PostgreSQL gets each column of a set of rows as the text of an array: asyncpg's own arrays were measured to cost three times
the processor time. SQLite gets the set as one JSON text to look rows up, and by `executemany` to write them, at half the
cost of JSON.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, Select, Table, Text, and_, bindparam, delete, func, literal_column, select, tuple_, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import asyncpg as postgresql_asyncpg
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.engine.interfaces import Dialect as SqlDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement, ColumnElement, Delete, FromClause, Join, Update
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import NamedFromClause
from sqlalchemy.types import TypeEngine

insert = postgresql_insert
"""Build an INSERT for either database: SQLite writes ON CONFLICT and RETURNING as PostgreSQL does."""

RowValues = Sequence[tuple[Any, ...]]

_ARRAY_FORMS = {"TEXT": "text", "BYTEA": "bytes"}
"""How values of a type are written in an array, if not as in JSON."""


class _RowSource(FunctionElement[Any]):
    """A set of rows as a parameter; see `rows`."""

    inherit_cache = False

    def __init__(self, name: str, columns: Mapping[str, TypeEngine[Any]]) -> None:
        self.parameter = name
        self.column_types = dict(columns)
        super().__init__()


@compiles(_RowSource, "postgresql")
def _unnest(element: _RowSource, compiler: SQLCompiler, **options: Any) -> str:
    arrays, columns = [], []
    for i, (name, kind) in enumerate(element.column_types.items()):
        type_name = compiler.dialect.type_compiler_instance.process(kind).partition(" COLLATE ")[0]
        form = _ARRAY_FORMS.get(type_name, "json")
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
    # The limit keeps SQLite from merging the subquery with the rest, which would read a value anew wherever it is compared.
    return f"(SELECT {columns} FROM json_each({rows_as_json}) LIMIT -1)"  # noqa: S608 - column names


def rows(name: str, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """Return a set of rows to select from or join; its value is the parameter `name`, a list of tuples."""
    return _RowSource(name, columns).table_valued(*columns, name=name)


class _Lookup(Join):
    """A join that looks rows of its right side up for each row on its left; see `lookup`."""

    inherit_cache = False
    left: FromClause
    right: NamedFromClause
    onclause: ColumnElement[bool]
    is_locking: bool


@compiles(_Lookup, "postgresql")
def _lateral(element: _Lookup, compiler: SQLCompiler, **options: Any) -> str:
    left, table = (compiler.process(side, **options | {"asfrom": True}) for side in (element.left, element.right))
    condition = compiler.process(element.onclause, **options | {"asfrom": False})
    name, lock = element.right.name, " FOR UPDATE" if element.is_locking else ""
    found = f"SELECT {name}.* FROM {table} WHERE {condition} OFFSET 0{lock}"  # noqa: S608 - compiled from our own statements
    return f"{left} {'LEFT ' if element.isouter else ''}JOIN LATERAL ({found}) AS {name} ON true"


@compiles(_Lookup, "sqlite")
def _in_written_order(element: _Lookup, compiler: SQLCompiler, **options: Any) -> str:
    left, table = (compiler.process(side, **options | {"asfrom": True}) for side in (element.left, element.right))
    condition = compiler.process(element.onclause, **options | {"asfrom": False})
    return f"{left} {'LEFT' if element.isouter else 'CROSS'} JOIN {table} ON {condition}"


def lookup(
    left: FromClause,
    table: NamedFromClause,
    condition: ColumnElement[bool],
    *,
    is_outer: bool = False,
    is_locking: bool = False,
) -> FromClause:
    """Join a table whose rows are looked up, by an index, for each row of `left`: of a set of rows, or of another lookup.

    Select from it as from a join. With a plain join the planner of PostgreSQL may as well go through the whole table and
    look each of its rows up among the keys, which is cheaper while there are a few, and keep that plan when there are
    millions. OFFSET 0 keeps it from merging the subquery with the rest; SQLite runs a CROSS JOIN in the order in which it is
    written. With `is_outer` the columns are null where there is no such row; `is_locking` locks the rows that are found, in
    the order of `left`.
    """
    join = _Lookup(left, table, condition, isouter=is_outer)
    join.is_locking = is_locking
    return join


class _Each(FunctionElement[Any]):
    """A value as PostgreSQL compares it with an indexed column; see `_is_key`."""

    inherit_cache = False


@compiles(_Each, "postgresql")
def _any_of_one(element: _Each, compiler: SQLCompiler, **options: Any) -> str:
    return f"ANY(ARRAY[{compiler.process(element.clauses, **options)}])"


@compiles(_Each, "sqlite")
def _itself(element: _Each, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


def _is_key(column: Column[Any], value: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a column equals a value, by which the rows of an UPDATE or DELETE can only be looked up.

    They cannot be in a `lookup`, and a plain equality lets PostgreSQL begin with the whole table. An equality with any
    element of an array uses an index too, but no way of joining begins with the table.
    """
    return column == _Each(value)


class EitherWay(ColumnElement[bool]):
    """A condition that is written in one way for PostgreSQL and in another for SQLite."""

    inherit_cache = False

    def __init__(self, postgresql: ColumnElement[bool], sqlite: ColumnElement[bool]) -> None:
        self.by_dialect = {"postgresql": postgresql, "sqlite": sqlite}


@compiles(EitherWay)
def _one_way(element: EitherWay, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.by_dialect[compiler.dialect.name], **options)


def is_one_of(column: ColumnElement[Any], found: Select[Any]) -> ColumnElement[bool]:
    """Return the condition that a column has one of the values that a SELECT finds, by which rows can only be looked up.

    PostgreSQL gets them as an array, because it may join IN with the whole table.
    """
    return EitherWay(column == func.any(func.array(found.scalar_subquery())), column.in_(found))


class WriteRows:
    """An INSERT of many rows. If the primary key exists, it overwrites the columns `update` and adds to the columns `add`;
    without either it does nothing.
    """

    def __init__(self, table: Table, columns: Sequence[str], *, update: Sequence[str] = (), add: Sequence[str] = ()) -> None:
        self.table, self.columns, self.update, self.add = table, tuple(columns), tuple(update), tuple(add)

    @cached_property
    def keys_that_exist(self) -> ClauseElement:
        """A SELECT of those primary keys of the set of rows `keys` that exist."""
        key = list(self.table.primary_key)
        keys = rows("keys", {column.name: column.type for column in key})
        matches = and_(*(column == keys.c[column.name] for column in key))
        return select(*key).select_from(lookup(keys, self.table, matches))

    def for_one_row(self) -> Insert:
        """Build it with a bind parameter for each column."""
        return self._or_else(insert(self.table).values({name: bindparam(name) for name in self.columns}))

    def from_rows(self, name: str) -> Insert:
        """Build it from the set of rows `name`."""
        source = rows(name, {column: self.table.c[column].type for column in self.columns})
        return self._or_else(insert(self.table).from_select(list(self.columns), select(*source.c)))

    def _or_else(self, statement: Insert) -> Insert:
        key = [column.name for column in self.table.primary_key]
        changed: dict[str, Any] = {name: statement.excluded[name] for name in self.update}
        changed |= {name: self.table.c[name] + statement.excluded[name] for name in self.add}
        if changed:
            return statement.on_conflict_do_update(index_elements=key, set_=changed)
        return statement.on_conflict_do_nothing(index_elements=key)


def delete_before(column: Column[int]) -> Delete:
    """Build a DELETE of up to 100 rows whose time is before the parameter `before`; it skips rows that are locked."""
    table, key = column.table, list(column.table.primary_key)
    place: ColumnElement[Any] = literal_column(f"{table.name}.ctid")
    old = select(place).select_from(table).where(column < bindparam("before")).limit(100).with_for_update(skip_locked=True)
    has_key = tuple_(*key).in_(old.with_only_columns(*key))
    return delete(table).where(EitherWay(is_one_of(place, old), has_key))


class UpdateRows:
    """An UPDATE of many rows by their primary key; a row has the new values first, then the key."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self.table, self.changed = table, tuple(columns)
        self.key = tuple(column.name for column in table.primary_key)
        self.columns = self.changed + self.key

    def for_one_row(self) -> Update:
        """Build it with a bind parameter for each column, named `to_…`: SQLAlchemy reserves the columns' own names."""
        return self._set({name: bindparam(f"to_{name}", type_=self.table.c[name].type) for name in self.columns})

    def from_rows(self, name: str) -> Update:
        """Build it from the set of rows `name`."""
        source = rows(name, {column: self.table.c[column].type for column in self.columns})
        return self._set({column: source.c[column] for column in self.columns})

    def _set(self, values: Mapping[str, ColumnElement[Any]]) -> Update:
        changed = {name: values[name] for name in self.changed}
        return update(self.table).values(changed).where(*(_is_key(self.table.c[name], values[name]) for name in self.key))


class DeleteRows:
    """A DELETE of many rows by their primary key."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.columns = tuple(column.name for column in table.primary_key)

    def for_one_row(self) -> Delete:
        """Build it with a bind parameter for each column."""
        return self._with_key({name: bindparam(name, type_=self.table.c[name].type) for name in self.columns})

    def from_rows(self, name: str) -> Delete:
        """Build it from the set of rows `name`."""
        source = rows(name, {column: self.table.c[column].type for column in self.columns})
        return self._with_key({column: source.c[column] for column in self.columns})

    def _with_key(self, values: Mapping[str, ColumnElement[Any]]) -> Delete:
        return delete(self.table).where(*(_is_key(self.table.c[name], values[name]) for name in self.columns))


RowsStatement = WriteRows | UpdateRows | DeleteRows
Statement = ClauseElement | RowsStatement


class _Slot(NamedTuple):
    """The source of a positional parameter: a plain value, a set of rows as JSON, or one of its columns as an array."""

    name: str
    form: str
    column: int
    default: Any


class Compiled(NamedTuple):
    """A statement as text with its positional parameters."""

    sql: str
    slots: tuple[_Slot, ...]
    arrange: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None
    """For `executemany`: puts a row's values in the order of the positions."""

    def bind(self, params: Mapping[str, Any]) -> list[Any]:
        """Put parameters in their positions."""
        values: list[Any] = []
        columns: dict[str, list[tuple[Any, ...]]] = {}
        for name, form, column, default in self.slots:
            if not form:
                values.append(params.get(name, default))
            elif form == "rows":
                values.append(msgspec.json.encode(params[name]).decode())
            else:
                if name not in columns:
                    columns[name] = list(zip(*params[name], strict=True))
                values.append(_array(columns[name][column], form) if columns[name] else "{}")
        return values


def _array(values: Sequence[Any], form: str) -> str:
    """Write values as the text of a PostgreSQL array; it has the numbers and booleans of JSON."""
    if form == "json":
        return "{" + msgspec.json.encode(values).decode()[1:-1] + "}"
    if form == "bytes":
        return "{" + ",".join(f'"\\\\x{value.hex()}"' for value in values) + "}"
    return "{" + ",".join("NULL" if text is None else _quoted(text) for text in values) + "}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


class Dialect:
    """Compiles statements for one of the two databases, and caches them."""

    def __init__(self, sql_dialect: SqlDialect) -> None:
        self._dialect = sql_dialect
        self.name = sql_dialect.name
        # Keep the statements alive: the cache is keyed by their identities.
        self._compiled: dict[int | tuple[int, ...], tuple[object, Compiled]] = {}

    def compile(self, statement: Statement) -> Compiled:
        """Return the compiled statement; one that writes rows, for one row."""
        known = self._compiled.get(id(statement))
        if known is None:
            known = self._compiled[id(statement)] = (statement, self._compile(statement))
        return known[1]

    def compile_together(self, statements: Sequence[RowsStatement], *, new: WriteRows | None = None) -> Compiled:
        """Return one statement that writes the sets of rows `rows0`, `rows1`, … of several statements.

        With `new`, it first inserts the rows `new` whose keys do not exist, and returns how many those are.
        """
        identity = (id(new), *map(id, statements))
        known = self._compiled.get(identity)
        if known is None:
            built = [each.from_rows(f"rows{i}") for i, each in enumerate(statements)]
            together: ClauseElement
            if new is None:
                together = built[-1].add_cte(*(part.cte(f"part{i}") for i, part in enumerate(built[:-1])))
            else:
                inserted = new.from_rows("new").returning(*new.table.primary_key).cte("inserted")
                parts = [part.cte(f"part{i}") for i, part in enumerate(built)]
                together = select(func.count()).select_from(inserted).add_cte(*parts)
            known = self._compiled[identity] = ((new, *statements), self._compile(together))
        return known[1]

    def _compile(self, statement: Statement) -> Compiled:
        columns = statement.columns if isinstance(statement, RowsStatement) else ()
        if isinstance(statement, RowsStatement):
            statement = statement.for_one_row()
        compiled = statement.compile(dialect=self._dialect)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - for the type checker: Core statements compile to this
        slots = tuple(_slot(name, compiled.params.get(name)) for name in compiled.positiontup or ())
        places = [columns.index(slot.name.removeprefix("to_")) for slot in slots] if columns else []
        # Of a single place, `itemgetter` would give the value alone.
        arrange = itemgetter(*places) if len(places) > 1 else tuple
        return Compiled(str(compiled), slots, arrange if columns else None)


def _slot(name: str, default: Any) -> _Slot:
    base, mark, rest = name.rpartition("__")
    if not mark:
        return _Slot(name, "", 0, default)
    form, _, column = rest.partition("_")
    return _Slot(base, form, int(column or 0), None)


@cache
def postgresql() -> Dialect:
    """PostgreSQL through asyncpg; all databases of a process share what is compiled."""
    return Dialect(postgresql_asyncpg.dialect())  # type: ignore[no-untyped-call]


@cache
def sqlite3() -> Dialect:
    """SQLite through the standard library; all databases of a process share what is compiled."""
    return Dialect(sqlite.dialect(paramstyle="qmark"))
