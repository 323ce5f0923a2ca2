"""What databases say of themselves: how they are set up, and what troubles them."""

from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Boolean, Integer, Text, literal_column, select, text

from headway.db.database import ReadTransaction
from headway.db.dialects import Statement

_SETTINGS = (
    "server_version",
    "server_version_num",
    "server_encoding",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "autovacuum",
    "max_connections",
    "superuser_reserved_connections",
    "default_transaction_read_only",
    "TimeZone",
    "jit",
)
_OF_DATABASE = "FROM pg_database WHERE datname = current_database()"
_settings = select(*(literal_column(f"current_setting('{name}')", Text()).label(name) for name in _SETTINGS))
_facts: Statement = select(
    literal_column("pg_is_in_recovery()").label("is_replica"),
    literal_column(f"(SELECT datconnlimit {_OF_DATABASE})", Integer()).label("database_limit"),
    literal_column("(SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)", Integer()).label("role_limit"),
    literal_column(f"(SELECT age(datfrozenxid)::bigint {_OF_DATABASE})", BigInteger()).label("age"),
)
_dead_rows: Statement = (
    select(literal_column("relname::text", Text()), literal_column("n_dead_tup"), literal_column("n_live_tup"))
    .select_from(text("pg_stat_user_tables"))
    .where(text("n_dead_tup > 100000 AND n_dead_tup > n_live_tup / 2"))
    .order_by(text("n_dead_tup DESC"))
    .limit(5)
)
_not_vacuumed = (
    select(literal_column("relname::text", Text()).label("name"))
    .select_from(text("pg_class"))
    .where(text("relkind = 'r' AND 'autovacuum_enabled=false' = ANY (reloptions)"))
    .order_by(text("relname"))
)
_idle: Statement = (
    select(literal_column("count(*)"))
    .select_from(text("pg_stat_activity"))
    .where(text("state LIKE 'idle in transaction%' AND xact_start < now() - interval '10 minutes'"))
)
_names_of_sqlite: Statement = select(literal_column("name", Text())).select_from(text("sqlite_schema"))
_OF_SCHEMA = "FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))"
_names_of_postgres: Statement = select(literal_column("relname::text", Text()).label("name")).select_from(
    text(f"(SELECT relname {_OF_SCHEMA}) AS of_schema")
)
_RIGHTS = ["SELECT", "INSERT", "UPDATE", "DELETE"]
_forbidden: Statement = select(literal_column("relname::text", Text()).label("name")).select_from(
    text(
        f"(SELECT relname {_OF_SCHEMA} AND relkind IN ('r', 'p') AND relname <> 'alembic_version' AND NOT ("
        + " AND ".join(f"has_table_privilege(oid, '{each}')" for each in _RIGHTS)
        + ") ORDER BY relname) AS of_schema"
    )
)
_schema: Statement = select(
    literal_column("current_schema()::text", Text()).label("name"),
    literal_column("coalesce(has_schema_privilege(current_schema()::text, 'CREATE'), false)", Boolean()).label("may_create"),
)
_version_of_sqlite = select(literal_column("sqlite_version()", Text()))


class PostgresFacts(NamedTuple):
    """How a PostgreSQL server, its database and this role are set up."""

    settings: dict[str, str]
    is_replica: bool
    connection_limits: dict[str, int]
    """Of the database and of the role, where there is one."""
    age: int
    """How many transactions ago the oldest row was frozen; at 2,000 million the database stops."""


class Troubles(NamedTuple):
    """What keeps PostgreSQL from cleaning up."""

    dead_rows: list[tuple[str, int, int]]
    """Tables with their dead and their live rows."""
    not_vacuumed: list[str]
    idle_in_transaction: int
    """Connections with a transaction that has been open for ten minutes and does nothing."""


async def read_postgres(tx: ReadTransaction) -> PostgresFacts:
    """Read how PostgreSQL is set up."""
    settings, facts = await tx.one(_settings), await tx.one(_facts)
    limits = {"database": facts["database_limit"], "role": facts["role_limit"]}
    return PostgresFacts(
        settings={name: str(settings[name]) for name in _SETTINGS},
        is_replica=bool(facts["is_replica"]),
        connection_limits={name: int(limit) for name, limit in limits.items() if limit is not None and limit >= 0},
        age=int(facts["age"]),
    )


async def read_troubles(tx: ReadTransaction) -> Troubles:
    """Read what keeps PostgreSQL from cleaning up."""
    dead: list[Any] = [tuple(row) for row in await tx.all(_dead_rows)]
    not_vacuumed = [str(row[0]) for row in await tx.all(_not_vacuumed)]
    return Troubles(
        [(str(name), int(gone), int(live)) for name, gone, live in dead], not_vacuumed, int((await tx.one(_idle))[0])
    )


async def read_sqlite_version(tx: ReadTransaction) -> str:
    """Read the version of SQLite's library."""
    return str((await tx.one(_version_of_sqlite))[0])


async def read_names(tx: ReadTransaction, *, is_sqlite: bool) -> set[str]:
    """Read the names of all tables and indexes."""
    return {row["name"] for row in await tx.all(_names_of_sqlite if is_sqlite else _names_of_postgres)}


class Privileges(NamedTuple):
    """What the role of a PostgreSQL connection may do."""

    schema: str | None
    """Where its tables are; None if there is no such schema, or it may not be used."""
    may_create: bool
    """Whether it may create tables there."""
    forbidden: list[str]
    """The tables that it may not read and write."""


async def read_privileges(tx: ReadTransaction) -> Privileges:
    """Read what this role may do."""
    schema, forbidden = await tx.one(_schema), [str(row["name"]) for row in await tx.all(_forbidden)]
    return Privileges(schema["name"], bool(schema["may_create"]), forbidden)
