"""Accounts and sign-ins by the page."""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select

from headway.accounts.lists import ListedUser, SignedIn, UserCounts, UserSearch
from headway.accounts.model import User, email_spellings
from headway.accounts.store import has_name, name_words, user_of
from headway.accounts.tables import sessions, users
from headway.db import index_keys
from headway.db.database import ReadTransaction
from headway.db.dialects import Statement, lookup, rows
from headway.db.types import Id
from headway.identity import Role
from headway.instants import Instant
from headway.paging.service import Slice

_LARGEST_ID = 10**15
_MOST_SPELLINGS = 3
_columns = [*(users.c[name] for name in User.__struct_fields__), users.c.created_at]
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


async def list_users(tx: ReadTransaction, search: UserSearch, part: Slice) -> tuple[list[ListedUser], int]:
    """Read some of the accounts that match, the newest first, and how many match. The key of a part is an id."""
    params = await _params(tx, search)
    keys = part.params
    page, count = _page(tuple(sorted(params.keys() | (keys.keys() & {"after"}))))
    found = await tx.all(page, **params, **keys)
    total = int((await tx.one(count, **params))["total"])
    signed_in = dict(map(tuple, await tx.all(_sign_ins, ids=[(row["id"],) for row in found])))
    listed = [
        ListedUser(user, row["created_at"], signed_in.get(row["id"])) for row in found if (user := user_of(tx, row)) is not None
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
