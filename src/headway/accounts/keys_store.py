"""API keys as rows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, or_, select, update

from headway.accounts.key_model import ApiKey, ListedKey, read_scopes, write_scopes
from headway.accounts.tables import api_keys, users
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import insert, lookup, rows
from headway.db.types import Id
from headway.identity import Scope
from headway.instants import Instant
from headway.paging.service import Slice

_columns = [api_keys.c[name] for name in ApiKey.__struct_fields__]
_NEW = ("user_id", "name", "scopes", "secret_hash", "created_at")
_insert = insert(api_keys).values(**{name: bindparam(name) for name in _NEW}).returning(api_keys.c.id)
# Whether a key is revoked is looked at here: PostgreSQL would go through the index of those that are not.
_owner = select(api_keys.c.user_id, api_keys.c.secret_hash, api_keys.c.revoked_at).where(api_keys.c.id == bindparam("key_id"))
_lock = select(*_columns).where(api_keys.c.id == bindparam("key_id")).with_for_update()
_revoke = update(api_keys).where(api_keys.c.id == bindparam("key_id")).values(revoked_at=bindparam("now"))
_use = (
    update(api_keys)
    .where(api_keys.c.id == bindparam("key_id"), or_(api_keys.c.used_at.is_(None), api_keys.c.used_at < bindparam("at")))
    .values(used_at=bindparam("at"))
)
_owners = rows("ids", {"id": Id})
_active = select(api_keys.c.user_id, api_keys.c.id, api_keys.c.scopes).select_from(
    lookup(_owners, api_keys, (api_keys.c.user_id == _owners.c.id) & api_keys.c.revoked_at.is_(None))
)
_page = (
    select(*_columns, users.c.name.label("user_name"))
    .select_from(api_keys.join(users, users.c.id == api_keys.c.user_id))
    .order_by(api_keys.c.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_page_after = _page.where(api_keys.c.id < bindparam("after"))
_count = select(func.count().label("total")).select_from(api_keys)


async def insert_key(
    tx: WriteTransaction, *, user_id: int, name: str, scopes: frozenset[Scope], secret_hash: str, now: Instant
) -> int:
    """Store a new key and return its id."""
    values: dict[str, Any] = {"name": name, "scopes": write_scopes(scopes), "secret_hash": secret_hash, "created_at": now}
    return int((await tx.one(_insert, user_id=user_id, **values))["id"])


async def find_owner(tx: ReadTransaction, key_id: int) -> tuple[int, str] | None:
    """Return the account of a key that is not revoked, and the hash of its secret."""
    row = await tx.first(_owner, key_id=key_id)
    return None if row is None or row["revoked_at"] is not None else (row["user_id"], row["secret_hash"])


async def lock_key(tx: WriteTransaction, key_id: int) -> ApiKey | None:
    """Lock and read a key."""
    row = await tx.first(_lock, key_id=key_id)
    return None if row is None else _key_of(row)


async def read_active(tx: ReadTransaction, user_ids: Sequence[int]) -> dict[int, dict[int, frozenset[Scope]]]:
    """Read by account the keys that are not revoked, with their scopes."""
    found: dict[int, dict[int, frozenset[Scope]]] = defaultdict(dict)
    for user_id, key_id, scopes in await tx.all(_active, ids=[(user_id,) for user_id in user_ids]):
        found[user_id][key_id] = read_scopes(scopes)
    return found


async def list_keys(tx: ReadTransaction, part: Slice) -> tuple[list[ListedKey], int]:
    """Read some of the keys, the newest first, revoked ones too, and how many there are. The key of a part is an id."""
    keys = part.params
    found = await tx.all(_page_after if "after" in keys else _page, **keys)
    total = int((await tx.one(_count))["total"])
    return [ListedKey(_key_of(row), row["user_name"]) for row in found], total


async def revoke(tx: WriteTransaction, key_id: int, now: Instant) -> None:
    """End a key."""
    await tx.run(_revoke, key_id=key_id, now=now)


async def write_uses(tx: WriteTransaction, used: Mapping[int, Instant]) -> None:
    """Store when keys were used, unless a later use is stored."""
    for key_id, at in sorted(used.items()):
        await tx.run(_use, key_id=key_id, at=at)


def _key_of(row: Row) -> ApiKey:
    values = {name: row[name] for name in ApiKey.__struct_fields__}
    return ApiKey(**values | {"scopes": read_scopes(row["scopes"])})
