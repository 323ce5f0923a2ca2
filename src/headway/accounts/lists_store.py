"""Accounts and sign-ins by the page."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select, tuple_

from headway.accounts.lists import ListedUser, SignedIn, UserCounts, UserSearch, UserSort
from headway.accounts.model import User, email_spellings
from headway.accounts.store import has_name, name_words, user_of
from headway.accounts.tables import sessions, users
from headway.db import index_keys
from headway.db.database import ReadTransaction, Row
from headway.db.dialects import Statement, lookup, rows
from headway.db.types import Id
from headway.identity import Role
from headway.instants import Instant
from headway.paging.service import Slice

_LARGEST_ID = 10**15
_MOST_SPELLINGS = 3
_columns = [*(users.c[name] for name in User.__struct_fields__), users.c.created_at, users.c.seen_at, users.c.folded_name]
_SORTED_BY = {UserSort.NAME: users.c.folded_name, UserSort.ACTIVE: users.c.seen_at, UserSort.INACTIVE: users.c.seen_at}
_CONDITIONS: dict[str, ColumnElement[bool]] = {
    "role": users.c.role == bindparam("role"),
    "is_disabled": users.c.is_disabled == bindparam("is_disabled"),
    "after": users.c.id < bindparam("after"),
    "name_words": or_(has_name, users.c.external_id == bindparam("external_id"), users.c.id == bindparam("user_id")),
    "email0": or_(*(users.c.email_hash == bindparam(f"email{i}") for i in range(_MOST_SPELLINGS))),
}
_ids = rows("ids", {"id": Id})
_sign_ins = (
    select(sessions.c.user_id, func.max(sessions.c.created_at).label("at"))
    .select_from(lookup(_ids, sessions, sessions.c.user_id == _ids.c.id))
    .group_by(sessions.c.user_id)
)
_counts = select(users.c.role, users.c.is_disabled, func.count().label("total")).group_by(users.c.role, users.c.is_disabled)
_open_sessions = (
    select(sessions.c.created_at, sessions.c.expires_at)
    .where(
        sessions.c.user_id == bindparam("of_user"),
        sessions.c.token_version == bindparam("version"),
        sessions.c.expires_at > bindparam("now"),
        sessions.c.ended_at.is_(None),
    )
    .order_by(sessions.c.created_at.desc())
)


@cache
def _page(conditions: tuple[str, ...]) -> tuple[Select[Any], Statement]:
    """Build the statements for a page of accounts, the newest first, and for the number of all that match."""
    where = [_CONDITIONS[name] for name in conditions if name in _CONDITIONS]
    matching = [condition for condition in where if condition is not _CONDITIONS["after"]]
    page = select(*_columns).where(*where).order_by(users.c.id.desc()).limit(bindparam("limit")).offset(bindparam("offset"))
    return page, select(func.count().label("total")).select_from(users).where(*matching)


@cache
def _sorted_page(conditions: tuple[str, ...], sort: UserSort, *, has_value: bool, is_after: bool) -> Select[Any]:
    """Build the statement for a page of accounts in an order, of those that have a value to be sorted by or of the others.

    Its rows come from the index of that value, in order.
    """
    key, user_id = _SORTED_BY[sort], users.c.id
    is_descending = sort is UserSort.ACTIVE
    where = [_CONDITIONS[name] for name in conditions if name in _CONDITIONS]
    where.append(key.is_not(None) if has_value else key.is_(None))
    if is_after:
        compared = [key, user_id] if has_value else [user_id]
        given = [bindparam("after_value", type_=key.type), bindparam("after", type_=user_id.type)][-len(compared) :]
        place, after = tuple_(*compared), tuple_(*given)
        where.append(place < after if is_descending else place > after)
    # Also where the first of them is NULL: PostgreSQL knows the index by both.
    directed = [column.desc() if is_descending else column.asc() for column in (key, user_id)]
    return select(*_columns).where(*where).order_by(*directed).limit(bindparam("limit")).offset(bindparam("offset"))


def key_of(listed: ListedUser, sort: UserSort) -> int | str:
    """Return the key of an account in an order, for `list_users`."""
    if sort is UserSort.NEWEST:
        return listed.user.id
    value = listed.folded_name if sort is UserSort.NAME else listed.seen_at
    return msgspec.json.encode((value, listed.user.id)).decode()


async def _list_sorted(
    tx: ReadTransaction, conditions: tuple[str, ...], params: dict[str, Any], sort: UserSort, part: Slice
) -> list[Row]:
    """Read the rows of a part: first those with a value, in its order, then those without one."""
    value, after = (None, None) if part.after is None else msgspec.json.decode(part.after)
    rows: list[Row] = []
    for has_value in (True, False):
        is_behind = after is not None and value is None
        if len(rows) == part.limit or (has_value and is_behind):
            continue
        is_after = after is not None and has_value is not is_behind
        place = {"after": after} | ({"after_value": value} if has_value else {}) if is_after else {}
        page = _sorted_page(conditions, sort, has_value=has_value, is_after=is_after)
        rows += await tx.all(page, **params, **place, limit=part.limit - len(rows), offset=0)
    return rows


async def list_users(
    tx: ReadTransaction, search: UserSearch, part: Slice, sort: UserSort = UserSort.NEWEST
) -> tuple[list[ListedUser], int]:
    """Read some of the accounts that match, in an order, and how many match. The key of a part is that of `key_of`.

    Parts in another order than by age begin at the first account or after a key.
    """
    params = await _params(tx, search)
    keys = part.params
    page, count = _page(tuple(sorted(params.keys() | (keys.keys() & {"after"}))))
    if sort is UserSort.NEWEST:
        found: Sequence[Row] = await tx.all(page, **params, **keys)
    else:
        found = await _list_sorted(tx, tuple(sorted(params)), params, sort, part)
    total = int((await tx.one(count, **params))["total"])
    signed_in = dict(map(tuple, await tx.all(_sign_ins, ids=[(row["id"],) for row in found])))
    listed = [
        ListedUser(user, row["created_at"], signed_in.get(row["id"]), row["seen_at"], row["folded_name"])
        for row in found
        if (user := user_of(tx, row)) is not None
    ]
    return listed, total


async def count_users(tx: ReadTransaction) -> UserCounts:
    """Count all accounts."""
    by_role, disabled = dict.fromkeys(Role, 0), 0
    for row in await tx.all(_counts):
        by_role[Role(row["role"])] += row["total"]
        disabled += row["total"] if row["is_disabled"] else 0
    return UserCounts(by_role, disabled)


async def list_open_sessions(tx: ReadTransaction, user: User, now: Instant) -> list[SignedIn]:
    """Read the sign-ins of an account that can go on, the newest first."""
    found = await tx.all(_open_sessions, of_user=user.id, version=user.token_version, now=now)
    return [SignedIn(*row) for row in found]


async def _params(tx: ReadTransaction, search: UserSearch) -> dict[str, Any]:
    """Return the parameters of the conditions of a search."""
    params: dict[str, Any] = {}
    if search.role is not None:
        params["role"] = search.role.value
    if search.is_disabled is not None:
        params["is_disabled"] = search.is_disabled
    text = (search.q or "").strip()
    if "@" in text:
        hashes = [await index_keys.email_hash(tx, spelling) for spelling in email_spellings(text)]
        params |= {f"email{i}": hashes[min(i, len(hashes) - 1)] for i in range(_MOST_SPELLINGS)}
    elif text:
        is_id = text.isascii() and text.isdecimal() and int(text) < _LARGEST_ID
        params |= {"name_words": name_words(text), "external_id": text, "user_id": int(text) if is_id else 0}
    return params
