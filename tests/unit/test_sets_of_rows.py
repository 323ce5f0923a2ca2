"""Sets of rows on SQLite: values are read once, however many tables they are looked up in, and rows are found by whole keys."""

import sqlite3

from sqlalchemy import Column, Integer, MetaData, Table, select

from headway.db import dialects
from headway.db.dialects import DeleteRows, lookup, rows


def test_each_value_of_a_set_of_rows_is_read_once() -> None:
    table = Table("places", MetaData(), Column("x", Integer, primary_key=True), Column("y", Integer, primary_key=True))
    keys = rows("keys", {"x": Integer(), "y": Integer()})
    found = keys
    for name in ("first", "second", "third"):
        place = table.alias(name)
        found = lookup(found, place, (place.c.x == keys.c.x) & (place.c.y == keys.c.y), is_outer=True)
    compiled = dialects.sqlite3().compile(select(*keys.c, place.c.x).select_from(found))
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE places (x INTEGER, y INTEGER, PRIMARY KEY (x, y)) WITHOUT ROWID")
    connection.execute("INSERT INTO places VALUES (1, 2)")

    program = connection.execute(f"EXPLAIN {compiled.sql}", ["[]"]).fetchall()
    found_rows = connection.execute(compiled.sql, compiled.bind({"keys": [(1, 2), (3, 4)]})).fetchall()

    assert len([step for step in program if "json_extract" in str(step)]) == 2
    assert found_rows == [(1, 2, 1), (3, 4, None)]


def test_rows_are_deleted_by_their_whole_key() -> None:
    """Also where statistics say that few keys begin in different ways."""
    table = Table("places", MetaData(), Column("x", Integer, primary_key=True), Column("y", Integer, primary_key=True))
    compiled = dialects.sqlite3().compile(DeleteRows(table))
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE places (x INTEGER, y INTEGER, PRIMARY KEY (x, y))")
    connection.executemany("INSERT INTO places VALUES (1, ?)", [(y,) for y in range(1_000)])
    connection.execute("ANALYZE")

    (step,) = connection.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", [None, None]).fetchall()
    assert compiled.arrange is not None
    connection.executemany(compiled.sql, map(compiled.arrange, [(1, 5), (1, 7), (2, 9)]))

    assert "(x=? AND y=?)" in step[3]
    assert connection.execute("SELECT count(*) FROM places WHERE y NOT IN (5, 7)").fetchall() == [(998,)]
    assert connection.total_changes == 1_002
