"""The keys under which encrypted texts are found again: made at random, and stored encrypted."""

import hmac
import secrets

from sqlalchemy import bindparam, select, update

from headway.audit.model import GENESIS, Head
from headway.audit.tables import audit_head
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import insert
from headway.db.keyring import Keyring
from headway.db.tables import index_keys

EMAIL = "email"

_key = select(index_keys.c.key).where(index_keys.c.name == bindparam("name"))
_shared_key = _key.with_for_update(read=True)
_locked_key = _key.with_for_update()
_new_key = insert(index_keys).values(name=bindparam("name"), key=bindparam("key")).on_conflict_do_nothing()
_new_head = (
    insert(audit_head)
    .values(id=1, seq=0, hash=GENESIS, at=bindparam("at"), signature=bindparam("signature"))
    .on_conflict_do_nothing()
)
_set_key = update(index_keys).where(index_keys.c.name == bindparam("of_name")).values(key=bindparam("new_key"))


async def email_hash(tx: ReadTransaction, email: str) -> str:
    """Give what an address is found by. The key of it does not change until a transaction that writes has ended."""
    if isinstance(tx, WriteTransaction):
        await encrypting(tx)
        locked = await tx.one(_shared_key, name=EMAIL)
        return hash_under(tx.keyring.decrypt(locked["key"]), email)
    found = await tx.first(_key, name=EMAIL)
    # Where there is no key yet there is no address either.
    return "" if found is None else hash_under(tx.keyring.decrypt(found["key"]), email)


async def prove(tx: ReadTransaction) -> bool:
    """See that the keyring can read what is there; False where nothing was encrypted yet. Raises WrongKeyError."""
    found = await tx.first(_key, name=EMAIL)
    if found is not None:
        tx.keyring.decrypt(found["key"])
    return found is not None


async def encrypting(tx: WriteTransaction) -> Keyring:
    """Give the keyring to encrypt with, having seen that it is the one of this database. Raises WrongKeyError.

    It locks nothing: rows of users may be locked by then, and rotating locks the keys first. The first to encrypt anything
    also signs the beginning of the activity log, so that the whole of it cannot be done away with unseen.
    """
    if not await prove(tx):
        await tx.run(_new_key, name=EMAIL, key=tx.keyring.encrypt(secrets.token_urlsafe(32)))
        beginning = Head(0, GENESIS, 0, "")
        await tx.run(_new_head, at=0, signature=tx.keyring.sign(beginning.signed))
        # Another process may have been faster.
        await prove(tx)
    return tx.keyring


def hash_under(key: str, text: str) -> str:
    """Give what a text is found by under a key: HMAC-SHA256, as hexadecimal digits."""
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


async def replace_email_key(tx: WriteTransaction, key: str) -> None:
    """Set the key for addresses, and keep others from hashing any until the transaction ends.

    All addresses have to be hashed anew in this transaction.
    """
    await tx.all(_locked_key, name=EMAIL)
    await tx.run(_set_key, of_name=EMAIL, new_key=tx.keyring.encrypt(key))
