"""The keys of the hashes by which encrypted texts are looked up: random, and stored encrypted."""

import hmac
import secrets
from collections.abc import Sequence

from sqlalchemy import bindparam, select, update

from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import insert
from headway.db.keyring import Keyring
from headway.db.tables import index_keys

EMAIL = "email"

_key = select(index_keys.c.key).where(index_keys.c.name == bindparam("name"))
_shared_key = _key.with_for_update(read=True)
_locked_key = _key.with_for_update()
_new_key = insert(index_keys).values(name=bindparam("name"), key=bindparam("key")).on_conflict_do_nothing()
_set_key = update(index_keys).where(index_keys.c.name == bindparam("of_name")).values(key=bindparam("new_key"))


async def email_hash(tx: ReadTransaction, email: str) -> str:
    """Return the HMAC used to look up an address. In a write transaction its key does not change before the commit."""
    (found,) = await email_hashes(tx, [email])
    return found


async def email_hashes(tx: ReadTransaction, emails: Sequence[str]) -> list[str]:
    """Return the HMAC of each of these addresses, as `email_hash` does."""
    if isinstance(tx, WriteTransaction):
        await encrypting(tx)
        found = await tx.first(_shared_key, name=EMAIL)
    else:
        found = await tx.first(_key, name=EMAIL)
    # Where there is no key yet there is no address either.
    key = None if found is None else tx.keyring.decrypt(found["key"])
    return ["" if key is None else hash_under(key, email) for email in emails]


async def prove(tx: ReadTransaction) -> bool:
    """Check that the keyring can decrypt what is stored; return False if nothing is encrypted yet. Raises WrongKeyError."""
    found = await tx.first(_key, name=EMAIL)
    if found is not None:
        tx.keyring.decrypt(found["key"])
    return found is not None


async def encrypting(tx: WriteTransaction) -> Keyring:
    """Return the keyring to encrypt with, after checking that it is the one of this database. Raises WrongKeyError.

    It takes no lock: rows of users may be locked already, and key rotation locks the keys first. The transaction that
    encrypts for the first time makes the first key and runs the database's `on_first_key`.
    """
    if not await prove(tx):
        await tx.run(_new_key, name=EMAIL, key=tx.keyring.encrypt(secrets.token_urlsafe(32)))
        await tx.on_first_key(tx)
        # Another process may have been faster.
        await prove(tx)
    return tx.keyring


def hash_under(key: str, text: str) -> str:
    """Return the HMAC-SHA256 used to look up encrypted text, as hexadecimal digits."""
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


async def replace_email_key(tx: WriteTransaction, key: str) -> None:
    """Replace the key of addresses, and block others from hashing any until the transaction ends.

    The same transaction has to rehash all addresses.
    """
    await tx.all(_locked_key, name=EMAIL)
    await tx.run(_set_key, of_name=EMAIL, new_key=tx.keyring.encrypt(key))
