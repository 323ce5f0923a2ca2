"""Registrations that wait for a proof of their address, as rows: what was typed is encrypted, the password is hashed."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import and_, bindparam, delete, select, update

from headway.accounts.model import NewUser
from headway.accounts.tables import registrations
from headway.db import index_keys
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import UpdateRows, delete_before, insert
from headway.instants import Instant

_r = registrations.c
_decode = msgspec.json.Decoder(NewUser).decode
_NEW = ("email_hash", "content", "password_hash", "created_at", "expires_at")
_insert = insert(registrations).values({name: bindparam(name) for name in _NEW}).returning(_r.id)
_columns = (_r.id, _r.content, _r.password_hash, _r.link_hash)
_is_valid = _r.expires_at > bindparam("now", type_=registrations.c.expires_at.type)
_find = select(*_columns).where(_r.id == bindparam("of_id"), _is_valid)
_lock = _find.with_for_update()
_newest = select(*_columns).where(and_(_r.email_hash == bindparam("of_hash"), _is_valid)).order_by(_r.id.desc()).limit(1)
_set_link = update(registrations).where(_r.id == bindparam("of_id")).values(link_hash=bindparam("hash"))
_delete = delete(registrations).where(_r.email_hash == bindparam("of_hash"))
_delete_expired = delete_before(_r.expires_at)
_all = select(_r.id, _r.content).order_by(_r.id)
_set_hash = UpdateRows(registrations, ["email_hash"])


class Registration(msgspec.Struct, frozen=True):
    """A registration that waits. `link_hash` is that of its newest link, if one was mailed."""

    id: int
    new: NewUser
    password_hash: str
    link_hash: str | None


async def insert_registration(tx: WriteTransaction, new: NewUser, now: Instant, expires_at: Instant) -> int:
    """Store a registration with its settled address; return its id."""
    encrypt = (await index_keys.encrypting(tx)).encrypt
    content = msgspec.json.encode(msgspec.structs.replace(new, password_hash=None)).decode()
    row = await tx.one(
        _insert,
        email_hash=await index_keys.email_hash(tx, new.email or ""),
        content=encrypt(content),
        password_hash=new.password_hash,
        created_at=now,
        expires_at=expires_at,
    )
    return int(row["id"])


async def find(tx: ReadTransaction, registration_id: int, now: Instant) -> Registration | None:
    """Read a registration that has not expired."""
    return _registration(tx, await tx.first(_find, of_id=registration_id, now=now))


async def lock(tx: WriteTransaction, registration_id: int, now: Instant) -> Registration | None:
    """Lock and read a registration that has not expired."""
    return _registration(tx, await tx.first(_lock, of_id=registration_id, now=now))


async def find_newest(tx: ReadTransaction, email: str, now: Instant) -> Registration | None:
    """Read the newest registration with a settled address that has not expired."""
    return _registration(tx, await tx.first(_newest, of_hash=await index_keys.email_hash(tx, email), now=now))


async def set_link(tx: WriteTransaction, registration_id: int, hashed: str) -> None:
    """Store the hash of the newest link of a registration."""
    await tx.run(_set_link, of_id=registration_id, hash=hashed)


async def delete_of_email(tx: WriteTransaction, email: str) -> None:
    """Delete all registrations with a settled address."""
    await tx.run(_delete, of_hash=await index_keys.email_hash(tx, email))


async def delete_expired(tx: WriteTransaction, now: Instant) -> int:
    """Delete some of the registrations that had expired at an instant; return how many."""
    return await tx.run(_delete_expired, before=now)


async def rehash(tx: WriteTransaction, key: str) -> None:
    """Replace the hashes of addresses by those under another key, which `index_keys.replace_email_key` has stored."""
    found: Sequence[Row] = await tx.all(_all)
    changed = [
        (index_keys.hash_under(key, _decode(tx.keyring.decrypt(row["content"])).email or ""), row["id"]) for row in found
    ]
    await tx.write_rows((_set_hash, changed))


def _registration(tx: ReadTransaction, row: Row | None) -> Registration | None:
    if row is None:
        return None
    new = _decode(tx.keyring.decrypt(row["content"]))
    return Registration(row["id"], new, row["password_hash"], row["link_hash"])
