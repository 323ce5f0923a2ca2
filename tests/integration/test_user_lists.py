"""Administrators list accounts by name and by last use: by cursor, each account once, also those that were never used."""

import itertools
import json
import random
import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import text

from headway.accounts import lists_store
from headway.accounts.lists import ListedUser, UserSearch, UserSort
from headway.accounts.tables import users
from headway.db import dialects
from headway.db.dialects import Statement, UpdateRows
from headway.db.postgres import Planner
from headway.identity import Caller, Role
from headway.instants import HOUR
from headway.paging.service import Walk
from headway.settings import Settings
from headway.words import fold
from tests.plans import connect, explain_now
from tests.world import NOON, World

NAMES = ("Émile", "ada", "Zoë Ada", "Ada", "Boole", "ÅDA", "ada", "Ada Boole", "李")


@pytest.fixture
async def admin(world: World) -> Caller:
    """An administrator, among many accounts with few names, of which two in three were used."""
    chance = random.Random(7)
    for number in range(40):
        role = Role.INSTRUCTOR if number % 5 == 0 else Role.PARTICIPANT
        await world.write(world.services.accounts.create, role=role, name=chance.choice(NAMES))
    made = await world.user(Role.ADMIN)
    seen = [
        (NOON - chance.randrange(5) * HOUR, user_id)
        for (user_id,) in await world.rows(users.select().with_only_columns(users.c.id))
    ]
    async with world.database.write() as tx:
        await tx.write_rows((UpdateRows(users, ["seen_at"]), seen[::3] + seen[1::3]))
    return Caller(made.id, Role.ADMIN)


async def walk(world: World, admin: Caller, search: UserSearch, sort: UserSort, limit: int = 7) -> list[ListedUser]:
    """Read all pages of a list by cursor."""
    found: list[ListedUser] = []
    cursor = None
    while True:
        place = world.services.paging.walk(admin.user_id, ("test", *search, sort), cursor=cursor, page=1, limit=limit)
        page, _ = await world.read(world.services.administration.list_users, admin, search, place, sort)
        assert len(page) <= limit
        found += page
        cursor = place.next_cursor
        if cursor is None:
            return found
        assert len(page) == limit


def order_of(sort: UserSort, each: ListedUser) -> tuple[Any, ...]:
    if sort is UserSort.NAME:
        return fold(each.user.name), each.user.id
    direction = -1 if sort in {UserSort.ACTIVE, UserSort.NEWEST} else 1
    if sort is UserSort.NEWEST:
        return (-each.user.id,)
    return each.seen_at is None, direction * (each.seen_at or 0), direction * each.user.id


@pytest.mark.parametrize("sort", UserSort)
@pytest.mark.parametrize("limit", [1, 7, 41, 100])
async def test_accounts_are_listed_in_an_order_each_of_them_once(
    world: World, admin: Caller, sort: UserSort, limit: int
) -> None:
    found = await walk(world, admin, UserSearch(), sort, limit)

    assert len({each.user.id for each in found}) == len(found) == 41
    assert sum(each.seen_at is None for each in found) == 13
    assert [each.user.id for each in found] == [each.user.id for each in sorted(found, key=lambda each: order_of(sort, each))]
    everybody, total = await world.read(world.services.administration.list_users, admin, UserSearch(), Walk(1_000, 1), sort)
    assert ([each.user.id for each in everybody], total) == ([each.user.id for each in found], 41)


@pytest.mark.parametrize("sort", UserSort)
async def test_those_who_match_are_listed_in_an_order_too(world: World, admin: Caller, sort: UserSort) -> None:
    search = UserSearch(q="ada", role=Role.PARTICIPANT)

    found = await walk(world, admin, search, sort, 3)

    assert {fold(each.user.name) for each in found} <= {"ada", "zoe ada", "ada boole"}
    assert [each.user.id for each in found] == [each.user.id for each in sorted(found, key=lambda each: order_of(sort, each))]
    _, total = await world.read(world.services.administration.list_users, admin, search, Walk(1, 1), sort)
    assert len(found) == total > 3


async def test_when_an_account_was_used_is_stored_to_the_hour(world: World) -> None:
    used, unused = await world.user(), await world.user()
    accounts = world.services.accounts

    async def seen() -> list[tuple[Any, ...]]:
        return await world.rows(users.select().with_only_columns(users.c.id, users.c.seen_at).order_by(users.c.id))

    world.clock.advance(seconds=1_000)
    for _ in range(3):
        await accounts.caller(used.id, used.token_version)
    assert await seen() == [(used.id, None), (unused.id, None)]
    await accounts.last_seen.write()
    assert await seen() == [(used.id, NOON), (unused.id, None)]

    world.clock.advance(seconds=3_600)
    await accounts.last_seen.write()
    assert await seen() == [(used.id, NOON), (unused.id, None)]
    await accounts.caller(used.id, used.token_version)
    await accounts.last_seen.write()
    assert await seen() == [(used.id, NOON + HOUR), (unused.id, None)]


_MANY = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) ",
    "postgresql": "WITH n(i) AS (SELECT generate_series(1000, 20000)) ",
}


@pytest.mark.parametrize("sort", [each for each in UserSort if each is not UserSort.NEWEST])
async def test_a_page_comes_from_an_index_in_order(world: World, settings: Settings, sort: UserSort) -> None:
    """Nothing is sorted and no more is read than the page, at the beginning and behind any account."""
    kind = "sqlite" if settings.is_sqlite else "postgresql"
    at = str(NOON) if settings.is_sqlite else "to_timestamp(1767268800)"
    columns = "id, role, name, folded_name, token_version, is_disabled, created_at, updated_at, seen_at"
    text_of = "CAST(i * 7919 % 10007 AS TEXT)"
    # A few of them were never used.
    hour = f"{NOON} - i % 500 * {HOUR}" if settings.is_sqlite else "to_timestamp(1767268800 - i % 500 * 3600)"
    seen = f"CASE WHEN i % 40 > 0 THEN {hour} END"
    values = f"i, 'PARTICIPANT', {text_of}, {text_of}, 1, FALSE, {at}, {at}, {seen}"
    many = f"{_MANY[kind]} INSERT INTO users ({columns}) SELECT {values} FROM n"  # noqa: S608
    async with world.database.write() as tx:
        await tx.run(text(many))
        await tx.all(text("ANALYZE"))
    index = "ix_users_name" if sort is UserSort.NAME else "ix_users_seen"
    value: Any = "5" if sort is UserSort.NAME else NOON
    for has_value, is_after in itertools.product((True, False), (True, False)):
        place = {"after": 5_000} | ({"after_value": value} if has_value else {}) if is_after else {}
        statement = lists_store._sorted_page((), sort, has_value=has_value, is_after=is_after)
        plan = await explain(settings, statement, {**place, "limit": 50, "offset": 0})
        # Those without a value are in the order of their ids, which another index has too.
        assert index in plan or (not has_value and re.search("PRIMARY KEY|pk_users", plan)), plan
        assert not re.search(r"TEMP B-TREE|SCAN users$|Sort\b|Seq Scan", plan), plan


async def explain(settings: Settings, statement: Statement, params: dict[str, Any]) -> str:
    if settings.is_sqlite:
        compiled = dialects.sqlite3().compile(statement)
        with closing(sqlite3.connect(settings.sqlite_path)) as file:
            rows = file.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", compiled.bind(params)).fetchall()
        return "\n".join(row[3] for row in rows)
    compiled = dialects.postgresql().compile(statement)
    connection = await connect(settings.database_url, Planner.IS_FREE)
    try:
        return json.dumps(await explain_now(connection, compiled.sql, compiled.bind(params)))
    finally:
        await connection.close()
