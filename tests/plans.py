"""Reads how a database runs a statement, and finds what is not looked up by a key."""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import asyncpg

from headway.db.postgres import Planner, speak_milliseconds

Connection = Any
"""One of asyncpg."""

_EQUALS = re.compile(r"^\(*(?:(?P<of>\w+)\.)?\"?(?P<column>\w+)\"? = ")
_RANGE = re.compile(r"^\(*(?:ROW\()?(?:\w+\.)?\"?(?P<column>\w+)\"?\)*(?:::\w+)?(?:, [^()]+\))? [<>]=? ")
_IS_NOT_NULL = re.compile(r"^\(*\"?(?P<column>\w+)\"? IS NOT NULL")
_SCANS = {"Index Scan": "Index Cond", "Index Only Scan": "Index Cond", "Bitmap Heap Scan": "Recheck Cond"}
_INDEXES = """
SELECT t.relname AS table, i.relname AS index, x.indpred IS NOT NULL AS is_partial, x.indisunique AS is_unique,
    array_agg(a.attname ORDER BY k.n) AS columns
FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid,
    unnest(x.indkey) WITH ORDINALITY AS k(attnum, n) JOIN pg_attribute a ON a.attnum = k.attnum
WHERE a.attrelid = x.indrelid AND t.relnamespace = 'public'::regnamespace GROUP BY 1, 2, 3, 4
"""


class Index(NamedTuple):
    """An index of a table; a partial one helps only some statements."""

    table: str
    is_partial: bool
    is_unique: bool
    columns: list[str]


async def read_indexes(connection: Connection) -> dict[str, Index]:
    """Return the indexes of all tables by name."""
    found = await connection.fetch(_INDEXES)
    return {row["index"]: Index(row["table"], row["is_partial"], row["is_unique"], row["columns"]) for row in found}


async def connect(database_url: str, planner: Planner) -> Connection:
    """Connect with the settings of a pool."""
    connection = await asyncpg.connect(database_url, server_settings=dict(planner.value), statement_cache_size=0)
    await speak_milliseconds(connection)
    return connection


async def explain_generic(connection: Connection, sql: str) -> Any:
    """Return the plan that a pool's connection keeps for a statement."""
    await connection.execute(f"PREPARE explained AS {sql}")
    try:
        count = await connection.fetchval("SELECT cardinality(parameter_types) FROM pg_prepared_statements")
        nothing = f"({', '.join(['NULL'] * count)})" if count else ""
        return json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE explained{nothing}"))[0]["Plan"]
    finally:
        await connection.execute("DEALLOCATE explained")


async def explain_now(connection: Connection, sql: str, values: Sequence[Any]) -> Any:
    """Return the plan that is made for one run of a statement."""
    return json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *values))[0]["Plan"]


def find_scans(plan: Any, indexes: dict[str, Index], *, chooses: bool = True) -> Iterator[str]:
    """Find the tables of a PostgreSQL plan whose rows are not looked up by the best index for what is known of them.

    Without `chooses`, any index will do that is read with some condition.
    """
    joined: dict[str, set[str]] = {}
    nodes = list(_nodes(plan))
    for node in nodes:
        for match in _matches(_EQUALS, node.get("Join Filter", "")):
            if match["of"]:
                joined.setdefault(match["of"], set()).add(match["column"])
    for node in nodes:
        table = node.get("Relation Name")
        if node["Node Type"] == "Seq Scan":
            yield f"{table} is read as a whole"
        elif node["Node Type"] in _SCANS:
            parts = [each for each in _nodes(node) if "Index Name" in each]
            given = joined.get(node["Alias"], set()) | _columns(_EQUALS, node.get("Filter", ""))
            for part in parts:
                fault = _fault(part, given, indexes) if chooses else None if "Index Cond" in part else "the whole index is read"
                if fault is not None:
                    yield f"{table} by {part['Index Name']}: {fault}"


def _fault(scan: Any, given: set[str], indexes: dict[str, Index]) -> str | None:
    condition = scan.get("Index Cond", "")
    index = indexes[scan["Index Name"]]
    equal = _columns(_EQUALS, condition)
    bounded = equal | _columns(_RANGE, condition) | _columns(_IS_NOT_NULL, condition)
    if index.columns[0] not in bounded:
        return "the whole index is read"
    if index.is_unique and _run(index, equal) == len(index.columns):
        return None
    best = max(_run(each, given | equal) for each in indexes.values() if each.table == index.table and not each.is_partial)
    if _run(index, equal) < best:
        return f"another index finds rows by more of {', '.join(sorted(given | equal))}"
    return None


def _run(index: Index, given: set[str]) -> int:
    """Return how many columns of an index in a row, from the first one on, are given."""
    count = 0
    while count < len(index.columns) and index.columns[count] in given:
        count += 1
    return count


def _nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _conjuncts(condition: str) -> list[str]:
    return [] if " OR " in condition else condition.split(" AND ")


def _matches(pattern: re.Pattern[str], condition: str) -> Iterator[re.Match[str]]:
    return (match for match in map(pattern.match, _conjuncts(condition)) if match)


def _columns(pattern: re.Pattern[str], condition: str) -> set[str]:
    return {match["column"] for match in _matches(pattern, condition)}


def find_scans_on_sqlite(connection: sqlite3.Connection, sql: str) -> Iterator[str]:
    """Find the tables that SQLite reads as a whole for a statement."""
    count = sql.count("?")
    details = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * count)]
    made = {word for detail in details if detail.startswith(("MATERIALIZE", "CO-ROUTINE")) for word in detail.split()[1:]}
    for detail in details:
        if detail.startswith("SCAN ") and "VIRTUAL TABLE" not in detail and "CONSTANT ROW" not in detail:
            name = detail.split()[1]
            if name not in made and not name.startswith("("):
                yield detail
