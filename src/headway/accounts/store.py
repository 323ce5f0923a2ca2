"""Accounts and sign-ins as rows."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import Text, and_, bindparam, exists, func, not_, or_, select, update

from headway.accounts import keys_store
from headway.accounts.model import Account, AccountState, NewUser, Session, StoredSession, TokenUse, User, email_spellings
from headway.accounts.tables import sessions, users
from headway.db import index_keys, personal_keys
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import Statement, UpdateRows, delete_before, insert, lookup, rows
from headway.db.types import Id
from headway.identity import Role, UserIds, UserRef
from headway.instants import Instant
from headway.words import fold, words

_decode_words = msgspec.json.Decoder(list[str]).decode

_columns = [users.c[name] for name in User.__struct_fields__]
_by_id = select(*_columns).where(users.c.id == bindparam("user_id"))
_by_email = select(*_columns).where(users.c.email_hash == bindparam("email_hash"))
_email_hashes = rows("hashes", {"email_hash": Text()})
_by_emails = select(*_columns, users.c.email_hash).select_from(
    lookup(_email_hashes, users, users.c.email_hash == _email_hashes.c.email_hash)
)
_by_external_id = select(*_columns).where(users.c.external_id == bindparam("external_id"))
_external_ids = rows("external_ids", {"external_id": Text()})
_by_external_ids = select(*_columns).select_from(
    lookup(_external_ids, users, users.c.external_id == _external_ids.c.external_id)
)
_ids = select(users.c.id, users.c.external_id).where(
    or_(users.c.id == bindparam("user_id"), users.c.external_id == bindparam("external_id"))
)
_some = rows("ids", {"id": Id})
_by_ids = select(*_columns).select_from(lookup(_some, users, users.c.id == _some.c.id))
_name_words = rows("name_words", {"pattern": Text()})
has_name = not_(
    exists(select(_name_words.c.pattern).where(func.coalesce(users.c.folded_name, "").not_like(_name_words.c.pattern)))
)
"""The condition that the name of an account has each word of the parameter `name_words`; see `name_words`."""
_NO_NAME = "\U0010ffff"
_new_names = [*NewUser.__struct_fields__, "folded_name", "email_hash", "created_at", "updated_at"]
_insert = (
    insert(users)
    .values(**{name: bindparam(name) for name in _new_names}, token_version=1, is_disabled=False)
    .on_conflict_do_nothing()
    .returning(*_columns)
)
_end_tokens = (
    update(users)
    .where(users.c.id == bindparam("user_id"))
    .values(token_version=users.c.token_version + 1, updated_at=bindparam("now"))
)
_set_disabled = _end_tokens.values(is_disabled=bindparam("disabled"))
_set_password = _end_tokens.values(password_hash=bindparam("hash"))
_replace_hash = (
    update(users)
    .where(users.c.id == bindparam("user_id"), users.c.password_hash == bindparam("stored"))
    .values(password_hash=bindparam("hash"))
)
_addresses = select(users.c.id, users.c.email).where(users.c.email.is_not(None)).order_by(users.c.id)
_set_hash = UpdateRows(users, ["email_hash"])
_credentials = select(*_columns, users.c.password_hash).where(users.c.email_hash == bindparam("email_hash"))
_password_hash = select(users.c.password_hash).where(users.c.id == bindparam("user_id"))
_account = select(*_columns, users.c.interests, users.c.learning_goals, users.c.created_at, users.c.shows_streak).where(
    users.c.id == bindparam("user_id")
)
# Not FOR UPDATE: rows that refer to the account may be written meanwhile.
_lock_account = _account.with_for_update(key_share=True)
_ACCOUNT = ["role", "name", "folded_name", "email", "email_hash", "external_id", "token_version", "updated_at"]
_update_account = UpdateRows(users, _ACCOUNT)
_write_seen = UpdateRows(users, ["seen_at"])
_update_profile = UpdateRows(users, ["name", "folded_name", "interests", "learning_goals", "updated_at"])
_set_shows_streak = UpdateRows(users, ["shows_streak", "updated_at"])

_new_session_names = ("user_id", "id", "token_version", "generation", "created_at", "expires_at")
_insert_session = insert(sessions).values(**{name: bindparam(name) for name in _new_session_names}, replaced="[]")
_this_session = (sessions.c.user_id == bindparam("of_user"), sessions.c.id == bindparam("session_id"))
_lock_session = select(*(sessions.c[name] for name in StoredSession.__struct_fields__)).where(*_this_session).with_for_update()
_rotate_session = (
    update(sessions)
    .where(*_this_session)
    .values(generation=bindparam("next"), replaced=bindparam("used"), expires_at=bindparam("until"))
)
_end_session = update(sessions).where(*_this_session, sessions.c.ended_at.is_(None)).values(ended_at=bindparam("now"))
_delete_expired_sessions = delete_before(sessions.c.expires_at)

# An account has a row for each of its ended sessions, and one if there are none.
_ended_lately = and_(sessions.c.user_id == users.c.id, sessions.c.ended_at > bindparam("since"))
_states = select(*_columns, sessions.c.id.label("ended_session")).select_from(
    lookup(lookup(_some, users, users.c.id == _some.c.id), sessions, _ended_lately, is_outer=True)
)
_NO_SESSIONS: frozenset[str] = frozenset()


def user_of(tx: ReadTransaction, row: Row | None) -> User | None:
    """Read an account from a row with its columns; None of none."""
    if row is None:
        return None
    values = {name: row[name] for name in User.__struct_fields__}
    values |= {"role": Role(row["role"]), "email": tx.keyring.decrypt_if(row["email"]), "is_disabled": bool(row["is_disabled"])}
    return User(**values)


def name_words(text: str) -> list[tuple[str]]:
    """Return the parameter of `has_name` for a text: each of its words has to be in the name, in any order, also as a part.

    Without a word in the text, no name has it.
    """
    return [(f"%{word}%",) for word in words(text)] or [(_NO_NAME,)]


async def find(tx: ReadTransaction, user_id: int) -> User | None:
    """Look an account up by its id."""
    return user_of(tx, await tx.first(_by_id, user_id=user_id))


async def find_by_ids(tx: ReadTransaction, user_ids: Collection[int]) -> dict[int, User]:
    """Look accounts up by their ids; return those that exist."""
    found = await tx.all(_by_ids, ids=[(user_id,) for user_id in user_ids]) if user_ids else ()
    return {row["id"]: user for row in found if (user := user_of(tx, row)) is not None}


async def read_state(tx: ReadTransaction, user_id: int, *, ended_since: Instant) -> AccountState | None:
    """Read the state of an account, with its sessions that ended after an instant."""
    return (await read_states(tx, [user_id], ended_since=ended_since)).get(user_id)


async def read_states(tx: ReadTransaction, user_ids: Sequence[int], *, ended_since: Instant) -> dict[int, AccountState]:
    """Read the state of each of these accounts that exists, with its sessions that ended after an instant."""
    found = await tx.all(_states, ids=[(user_id,) for user_id in user_ids], since=ended_since)
    ended = defaultdict[int, set[str]](set)
    for row in found:
        if row["ended_session"] is not None:
            ended[row["id"]].add(row["ended_session"])
    known = {user.id: user for row in found if (user := user_of(tx, row)) is not None}
    services = [user.id for user in known.values() if user.role is Role.SYSTEM]
    keys = await keys_store.read_active(tx, services) if services else {}
    return {
        user_id: AccountState(user, frozenset(ended[user_id]) if user_id in ended else _NO_SESSIONS, keys.get(user_id, {}))
        for user_id, user in known.items()
    }


async def find_by_email(tx: ReadTransaction, email: str) -> User | None:
    """Look an account up by its address, however that is spelled."""
    return user_of(tx, await _first_by_email(tx, _by_email, email))


async def find_by_emails(tx: ReadTransaction, emails: Sequence[str]) -> dict[str, User]:
    """Look accounts up by their addresses, however those are spelled; return those that exist, by address as given."""
    spellings = [(email, spelling) for email in emails for spelling in email_spellings(email)]
    hashes = await index_keys.email_hashes(tx, [spelling for _, spelling in spellings])
    found = {row["email_hash"]: user_of(tx, row) for row in await tx.all(_by_emails, hashes=[(each,) for each in set(hashes)])}
    users_by_email: dict[str, User] = {}
    for (email, _), hashed in zip(spellings, hashes, strict=True):
        user = found.get(hashed)
        if user is not None:
            users_by_email.setdefault(email, user)
    return users_by_email


async def find_by_external_id(tx: ReadTransaction, external_id: str) -> User | None:
    """Look an account up by its subject at the outside identity provider."""
    return user_of(tx, await tx.first(_by_external_id, external_id=external_id))


async def find_by_external_ids(tx: ReadTransaction, external_ids: Collection[str]) -> dict[str, User]:
    """Look accounts up by their subjects at the outside identity provider; return those that exist."""
    found = await tx.all(_by_external_ids, external_ids=[(each,) for each in external_ids]) if external_ids else ()
    return {row["external_id"]: user for row in found if (user := user_of(tx, row)) is not None}


async def find_ids(tx: ReadTransaction, ref: UserRef) -> list[UserIds]:
    """Look up the ids of the accounts, at most two, that have one of the ids of a reference."""
    return [UserIds(*row) for row in await tx.all(_ids, user_id=ref.user_id, external_id=ref.external_id)]


async def insert_user(tx: WriteTransaction, user: NewUser, now: Instant) -> User | None:
    """Create an account; None if its address or external id is taken."""
    params = msgspec.structs.asdict(user) | await _stored_email(tx, user.email)
    params |= {"folded_name": fold(user.name), "interests": encode_words(user.interests), "created_at": now, "updated_at": now}
    made = user_of(tx, await tx.first(_insert, **params))
    if made is not None:
        await personal_keys.create(tx, [made.id])
    return made


async def update_account(tx: WriteTransaction, user: User, now: Instant) -> None:
    """Overwrite role, name, address, external id and token version; the address and the external id must be free."""
    email = await _stored_email(tx, user.email)
    names = user.name, fold(user.name), email["email"], email["email_hash"], user.external_id
    await tx.write_rows((_update_account, [(user.role, *names, user.token_version, now, user.id)]))


async def set_disabled(tx: WriteTransaction, user_id: int, *, is_disabled: bool, now: Instant) -> bool:
    """Disable or enable an account, ending the tokens it has; False if there is none."""
    return await tx.run(_set_disabled, user_id=user_id, disabled=is_disabled, now=now) > 0


async def hash_addresses(tx: ReadTransaction, key: str) -> dict[str, str]:
    """Return the hash of every address under a key, by the address as it is stored."""
    found = await tx.all(_addresses)
    return {row["email"]: index_keys.hash_under(key, tx.keyring.decrypt(row["email"])) for row in found}


async def find_addresses_under(tx: WriteTransaction, key: str, hashes: Mapping[str, str]) -> None:
    """Replace the key for address hashes; `hashes` are those that `hash_addresses` returned before.

    Nobody else looks an address up, or stores one, until the transaction ends.
    """
    await index_keys.replace_email_key(tx, key)
    changed = [
        (hashes.get(email) or index_keys.hash_under(key, tx.keyring.decrypt(email)), user_id)
        for user_id, email in await tx.all(_addresses)
    ]
    await tx.write_rows((_set_hash, changed))


async def credentials(tx: ReadTransaction, email: str) -> tuple[User, str | None] | None:
    """Look up an account by its address, however that is spelled, with the hash of its password, if it has one."""
    row = await _first_by_email(tx, _credentials, email)
    user = user_of(tx, row)
    return None if row is None or user is None else (user, row["password_hash"])


async def password_hash(tx: ReadTransaction, user_id: int) -> str | None:
    """Return the hash of an account's password, if it has one."""
    row = await tx.first(_password_hash, user_id=user_id)
    return row["password_hash"] if row else None


async def replace_password_hash(tx: WriteTransaction, user_id: int, stored: str, hashed: str) -> None:
    """Overwrite the hash of a password by another one of the same password, unless that is not stored any more."""
    await tx.run(_replace_hash, user_id=user_id, stored=stored, hash=hashed)


async def set_password(tx: WriteTransaction, user_id: int, hashed: str, now: Instant) -> None:
    """Overwrite the hash of an account's password, ending the tokens it has."""
    await tx.run(_set_password, user_id=user_id, hash=hashed, now=now)


async def end_tokens(tx: WriteTransaction, user_id: int, now: Instant) -> None:
    """End all tokens of an account, with its sessions."""
    await tx.run(_end_tokens, user_id=user_id, now=now)


async def find_account(tx: ReadTransaction, user_id: int) -> Account | None:
    """Read an account as its owner sees it."""
    return _as_account(tx, await tx.first(_account, user_id=user_id))


async def lock_account(tx: WriteTransaction, user_id: int) -> Account | None:
    """Lock and read an account, before what it was is written back with a change."""
    return _as_account(tx, await tx.first(_lock_account, user_id=user_id))


def _as_account(tx: ReadTransaction, row: Row | None) -> Account | None:
    user = user_of(tx, row)
    if row is None or user is None:
        return None
    return Account(
        user=user,
        interests=_decode_words(row["interests"] or "[]"),
        learning_goals=_decode_words(row["learning_goals"] or "[]"),
        created_at=row["created_at"],
        shows_streak=bool(row["shows_streak"]),
    )


async def update_profile(
    tx: WriteTransaction, user_id: int, *, name: str, interests: Sequence[str], learning_goals: Sequence[str], now: Instant
) -> None:
    """Overwrite what users say about themselves."""
    row = (name, fold(name), encode_words(interests), encode_words(learning_goals), now, user_id)
    await tx.write_rows((_update_profile, [row]))


async def set_shows_streak(tx: WriteTransaction, user_id: int, *, shows_streak: bool, now: Instant) -> None:
    """Store whether a learner wants to see streaks."""
    await tx.write_rows((_set_shows_streak, [(shows_streak, now, user_id)]))


async def _first_by_email(tx: ReadTransaction, statement: Statement, email: str) -> Row | None:
    for spelling in email_spellings(email):
        row = await tx.first(statement, email_hash=await index_keys.email_hash(tx, spelling))
        if row is not None:
            return row
    return None


async def _stored_email(tx: WriteTransaction, email: str | None) -> dict[str, str | None]:
    if email is None:
        return {"email": None, "email_hash": None}
    return {"email": tx.keyring.encrypt(email), "email_hash": await index_keys.email_hash(tx, email)}


def encode_words(words: Sequence[str]) -> str:
    """Write a list of words as it is stored."""
    return msgspec.json.encode(words).decode()


async def insert_session(tx: WriteTransaction, session: Session, now: Instant) -> None:
    """Store a new sign-in."""
    user, expires_at = session.user, session.expires_at
    params = {"id": session.id, "generation": session.generation, "created_at": now, "expires_at": expires_at}
    await tx.run(_insert_session, user_id=user.id, token_version=user.token_version, **params)


async def lock_session(tx: WriteTransaction, user_id: int, session_id: str) -> StoredSession | None:
    """Lock and read a sign-in."""
    row = await tx.first(_lock_session, of_user=user_id, session_id=session_id)
    if row is None:
        return None
    values = {name: row[name] for name in StoredSession.__struct_fields__}
    return StoredSession(**values | {"replaced": msgspec.json.decode(row["replaced"], type=list[TokenUse])})


async def rotate_session(tx: WriteTransaction, user_id: int, session_id: str, session: StoredSession) -> None:
    """Overwrite the generation, with what it replaced, and the time at which it expires."""
    used = msgspec.json.encode(session.replaced).decode()
    await tx.run(
        _rotate_session, of_user=user_id, session_id=session_id, next=session.generation, used=used, until=session.expires_at
    )


async def end_session(tx: WriteTransaction, user_id: int, session_id: str, now: Instant) -> bool:
    """End a sign-in; False if it had ended or never was."""
    return await tx.run(_end_session, of_user=user_id, session_id=session_id, now=now) > 0


async def write_seen(tx: WriteTransaction, seen: Sequence[tuple[int, Instant]]) -> None:
    """Store when accounts were used last, in the order of their ids."""
    await tx.write_rows((_write_seen, [(at, user_id) for user_id, at in seen]))


async def delete_expired_sessions(tx: WriteTransaction, now: Instant) -> None:
    """Delete some of the sign-ins that had expired at an instant."""
    await tx.run(_delete_expired_sessions, before=now)
