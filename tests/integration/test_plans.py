"""Rows are looked up by their keys, also while a table is so small that reading all of it would be cheaper."""

import sqlite3

import pytest
from sqlalchemy import and_, select

from headway.db import dialects
from headway.db.database import WriteTransaction
from headway.db.dialects import Statement, UpdateRows, WriteRows, delete_before, lookup, rows
from headway.db.postgres import Planner
from headway.learning.tables import study_days
from headway.limits.tables import rate_limits
from headway.settings import Settings
from tests.plans import connect, explain_generic, find_scans, find_scans_on_sqlite, read_indexes
from tests.world import World

_keys = rows("keys", {column.name: column.type for column in study_days.primary_key})
_is_same = and_(*(column == _keys.c[column.name] for column in study_days.primary_key))
_found = lookup(_keys, study_days, _is_same)
_known_or_not = lookup(_keys, study_days, _is_same, is_outer=True)
STATEMENTS: dict[str, Statement] = {
    "in order": select(study_days.c.spans).select_from(_found).order_by(*study_days.primary_key),
    "of the key alone": select(study_days.c.user_id, study_days.c.day).select_from(_found),
    "for update": select(study_days.c.spans).select_from(_found).with_for_update(of=study_days),
    "locking": select(study_days.c.spans).select_from(lookup(_keys, study_days, _is_same, is_locking=True)),
    "outer": select(_keys.c.user_id, study_days.c.spans).select_from(_known_or_not),
    "deleted": delete_before(rate_limits.c.expires_at),
}
INSERT = WriteRows(study_days, ["user_id", "course_id", "day", "spans"])
UPDATE = UpdateRows(study_days, ["spans"])


async def _insert_day(tx: WriteTransaction) -> None:
    await tx.write_rows((INSERT, [(1, 1, 1, "{}")]))


@pytest.mark.parametrize("name", [*STATEMENTS, "updated"])
async def test_rows_of_a_table_of_one_row_are_looked_up(world: World, settings: Settings, name: str) -> None:
    await world.write(_insert_day)
    if settings.is_sqlite:
        sqlite = dialects.sqlite3().compile(STATEMENTS.get(name, UPDATE))
        assert list(find_scans_on_sqlite(sqlite3.connect(settings.sqlite_path), sqlite.sql)) == []
        return
    dialect = dialects.postgresql()
    compiled = dialect.compile_together([UPDATE]) if name == "updated" else dialect.compile(STATEMENTS[name])
    connection = await connect(settings.database_url, Planner.LOOKS_UP)
    await connection.execute("ANALYZE")
    plan = await explain_generic(connection, compiled.sql)
    found = list(find_scans(plan, await read_indexes(connection)))
    await connection.close()
    assert found == []
