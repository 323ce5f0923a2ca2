"""Many accounts at once as rows: created and given external ids, with one statement each."""

from collections.abc import Sequence

from sqlalchemy import Boolean, Integer, literal, select, true

from headway.accounts.model import NewUser, User
from headway.accounts.store import encode_words, user_of
from headway.accounts.tables import users
from headway.db import index_keys, personal_keys
from headway.db.database import WriteTransaction
from headway.db.dialects import UpdateRows, insert, rows
from headway.db.types import Timestamp
from headway.instants import Instant
from headway.words import fold

_columns = [users.c[name] for name in User.__struct_fields__]
_texts = ["role", "name", "folded_name", "email", "email_hash", "external_id", "interests"]
_new = rows("new_users", {name: users.c[name].type for name in _texts} | {"created_at": Timestamp, "updated_at": Timestamp})
_constant = {"token_version": literal(1, Integer()), "is_disabled": literal(False, Boolean())}
_insert_many = (
    insert(users)
    # With the condition, SQLite does not read ON CONFLICT as that of a join.
    .from_select([*_new.c.keys(), *_constant], select(*_new.c, *_constant.values()).where(true()))
    .on_conflict_do_nothing()
    .returning(*_columns, users.c.email_hash)
)
_set_external_ids = UpdateRows(users, ["external_id", "updated_at"])


async def insert_users(tx: WriteTransaction, new: Sequence[NewUser], now: Instant) -> list[User | None]:
    """Create accounts without passwords, settled as by `settle_account`; None in place of one whose address or id is taken.

    Each has an address or an external id.
    """
    if not new:
        return []
    addresses = [each.email for each in new if each.email is not None]
    if addresses:
        await index_keys.encrypting(tx)
    hashes = iter(await index_keys.email_hashes(tx, addresses) if addresses else [])
    values, keys = [], []
    for each in new:
        hashed = None if each.email is None else next(hashes)
        encrypted = None if each.email is None else tx.keyring.encrypt(each.email)
        keys.append((hashed, each.external_id))
        texts = (each.role.value, each.name, fold(each.name), encrypted, hashed, each.external_id)
        values.append((*texts, encode_words(each.interests), now, now))
    inserted = await tx.all(_insert_many, new_users=values)
    await personal_keys.create(tx, [row["id"] for row in inserted])
    by_key = {(row["email_hash"], row["external_id"]): user_of(tx, row) for row in inserted}
    return [by_key.pop(key, None) for key in keys]


async def set_external_ids(tx: WriteTransaction, ids: Sequence[tuple[int, str]], now: Instant) -> None:
    """Set external ids of accounts, which must be free."""
    await tx.write_rows((_set_external_ids, [(external_id, now, user_id) for user_id, external_id in sorted(ids)]))
