"""Accounts and callers."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from sys import getsizeof
from typing import TypeVar

import msgspec

from headway.accounts import many_store
from headway.accounts import store as users
from headway.accounts.last_seen import LastSeen
from headway.accounts.model import (
    COMMAND_LINE,
    Account,
    AccountState,
    NewUser,
    Operator,
    User,
    check_external_id,
    check_name,
    check_not_erased,
    check_words,
    normalize_email,
    settle_account,
)
from headway.audit.model import Action
from headway.audit.service import AuditRecorder
from headway.bounded_cache import BoundedCache
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.db.revisions import Revisions
from headway.errors import Conflict, FieldError, NotFound, Unauthenticated
from headway.identity import Caller, Role, UserRef
from headway.instants import Clock, Instant, Milliseconds
from headway.text import nfc

Found = TypeVar("Found", User, Account)
OnEnabled = Callable[[WriteTransaction, int], Awaitable[None]]
OnAddressed = Callable[[WriteTransaction, Sequence[User]], Awaitable[None]]


class Accounts:
    """The accounts of this installation, and a cache of those that call.

    `caller` and `find_or_create_outside` run before a request has its transaction: they read the cache, and fill it in short
    reads of their own. This process forgets an account as soon as it changes it, and within two seconds when others do, by the
    `revisions`; it keeps the others.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        revisions: Revisions,
        audit: AuditRecorder,
        *,
        token_lifetime: Milliseconds,
        cache_bytes: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._revisions = revisions
        self._audit = audit
        self._token_lifetime = token_lifetime
        self._known: BoundedCache[int, AccountState] = BoundedCache(cache_bytes, _size)
        self._reads: dict[int, object] = {}
        """By account the read whose result may be remembered: the last one, unless the account changed since it began."""
        self.last_seen = LastSeen(database, clock)
        revisions.listen(self._forget)
        self.on_enabled: OnEnabled = _do_nothing
        """Runs in the transaction that enables an account, with its id."""
        self.on_addressed: OnAddressed = _do_nothing
        """Runs in the transaction that gives accounts their addresses, with those accounts."""

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
        if user.email is not None:
            await self.on_addressed(tx, [user])
        return user

    async def add_as_operator(self, tx: WriteTransaction, new: NewUser, operator: Operator = COMMAND_LINE) -> User:
        """Create an account as an operator. Raises as `add`."""
        user = await self.add(tx, new)
        role = {"role": user.role.value}
        await self._audit.record_for(
            tx, Action.CREATE_USER, operator.caller, user.target, metadata=role, client=operator.client
        )
        return user

    async def add_all(self, tx: WriteTransaction, new: Sequence[NewUser]) -> list[User | None]:
        """Create accounts without passwords, settled by `settle_account`; None in place of one whose address or id is taken.

        The caller records them. The number of statements does not depend on how many there are.
        """
        made = await many_store.insert_users(tx, new, self._clock())
        addressed = [user for user in made if user is not None and user.email is not None]
        if addressed:
            await self.on_addressed(tx, addressed)
        return made

    async def set_external_ids(self, tx: WriteTransaction, ids: Sequence[tuple[int, str]]) -> None:
        """Set the external ids of accounts, by their ids; no account has them. The caller records it."""
        if ids:
            await many_store.set_external_ids(tx, ids, self._clock())
            for user_id, _ in ids:
                await self.forget(tx, user_id)

    async def ensure(
        self, tx: WriteTransaction, *, role: Role, name: str, email: str | None = None, external_id: str | None = None
    ) -> User:
        """Return the account with this address or external id, creating it if there is none. Raises as `create`."""
        user = await users.find_by_email(tx, email) if email is not None else None
        if user is None and external_id is not None:
            user = await users.find_by_external_id(tx, external_id)
        return user or await self.create(tx, role=role, name=name, email=email, external_id=external_id)

    async def set_disabled(
        self, tx: WriteTransaction, user_id: int, *, is_disabled: bool, operator: Operator = COMMAND_LINE
    ) -> None:
        """Disable or enable an account, as an operator; every token it has ends. Raises NotFound, Conflict USER_ERASED."""
        user = await self.find(tx, user_id)
        check_not_erased(user)
        await users.set_disabled(tx, user_id, is_disabled=is_disabled, now=self._clock())
        if not is_disabled:
            await self.on_enabled(tx, user_id)
        await self.forget(tx, user_id)
        action = Action.DISABLE_USER if is_disabled else Action.ENABLE_USER
        await self._audit.record_for(tx, action, operator.caller, user.target, client=operator.client)

    async def change(
        self,
        tx: WriteTransaction,
        user_id: int,
        *,
        role: Role | None = None,
        name: str | None = None,
        email: str | None = None,
        operator: Operator = COMMAND_LINE,
    ) -> User:
        """Change an account as an operator; None keeps what is stored. Another role ends its tokens.

        Raises NotFound, Conflict EMAIL_TAKEN or USER_ERASED.
        """
        if name is not None:
            name = nfc(name)
            check_name(name)
        user = _existing(await users.lock_account(tx, user_id), user_id).user
        check_not_erased(user)
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
        await self.forget(tx, user_id)
        if changed.email not in {None, user.email}:
            await self.on_addressed(tx, [changed])
        roles = {"from": user.role.value, "to": changed.role.value}
        for action, has_changed, metadata in (
            (Action.CHANGE_NAME, changed.name != user.name, None),
            (Action.CHANGE_EMAIL, changed.email != user.email, None),
            (Action.CHANGE_ROLE, changed.role is not user.role, roles),
        ):
            if has_changed:
                await self._audit.record_for(
                    tx, action, operator.caller, changed.target, metadata=metadata, client=operator.client
                )
        return changed

    async def set_external_id(
        self, tx: WriteTransaction, user_id: int, external_id: str, operator: Operator = COMMAND_LINE
    ) -> User:
        """Set the external id of an account, as an operator.

        Raises Invalid, NotFound USER_NOT_FOUND, Conflict EXTERNAL_ID_TAKEN or USER_ERASED.
        """
        external_id = nfc(external_id)
        check_external_id(external_id)
        user = _existing(await users.lock_account(tx, user_id), user_id).user
        check_not_erased(user)
        await tx.lock_names([f"user external id {external_id}"])
        owner = await users.find_by_external_id(tx, external_id)
        if owner is not None and owner.id != user_id:
            fields = [FieldError("external_id", "belongs to another account")]
            raise Conflict("This external id belongs to another account.", code="EXTERNAL_ID_TAKEN", fields=fields)
        changed = msgspec.structs.replace(user, external_id=external_id)
        if changed != user:
            await users.update_account(tx, changed, self._clock())
            await self.forget(tx, user_id)
            ids = {"from": user.external_id, "to": external_id}
            action, client = Action.CHANGE_EXTERNAL_ID, operator.client
            await self._audit.record_for(tx, action, operator.caller, changed.target, metadata=ids, client=client)
        return changed

    async def forget(self, tx: WriteTransaction, user_id: int) -> None:
        """Make all server processes read an account again that this transaction changes, or of which it ends a session."""
        await self._revisions.record(tx, user_id)

    async def find_account(self, tx: ReadTransaction, user_id: int) -> Account:
        """Read an account as its owner sees it. Raises NotFound USER_NOT_FOUND."""
        return _existing(await users.find_account(tx, user_id), user_id)

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
        stored = _existing(await users.lock_account(tx, user_id), user_id)
        check_not_erased(stored.user)
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
            await self.forget(tx, user_id)

    async def show_streak(self, tx: WriteTransaction, user_id: int, *, is_shown: bool) -> None:
        """Store whether a user wants to see streaks."""
        await users.set_shows_streak(tx, user_id, shows_streak=is_shown, now=self._clock())

    async def find(self, tx: ReadTransaction, user_id: int) -> User:
        """Read an account as it is now. Raises NotFound."""
        return _existing(await users.find(tx, user_id), user_id)

    async def find_id(self, tx: ReadTransaction, external_id: str) -> int | None:
        """Return the id of the account that has an external id, if there is one: for whoever then checks access to it."""
        found = await users.find_ids(tx, UserRef(None, external_id))
        return found[0].id if found else None

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
        state = await self._state(user_id)
        if state is None or not state.accepts(token_version, session_id):
            is_outside = state is not None and token_version is None
            raise Unauthenticated("The account is disabled." if is_outside else "The token has been revoked.")
        user = state.user
        self.last_seen.note(user.id)
        return Caller(user.id, user.role, user.external_id, session_id, user.name, user.email)

    async def key_caller(self, user_id: int, key_id: int) -> Caller:
        """Return the caller of an API key whose secret was verified.

        Raises Unauthenticated if the key was revoked, or the account is disabled or no service account; Unavailable.
        """
        state = await self._state(user_id)
        if state is None or state.scopes_of(key_id) is None:
            # Another process may have created the key less than a second ago.
            state = await self._read(user_id)
        scopes = None if state is None else state.scopes_of(key_id)
        if state is None or scopes is None:
            raise Unauthenticated("The API key was revoked, or its account is disabled.")
        user = state.user
        self.last_seen.note(user.id)
        return Caller(user.id, user.role, user.external_id, None, user.name, user.email, key_id, scopes)

    async def read_states(self, tx: ReadTransaction, user_ids: Sequence[int]) -> dict[int, AccountState]:
        """Read the state of each of these accounts that exists, as it is now."""
        return await users.read_states(tx, user_ids, ended_since=self._ended_since())

    async def find_or_create_outside(self, external_id: str, *, name: str, email: str | None = None) -> int:
        """Return the id of the account of an outside identity provider's subject; an account is created as PARTICIPANT.

        `email` is an address that the provider has verified: a new account has it unless another account does.
        """
        async with self._database.read(single_statement=True) as tx:
            user = await users.find_by_external_id(tx, external_id)
        if user is not None:
            return user.id
        async with self._database.write() as tx:
            # Another request may have created it meanwhile.
            user = await self._add_outside(tx, external_id, name, email) or await users.find_by_external_id(tx, external_id)
        if user is None:
            raise Unauthenticated("The account could not be created.")
        return user.id

    async def _state(self, user_id: int) -> AccountState | None:
        """Return the state of an account as it was a second ago or later."""
        await self._revisions.catch_up()
        return self._known.get(user_id) or await self._read(user_id)

    async def _add_outside(self, tx: WriteTransaction, external_id: str, name: str, email: str | None) -> User | None:
        new = NewUser(Role.PARTICIPANT, name, email, external_id)
        is_taken = email is None or await users.find_by_email(tx, email) is not None
        user = None if is_taken else await users.insert_user(tx, new, self._clock())
        if user is not None:
            await self.on_addressed(tx, [user])
        return user or await users.insert_user(tx, msgspec.structs.replace(new, email=None), self._clock())

    async def _read(self, user_id: int) -> AccountState | None:
        """Read an account, and remember it unless it changes meanwhile: what was read may be what it was before."""
        this_read = self._reads[user_id] = object()
        try:
            async with self._database.read(single_statement=True) as tx:
                state = await users.read_state(tx, user_id, ended_since=self._ended_since())
            if state is not None and self._reads.get(user_id) is this_read:
                self._known.put(state.user.id, state)
        finally:
            if self._reads.get(user_id) is this_read:
                del self._reads[user_id]
        return state

    def _ended_since(self) -> Instant:
        """Return since when sessions may have ended of which there are valid tokens."""
        return self._clock() - self._token_lifetime

    def _forget(self, user_ids: Collection[int] | None) -> None:
        if user_ids is None:
            self._known.clear()
            self._reads.clear()
        for user_id in user_ids or ():
            self._known.discard(user_id)
            self._reads.pop(user_id, None)


def _existing(found: Found | None, user_id: int) -> Found:
    if found is None:
        raise NotFound(f"There is no user {user_id}.", code="USER_NOT_FOUND")
    return found


def _size(_user_id: int, state: AccountState) -> int:
    # The id, the two structs and the texts; all accounts without ended sessions share the empty set.
    user, ended = state.user, state.ended_sessions
    texts = getsizeof(user.name) + getsizeof(user.email) + getsizeof(user.external_id)
    keys = getsizeof(state.keys) + sum(32 + getsizeof(scopes) for scopes in state.keys.values()) if state.keys else 0
    return 168 + texts + keys + (getsizeof(ended) + 96 * len(ended) if ended else 0)


async def _do_nothing(_tx: WriteTransaction, _of: object) -> None:
    """Stand in where the composition sets no hook."""
