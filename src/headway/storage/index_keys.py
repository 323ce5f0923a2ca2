"""The keys under which encrypted texts are found again: made at random, and stored encrypted."""

import hmac
import secrets

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from headway.storage.database import ReadTransaction, WriteTransaction
from headway.storage.keyring import Keyring
from headway.storage.tables import index_keys

EMAIL = "email"

_key = select(index_keys.c.key).where(index_keys.c.name == bindparam("name"))
_shared_key = _key.with_for_update(read=True)
_locked_key = _key.with_for_update()
_new_key = insert(index_keys).values(name=bindparam("name"), key=bindparam("key")).on_conflict_do_nothing()
_set_key = update(index_keys).where(index_keys.c.name == bindparam("of_name")).values(key=bindparam("new_key"))


async def email_hash(tx: ReadTransaction, email: str) -> str:
    """Give what an address is found by. The key of it does not change until a transaction that writes has ended."""
    if isinstance(tx, WriteTransaction):
        return hash_under(await _email_key(tx), email)
    found = await tx.first(_key, name=EMAIL)
    # Where there is no key yet there is no address either.
    return "" if found is None else hash_under(tx.keyring.decrypt(found["key"]), email)


async def encrypting(tx: WriteTransaction) -> Keyring:
    """Give the keyring to encrypt with, having seen once that it can read what is there. Raises WrongKeyError."""
    if not tx.keyring.is_proven:
        await _email_key(tx)
        tx.keyring.is_proven = True
    return tx.keyring


async def _email_key(tx: WriteTransaction) -> str:
    found = await tx.first(_shared_key, name=EMAIL)
    if found is None:
        await tx.run(_new_key, name=EMAIL, key=tx.keyring.encrypt(secrets.token_urlsafe(32)))
        found = await tx.one(_shared_key, name=EMAIL)
    return tx.keyring.decrypt(found["key"])


def hash_under(key: str, text: str) -> str:
    """Give what a text is found by under a key: HMAC-SHA256, as hexadecimal digits."""
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


async def replace_email_key(tx: WriteTransaction) -> str | None:
    """Make a new key for addresses, and keep others from hashing any until the transaction ends; None if there was none.

    All addresses have to be hashed anew in this transaction.
    """
    if await tx.first(_locked_key, name=EMAIL) is None:
        return None
    key = secrets.token_urlsafe(32)
    await tx.run(_set_key, of_name=EMAIL, new_key=tx.keyring.encrypt(key))
    return key
