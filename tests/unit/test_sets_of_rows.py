"""SQLite reads the values of a set of rows once, however many tables they are looked up in."""

import sqlite3

from sqlalchemy import Column, Integer, MetaData, Table, select

from headway.db import dialects
from headway.db.dialects import lookup, rows


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
