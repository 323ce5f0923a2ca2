"""Makes the tables of a PostgreSQL database large: each gets a great many copies of one of its rows, under other keys."""

from typing import Any

from sqlalchemy import CheckConstraint, Column, Table, Text, UniqueConstraint

from headway import schema
from headway.db.types import Timestamp

ROWS = 200_000
_FEWER_ROWS = ROWS // 10
_ALWAYS_FEW = {"audit_head", "index_keys", "revisions"}


async def fill(connection: Any) -> None:
    """Make all tables large that have a row: those of learners in courses get `ROWS`, others a tenth. Gather no statistics."""
    # No checks of foreign keys.
    await connection.execute("SET session_replication_role = replica")
    for table in schema.metadata.sorted_tables:
        if table.name not in _ALWAYS_FEW:
            count = ROWS if {"user_id", "course_id"} <= set(table.c.keys()) else _FEWER_ROWS
            columns = [column for column in table.c if column.computed is None]
            names = ", ".join(f'"{column.name}"' for column in columns)
            values = ", ".join(_value(table, column) for column in columns)
            copies = f"(SELECT * FROM {table.name} LIMIT 1) AS one, generate_series(1000, {count + 999}) AS copy(number)"  # noqa: S608
            await connection.execute(f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {copies}")  # noqa: S608


def _value(table: Table, column: Column[Any]) -> str:
    """Return the value of a copy: what makes a key unique differs, and all learners are in one course."""
    unique = (each for each in table.constraints if isinstance(each, UniqueConstraint))
    keys = [key.columns for key in (table.primary_key, *unique)] + [each.columns for each in table.indexes if each.unique]
    is_key = any(column.name in columns for columns in keys)
    checks = [str(each.sqltext) for each in table.constraints if isinstance(each, CheckConstraint)]
    is_one_of_few = any(each.startswith(f"{column.name} IN ") for each in checks)
    if not is_key or is_one_of_few or (column.name == "course_id" and "user_id" in table.c):
        return f'one."{column.name}"'
    if column.type is Timestamp:
        return f"one.\"{column.name}\" + copy.number * interval '1 second'"
    return f'one."{column.name}" {"||" if isinstance(column.type, Text) else "+"} copy.number'
