"""Receipts and the key that signs them, as rows."""

import hashlib

import msgspec
from sqlalchemy import bindparam, func, select

from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import insert
from headway.db.index_keys import encrypting
from headway.instants import Instant
from headway.paging.service import Slice
from headway.privacy import receipts
from headway.privacy.receipts import Erasure, Receipt, SignedReceipt
from headway.privacy.tables import erasures, receipt_keys

_KEY = "erasures"

_key = select(receipt_keys.c.private_key, receipt_keys.c.public_key).where(receipt_keys.c.name == bindparam("name"))
_new_key = (
    insert(receipt_keys)
    .values({name: bindparam(name) for name in ("name", "private_key", "public_key")})
    .on_conflict_do_nothing()
)
_NEW = ("user_id", "receipt", "signature", "erased_at")
_insert = insert(erasures).values({name: bindparam(name) for name in _NEW}).returning(erasures.c.id)
_columns = (erasures.c.id, erasures.c.erased_at, erasures.c.receipt, erasures.c.signature)
_by_user = select(*_columns).where(erasures.c.user_id == bindparam("of_user"))
_by_id = select(*_columns).where(erasures.c.id == bindparam("erasure_id"))
_page = select(*_columns).order_by(erasures.c.id.desc()).limit(bindparam("limit")).offset(bindparam("offset"))
_page_after = _page.where(erasures.c.id < bindparam("after"))
_count = select(func.count().label("total")).select_from(erasures)


async def public_key(tx: ReadTransaction) -> str | None:
    """Return the key that verifies receipts, in Base64; None before the first one was signed."""
    row = await tx.first(_key, name=_KEY)
    return None if row is None else str(row["public_key"])


async def ensure_key(tx: WriteTransaction) -> str:
    """Return the key that verifies receipts, after making it if there is none."""
    found = await public_key(tx)
    if found is None:
        private_key = receipts.new_private_key()
        encrypted = (await encrypting(tx)).encrypt(private_key)
        await tx.run(_new_key, name=_KEY, private_key=encrypted, public_key=receipts.public_key_of(private_key))
    # Another transaction may have been faster.
    return str((await tx.one(_key, name=_KEY))["public_key"])


def installation_of(public: str) -> str:
    """Return the name of the installation that has a public key."""
    return hashlib.sha256(public.encode()).hexdigest()[:16]


async def insert_signed(tx: WriteTransaction, user_id: int, receipt: Receipt, now: Instant) -> Erasure:
    """Sign and store a receipt; the key exists."""
    key = await tx.one(_key, name=_KEY)
    signature = receipts.sign(tx.keyring.decrypt(key["private_key"]), receipt)
    text = receipts.encode(receipt).decode()
    made = await tx.one(_insert, user_id=user_id, receipt=text, signature=signature, erased_at=now)
    return Erasure(made["id"], now, SignedReceipt(receipt, signature, key["public_key"]))


async def find_of(tx: ReadTransaction, user_id: int) -> Erasure | None:
    """Return the erasure of a user; None if there was none."""
    return await _first(tx, await tx.first(_by_user, of_user=user_id))


async def find(tx: ReadTransaction, erasure_id: int) -> Erasure | None:
    """Look an erasure up by its id."""
    return await _first(tx, await tx.first(_by_id, erasure_id=erasure_id))


async def list_page(tx: ReadTransaction, part: Slice) -> tuple[list[Erasure], int]:
    """Read some of the erasures, the newest first, and how many there are; the key of a part is an id."""
    found = await tx.all(_page if part.after is None else _page_after, **part.params)
    key = await public_key(tx) or ""
    return [_erasure_of(row, key) for row in found], int((await tx.one(_count))["total"])


async def _first(tx: ReadTransaction, row: Row | None) -> Erasure | None:
    return None if row is None else _erasure_of(row, await public_key(tx) or "")


def _erasure_of(row: Row, key: str) -> Erasure:
    receipt = msgspec.json.decode(row["receipt"], type=Receipt)
    return Erasure(row["id"], row["erased_at"], SignedReceipt(receipt, row["signature"], key))
