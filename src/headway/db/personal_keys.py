"""Personal keys: every account has a random key of its own, under which the texts are encrypted that are of its owner.

A text of several people, such as a message, is encrypted under a key that HKDF derives from all of theirs: once one of them is
destroyed, nobody can read it any more. The keys themselves are encrypted by the keyring, so rotating that leaves the texts as
they are. An encrypted text begins with the ids of its people, as in `p5.17:gAAAA…`; one that does not is from before there were
personal keys, or of nobody who has an account, and is encrypted by the keyring.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Text, bindparam, column, select, table, true, update

from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.db.dialects import WriteRows, insert, lookup, rows
from headway.db.index_keys import encrypting
from headway.db.keyring import Keyring, WrongKeyError
from headway.db.tables import personal_keys
from headway.db.types import Id

ERASED = "[erased]"
"""What readers see in place of a text that nobody can read any more, because one of its people was erased."""
_DESTROYED, _UNREADABLE = "", b""
_MARK = "p"
PERSONAL = f"{_MARK}%"
"""The pattern of encrypted texts that are under personal keys."""
_KEY_BYTES = 32

_users = table("users", column("id", Id))
_ids = rows("ids", {"user_id": Id})
_keys = select(personal_keys.c.user_id, personal_keys.c.key).select_from(
    lookup(_ids, personal_keys, personal_keys.c.user_id == _ids.c.user_id)
)
_new = WriteRows(personal_keys, ["user_id", "key"])
_fresh = rows("fresh", {"user_id": Id, "key": Text()})
_add_missing = (
    insert(personal_keys)
    .from_select(
        ["user_id", "key"],
        # The condition keeps SQLite from reading ON CONFLICT as the beginning of a join.
        select(_fresh.c.user_id, _fresh.c.key)
        .select_from(lookup(_fresh, _users, _users.c.id == _fresh.c.user_id))
        .where(true())
        .order_by(_fresh.c.user_id),
    )
    .on_conflict_do_nothing()
)
_without_key = (
    select(_users.c.id)
    .select_from(_users.outerjoin(personal_keys, personal_keys.c.user_id == _users.c.id))
    .where(personal_keys.c.user_id.is_(None))
    .order_by(_users.c.id)
    .limit(500)
)
_destroy = update(personal_keys).where(personal_keys.c.user_id == bindparam("of_user")).values(key=_DESTROYED)
_insert_destroyed = insert(personal_keys).values(user_id=bindparam("of_user"), key=_DESTROYED).on_conflict_do_nothing()


class PersonalTexts:
    """Encrypts and decrypts the texts of some people, whose keys it has: None is one that was destroyed."""

    def __init__(self, keyring: Keyring, keys: Mapping[int, bytes | None]) -> None:
        self._keyring = keyring
        self._keys = keys
        self._derived: dict[tuple[int, ...], Fernet] = {}

    def encrypt(self, text: str, people: Collection[int]) -> str:
        """Encrypt a text under the keys of its people. Who has no account counts for nothing.

        What is of somebody who was erased is not kept, such as what was under way then: its place is empty.
        """
        return "" if any(map(self.is_erased, people)) else self.encrypt_about(text, people)

    def is_erased(self, user_id: int) -> bool:
        """Return whether somebody was erased."""
        return self._keys.get(user_id, _UNREADABLE) is None

    def encrypt_about(self, text: str, people: Iterable[int]) -> str:
        """Encrypt a text as `encrypt` does; but who was erased counts for nothing, as in an entry that tells of it."""
        having = tuple(sorted({each for each in people if self._keys.get(each) is not None}))
        if not having:
            return self._keyring.encrypt(text)
        if any(self._keys[each] == _UNREADABLE for each in having):
            raise WrongKeyError("A personal key is not as it was written.")
        return f"{_MARK}{'.'.join(map(str, having))}:{self._fernet(having).encrypt(text.encode()).decode()}"

    def read(self, token: str) -> str | None:
        """Decrypt a text; None if it was erased. Raises WrongKeyError, also for a text that was tampered with."""
        people = people_of(token)
        if token == "" or any(self._keys.get(each) is None for each in people):
            return None
        if not people:
            return self._keyring.decrypt(token)
        try:
            return self._fernet(people).decrypt(token.partition(":")[2]).decode()
        except InvalidToken as error:
            raise WrongKeyError("A text was not encrypted with the personal keys of its people.") from error

    def text(self, token: str) -> str:
        """Decrypt a text; `ERASED` if it was erased. Raises WrongKeyError."""
        found = self.read(token)
        return ERASED if found is None else found

    def text_if(self, token: str | None) -> str | None:
        """Decrypt a text unless it is None, as `text` does."""
        return None if token is None else self.text(token)

    def _fernet(self, people: tuple[int, ...]) -> Fernet:
        found = self._derived.get(people)
        if found is None:
            material = b"".join(self._keys[each] or b"" for each in people)
            purpose = f"headway personal texts {'.'.join(map(str, people))}".encode()
            derived = HKDF(SHA256(), length=32, salt=None, info=purpose).derive(material)
            found = self._derived[people] = Fernet(urlsafe_b64encode(derived))
        return found


def people_of(token: str) -> tuple[int, ...]:
    """Return the ids of the people under whose keys a text is encrypted; none if it is under the keyring's, or erased."""
    if not token.startswith(_MARK):
        return ()
    ids = token[1:].partition(":")[0].split(".")
    return tuple(int(each) for each in ids if each.isascii() and each.isdecimal() and len(each) < 16) or (0,)


async def texts_for(tx: WriteTransaction, people: Iterable[int]) -> PersonalTexts:
    """Return what encrypts the texts of people, two statements at most; those without a key get one, if they have an account.

    It takes no lock on the keys: a text that is written while its person is being erased cannot be read afterwards.
    """
    keyring = await encrypting(tx)
    wanted = set(people)
    keys = await _load(tx, wanted)
    missing = wanted - keys.keys()
    if missing:
        made = {user_id: _new_key() for user_id in sorted(missing)}
        await tx.run(_add_missing, fresh=[(user_id, _encrypted(keyring, key)) for user_id, key in made.items()])
        # Another transaction may have been faster, and somebody may have no account.
        stored = await _load(tx, missing, is_committed=False)
        tx.own_keys.update({user_id: key for user_id, key in stored.items() if key is not None})
        keys |= stored
    return PersonalTexts(keyring, keys)


async def reader(tx: ReadTransaction, tokens: Iterable[str | None]) -> PersonalTexts:
    """Return what decrypts these texts: one statement, unless the process knows all their keys."""
    people = {each for token in tokens if token is not None for each in people_of(token)}
    return PersonalTexts(tx.keyring, await _load(tx, people))


async def create(tx: WriteTransaction, user_ids: Collection[int]) -> None:
    """Make the keys of new accounts."""
    keyring = await encrypting(tx)
    made = {user_id: _new_key() for user_id in sorted(user_ids)}
    await tx.write_rows((_new, [(user_id, _encrypted(keyring, key)) for user_id, key in made.items()]))
    tx.own_keys.update(made)


async def make_missing(database: Database) -> int:
    """Make the keys of accounts from before there were personal keys, in ascending order; return how many.

    A server does it before it serves. Two transactions that made keys as they needed them, in opposite orders, would each wait
    for the other. Raises Unavailable.
    """
    count = 0
    while True:
        async with database.read() as tx:
            missing = [row["id"] for row in await tx.all(_without_key)]
        if not missing:
            return count
        count += len(missing)
        async with database.write() as writing:
            await texts_for(writing, missing)


async def destroy(tx: WriteTransaction, user_id: int) -> None:
    """Destroy the key of an account for ever: what was encrypted under it cannot be read any more."""
    await tx.run(_insert_destroyed, of_user=user_id)
    await tx.run(_destroy, of_user=user_id)
    tx.own_keys.pop(user_id, None)
    tx.known_keys.forget([user_id])
    tx.after_commit(lambda: tx.known_keys.forget([user_id]))


async def _load(tx: ReadTransaction, user_ids: Collection[int], *, is_committed: bool = True) -> dict[int, bytes | None]:
    """Read the keys of these people; None of those that were destroyed. Who has none is missing.

    The keys that this transaction made are among its own: all others are committed, and may be remembered.
    """
    own = {user_id: key for user_id in user_ids if (key := tx.own_keys.get(user_id)) is not None}
    known: dict[int, bytes | None] = {**tx.known_keys.find(user_ids), **own}
    unknown = [(user_id,) for user_id in sorted(set(user_ids) - known.keys())]
    if unknown:
        read = {row["user_id"]: _decrypted(tx.keyring, row["key"]) for row in await tx.all(_keys, ids=unknown)}
        if is_committed:
            tx.known_keys.put({user_id: key for user_id, key in read.items() if key}, as_of=tx.keys_as_of)
        known |= read
    return known


def _new_key() -> bytes:
    return secrets.token_urlsafe(_KEY_BYTES).encode()


def _decrypted(keyring: Keyring, stored: str) -> bytes | None:
    """Return a key; None of one that was destroyed. One that was tampered with decrypts nothing, and leaves the others be."""
    if stored == _DESTROYED:
        return None
    try:
        return keyring.decrypt(stored).encode()
    except WrongKeyError:
        return _UNREADABLE


def _encrypted(keyring: Keyring, key: bytes) -> str:
    return keyring.encrypt(key.decode())
