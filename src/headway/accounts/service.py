"""Accounts and callers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from cachetools import LRUCache

from headway.accounts import store as users
from headway.accounts.model import (
    Account,
    AccountState,
    NewUser,
    User,
    check_name,
    check_words,
    normalize_email,
    settle_account,
)
from headway.audit.model import Action
from headway.audit.service import AuditRecorder
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.db.revisions import ACCOUNTS, SESSIONS, Revisions
from headway.errors import Conflict, NotFound, Unauthenticated
from headway.identity import Caller, Role
from headway.instants import Clock, Milliseconds
from headway.text import nfc

OnEnabled = Callable[[WriteTransaction, int], Awaitable[None]]
_MAX_REMEMBERED = 50_000


class Accounts:
    """The accounts of this installation, and a cache of those that call.

    `caller` and `find_or_create_outside` run before a request has its transaction: they read the cache, and fill it in short
    reads of their own. This process drops a cached account as soon as it changes it. It sees the changes of other processes
    within two seconds, by the `revisions`.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        revisions: Revisions,
        audit: AuditRecorder,
        *,
        token_lifetime: Milliseconds,
    ) -> None:
        self._database = database
        self._clock = clock
        self._revisions = revisions
        self._audit = audit
        self._token_lifetime = token_lifetime
        self._known: LRUCache[int, User] = LRUCache(_MAX_REMEMBERED)
        self._ended_sessions: frozenset[str] = frozenset()
        self._known_at: Mapping[str, int] | None = None
        """The revisions of which `_known` and `_ended_sessions` are."""
        self._catching_up = asyncio.Lock()
        self.on_enabled: OnEnabled = _do_nothing
        """Runs in the transaction that enables an account, with its id."""

    async def create(
        self, tx: WriteTransaction, *, role: Role, name: str, email: str | None = None, external_id: str | None = None
    ) -> User:
        """Create an account without a password. Raises Invalid for a bad address or name, Conflict EMAIL_TAKEN."""
        return await self.add(tx, NewUser(role, name, email, external_id))

    async def add(self, tx: WriteTransaction, new: NewUser) -> User:
        """Create an account. Raises Invalid naming the field, Conflict EMAIL_TAKEN, also for an external id."""
        new = settle_account(new)
        # The database finds only the spelling that is stored now; older accounts may have another one.
        is_taken = bool(new.email and not new.email.isascii() and await users.find_by_email(tx, new.email))
        user = None if is_taken else await users.insert_user(tx, new, self._clock())
        if user is None:
            raise Conflict("This e-mail address or external id belongs to another account.", code="EMAIL_TAKEN")
        return user

    async def add_as_operator(self, tx: WriteTransaction, new: NewUser) -> User:
        """Create an account as an operator. Raises as `add`."""
        user = await self.add(tx, new)
        await self._audit.record_as_operator(tx, Action.CREATE_USER, user.target, metadata={"role": user.role.value})
        return user

    async def ensure(
        self, tx: WriteTransaction, *, role: Role, name: str, email: str | None = None, external_id: str | None = None
    ) -> User:
        """Return the account with this address or external id, creating it if there is none. Raises as `create`."""
        user = await users.find_by_email(tx, email) if email is not None else None
        if user is None and external_id is not None:
            user = await users.find_by_external_id(tx, external_id)
        return user or await self.create(tx, role=role, name=name, email=email, external_id=external_id)

    async def set_disabled(self, tx: WriteTransaction, user_id: int, *, is_disabled: bool) -> None:
        """Disable or enable an account, as an operator; every token it has ends. Raises NotFound."""
        user = await self.find(tx, user_id)
        await users.set_disabled(tx, user_id, is_disabled=is_disabled, now=self._clock())
        if not is_disabled:
            await self.on_enabled(tx, user_id)
        await self.forget(tx)
        action = Action.DISABLE_USER if is_disabled else Action.ENABLE_USER
        await self._audit.record_as_operator(tx, action, user.target)

    async def change(
        self, tx: WriteTransaction, user_id: int, *, role: Role | None = None, name: str | None = None, email: str | None = None
    ) -> User:
        """Change an account as an operator; None keeps what is stored. Another role ends its tokens.

        Raises NotFound, Conflict EMAIL_TAKEN.
        """
        if name is not None:
            name = nfc(name)
            check_name(name)
        user = await self.find(tx, user_id)
        owner = None if email is None else await users.find_by_email(tx, email)
        email = None if email is None else normalize_email(email)
        if owner is not None and owner.id != user_id:
            raise Conflict("This e-mail address belongs to another account.", code="EMAIL_TAKEN")
        changed = msgspec.structs.replace(
            user,
            role=role or user.role,
            name=name or user.name,
            email=email or user.email,
            token_version=user.token_version + (role not in {None, user.role}),
        )
        await users.update_account(tx, changed, self._clock())
        await self.forget(tx)
        if changed.name != user.name:
            await self._audit.record_as_operator(tx, Action.CHANGE_NAME, changed.target)
        if changed.email != user.email:
            await self._audit.record_as_operator(tx, Action.CHANGE_EMAIL, changed.target)
        if changed.role is not user.role:
            roles = {"from": user.role.value, "to": changed.role.value}
            await self._audit.record_as_operator(tx, Action.CHANGE_ROLE, changed.target, metadata=roles)
        return changed

    async def forget(self, tx: WriteTransaction) -> None:
        """Make all server processes read accounts again after a change of one in this transaction."""
        await self._revisions.grow(tx, ACCOUNTS)
        tx.after_commit(self._forget)

    async def end_session(self, tx: WriteTransaction, session_id: str) -> None:
        """Make all server processes reject the tokens of a session that ended in this transaction."""
        await self._revisions.grow(tx, SESSIONS)
        tx.after_commit(lambda: self._end_session(session_id))

    async def find_account(self, tx: ReadTransaction, user_id: int) -> Account:
        """Read an account as its owner sees it. Raises NotFound USER_NOT_FOUND."""
        account = await users.find_account(tx, user_id)
        if account is None:
            raise NotFound(f"There is no user {user_id}.", code="USER_NOT_FOUND")
        return account

    async def change_profile(
        self,
        tx: WriteTransaction,
        user_id: int,
        *,
        name: str | None = None,
        interests: Sequence[str] | None = None,
        learning_goals: Sequence[str] | None = None,
    ) -> None:
        """Change what users say about themselves; None keeps what is stored. Raises Invalid, NotFound USER_NOT_FOUND."""
        if name is not None:
            check_name(name)
        check_words("interests", interests or ())
        check_words("learning_goals", learning_goals or ())
        stored = await self.find_account(tx, user_id)
        await users.update_profile(
            tx,
            user_id,
            name=stored.user.name if name is None else name,
            interests=stored.interests if interests is None else interests,
            learning_goals=stored.learning_goals if learning_goals is None else learning_goals,
            now=self._clock(),
        )
        if name not in {None, stored.user.name}:
            # Callers carry the name into the audit log.
            await self.forget(tx)

    async def find(self, tx: ReadTransaction, user_id: int) -> User:
        """Read an account as it is now. Raises NotFound."""
        user = await users.find(tx, user_id)
        if user is None:
            raise NotFound(f"There is no user {user_id}.", code="USER_NOT_FOUND")
        return user

    async def find_by_email(self, tx: ReadTransaction, email: str) -> User:
        """Read an account by its address. Raises Invalid, NotFound."""
        normalize_email(email)
        user = await users.find_by_email(tx, email)
        if user is None:
            raise NotFound(f"There is no user with the address {email}.", code="USER_NOT_FOUND")
        return user

    async def caller(self, user_id: int, token_version: int | None, session_id: str | None = None) -> Caller:
        """Return the caller of a verified token; without a version it is one of an outside identity provider.

        Raises Unauthenticated if the token was revoked, or the account is disabled; Unavailable.
        """
        user = await self._remembered(user_id)
        if user is not None and user.is_disabled and token_version is None:
            raise Unauthenticated("The account is disabled.")
        is_current = user is not None and not user.is_disabled and token_version in {None, user.token_version}
        if user is None or not is_current or self.has_ended(session_id):
            raise Unauthenticated("The token has been revoked.")
        return _caller(user, session_id)

    async def read_states(self, tx: ReadTransaction, user_ids: Sequence[int]) -> dict[int, AccountState]:
        """Read the state of each of these accounts that exists, as it is now."""
        return await users.read_states(tx, user_ids)

    def has_ended(self, session_id: str | None) -> bool:
        """Return whether a session was ended, as of the last `catch_up`."""
        return session_id in self._ended_sessions

    async def find_or_create_outside(self, external_id: str, *, name: str) -> int:
        """Return the id of the account of an outside identity provider's subject; an account is created as PARTICIPANT."""
        async with self._database.read(single_statement=True) as tx:
            user = await users.find_by_external_id(tx, external_id)
        if user is not None:
            return user.id
        new = NewUser(Role.PARTICIPANT, name, external_id=external_id)
        async with self._database.write() as tx:
            # Another request may have created it meanwhile.
            user = await users.insert_user(tx, new, self._clock()) or await users.find_by_external_id(tx, external_id)
        if user is None:
            raise Unauthenticated("The account could not be created.")
        return user.id

    async def catch_up(self) -> Mapping[str, int]:
        """Forget what changed since it was cached; return the revisions up to which changes are seen. Raises Unavailable."""
        newest = await self._revisions.read()
        if newest is not self._known_at:
            async with self._catching_up:
                if newest is not self._known_at:
                    await self._forget_changed(newest, self._known_at)
        return newest

    async def _forget_changed(self, newest: Mapping[str, int], known_at: Mapping[str, int] | None) -> None:
        if known_at is None or newest.get(ACCOUNTS) != known_at.get(ACCOUNTS):
            self._known.clear()
        if known_at is None or newest.get(SESSIONS) != known_at.get(SESSIONS):
            async with self._database.read(single_statement=True) as tx:
                # Tokens of sign-ins that ended earlier have expired.
                ended = await users.sessions_ended_since(tx, self._clock() - self._token_lifetime)
            self._ended_sessions = ended | (self._ended_sessions if len(self._ended_sessions) < _MAX_REMEMBERED else ended)
        self._known_at = newest

    async def _remembered(self, user_id: int) -> User | None:
        await self.catch_up()
        user = self._known.get(user_id)
        if user is not None:
            return user
        known_at = self._known_at
        async with self._database.read(single_statement=True) as tx:
            user = await users.find(tx, user_id)
        # What was read before a change must not be remembered after it.
        if user is not None and known_at is not None and known_at is self._known_at:
            self._known[user_id] = user
        return user

    def _forget(self) -> None:
        self._known.clear()
        self._known_at = None

    def _end_session(self, session_id: str) -> None:
        self._ended_sessions |= {session_id}


def _caller(user: User, session_id: str | None = None) -> Caller:
    return Caller(user.id, user.role, user.external_id, session_id, user.name, user.email)


async def _do_nothing(_tx: WriteTransaction, _user_id: int) -> None:
    """Stand in where the composition sets no hook."""
