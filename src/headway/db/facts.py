"""What a database is, and how large: the one statement of it that no table answers."""

from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Boolean, DateTime, Text, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from headway.db.database import ReadTransaction
from headway.instants import Instant


class DatabaseFacts(NamedTuple):
    """The version of the database's software, and the bytes that its tables and indexes take."""

    version: str
    size_bytes: int


class _Version(FunctionElement[str]):
    type = Text()
    inherit_cache = True


class _Size(FunctionElement[int]):
    type = BigInteger()
    inherit_cache = True


@compiles(_Version, "postgresql")
def _version_of_postgresql(_element: _Version, _compiler: SQLCompiler, **_options: Any) -> str:
    return "current_setting('server_version')"


@compiles(_Version, "sqlite")
def _version_of_sqlite(_element: _Version, _compiler: SQLCompiler, **_options: Any) -> str:
    return "sqlite_version()"


@compiles(_Size, "postgresql")
def _size_of_postgresql(_element: _Size, _compiler: SQLCompiler, **_options: Any) -> str:
    return "pg_database_size(current_database())"


@compiles(_Size, "sqlite")
def _size_of_sqlite(_element: _Size, _compiler: SQLCompiler, **_options: Any) -> str:
    return "(SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())"


class HasTable(FunctionElement[bool]):
    """Whether the database has a table of a name."""

    type = Boolean()
    inherit_cache = False

    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__()


@compiles(HasTable, "postgresql")
def _has_table_of_postgresql(element: HasTable, _compiler: SQLCompiler, **_options: Any) -> str:
    return f"(to_regclass('{element.table}') IS NOT NULL)"


@compiles(HasTable, "sqlite")
def _has_table_of_sqlite(element: HasTable, _compiler: SQLCompiler, **_options: Any) -> str:
    return f"EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '{element.table}')"  # noqa: S608 - a name of ours


_facts = select(_Version().label("version"), _Size().label("size"))


async def read_facts(tx: ReadTransaction) -> DatabaseFacts:
    """Read what the database says of itself."""
    row = await tx.one(_facts)
    return DatabaseFacts(row["version"], int(row["size"]))


_clock = select(func.clock_timestamp(type_=DateTime(timezone=True)).label("now"))
"""PostgreSQL's: SQLite has none of its own."""


async def read_clock(tx: ReadTransaction) -> Instant:
    """Read the clock of a PostgreSQL server."""
    now: Instant = (await tx.one(_clock))["now"]
    return now
