"""Registering, signing in and out, and the sessions in between."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from headway.accounts import store as users
from headway.accounts.model import (
    COMMAND_LINE,
    MAX_EMAIL,
    REFRESH_LIFETIME,
    NewUser,
    Operator,
    Session,
    User,
    check_not_erased,
    settle_account,
)
from headway.accounts.passwords import Passwords
from headway.accounts.service import Accounts
from headway.audit.model import Action, Actor, Target, TargetType
from headway.audit.service import AuditRecorder
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.errors import Invalid, Unauthenticated
from headway.identity import Caller, Client, Role, settle_email
from headway.ids import NewId
from headway.instants import SECOND, Clock, Instant
from headway.limits.limiter import DatabaseRateLimiter
from headway.limits.model import RateLimit
from headway.settings import Settings
from headway.text import nfc

_FAILURES_WINDOW_SECONDS = 15 * 60
_LONGEST_EMAIL = 4 * MAX_EMAIL
"""Of an address that is decomposed, with spaces around it."""

FindUnproven = Callable[[ReadTransaction, str], Awaitable[str | None]]
OnPassword = Callable[[WriteTransaction, User, Client | None], Awaitable[None]]


class SignIn:
    """Registration, sign-in and sessions. `client` is the address and User-Agent of the request.

    Signing in, refreshing and changing a password open their own transactions. An attempt is counted in one that commits even
    if the attempt fails, passwords are verified outside any, and a failure is committed to the audit log before it is raised.
    The other verbs take the transaction of their caller.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        new_id: NewId,
        accounts: Accounts,
        audit: AuditRecorder,
        settings: Settings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._accounts = accounts
        self._audit = audit
        self._token_lifetime = settings.access_token_seconds * SECOND
        self._passwords = Passwords()
        self.find_unproven: FindUnproven | None = None
        """Returns the hash of the password with which an address was registered that is not proven yet, if it has to be."""
        self.on_password: OnPassword = _do_nothing
        """Runs in the transaction that sets a password, with the account and the client that did it, if it was one."""
        self._limiter = DatabaseRateLimiter(database, clock)
        self._address_failures = RateLimit("sign-in address", settings.failed_sign_ins_per_address, _FAILURES_WINDOW_SECONDS)
        self._client_failures = RateLimit("sign-in client", settings.failed_sign_ins_per_client, _FAILURES_WINDOW_SECONDS)
        self._registrations = RateLimit("register client", settings.registrations_per_client, 3600)

    async def prepare(self, *, name: str, email: str, password: str, interests: Sequence[str], client: Client) -> NewUser:
        """Check and count a learner's registration; return the account to create. Raises Invalid, RateLimited."""
        new = settle_account(NewUser(Role.PARTICIPANT, name, email, None, None, interests))
        self._passwords.check("password", password)
        await self._limiter.take_all({f"register client {client.network}": self._registrations})
        hashed = await self._passwords.hash(password)
        return msgspec.structs.replace(new, password_hash=hashed)

    async def sign_in(self, *, email: str, password: str, client: Client) -> Session:
        """Begin a session. Raises Unauthenticated INVALID_CREDENTIALS, the same whether the address is known; RateLimited.

        Whoever registered the address with this password and has not proven it yet gets Unauthenticated EMAIL_NOT_VERIFIED.
        """
        # All spellings of an address have one limit.
        email = email[:_LONGEST_EMAIL]
        settled = settle_email(email)[:MAX_EMAIL]
        limits = {
            f"sign-in address {settled}": self._address_failures,
            f"sign-in client {client.network}": self._client_failures,
        }
        taken_at = await self._limiter.take_all(limits)
        async with self._database.read() as tx:
            user, stored = await users.credentials(tx, email) or (None, None)
            unproven = None if self.find_unproven is None else await self.find_unproven(tx, settled)
        spelling = await self._passwords.find_spelling(stored, password)
        if user is None or stored is None or spelling is None or user.is_disabled:
            # Whether there is an account or not, both passwords are verified.
            is_unproven = self.find_unproven is not None and await self._passwords.verify(unproven, password)
            async with self._database.write() as tx:
                actor = Actor(None, None, settled, None) if user is None else user.actor
                target = Target(TargetType.SYSTEM) if user is None else user.target
                await self._audit.record_failure(tx, Action.LOGIN_FAILED, actor, target, client)
            if is_unproven:
                raise Unauthenticated("Confirm your e-mail address first: you got a mail.", code="EMAIL_NOT_VERIFIED")
            raise Unauthenticated("The e-mail address or the password is wrong.", code="INVALID_CREDENTIALS")
        await self._limiter.give_back(limits, taken_at)
        if spelling != nfc(password):
            # From now on the password is right on every device.
            hashed = await self._passwords.hash(password)
            async with self._database.write() as tx:
                await users.replace_password_hash(tx, user.id, stored, hashed)
        return await self._begin(user, client)

    async def sign_in_outside(self, user_id: int, client: Client) -> Session:
        """Begin a session for an account whose owner an outside provider has identified.

        Raises Unauthenticated ACCOUNT_DISABLED.
        """
        async with self._database.read() as tx:
            user = await self._accounts.find(tx, user_id)
        if user.is_disabled:
            async with self._database.write() as tx:
                await self._audit.record_failure(tx, Action.LOGIN_FAILED, user.actor, user.target, client)
            raise Unauthenticated("The account is disabled.", code="ACCOUNT_DISABLED")
        return await self._begin(user, client)

    async def refresh(self, *, user_id: int, session_id: str, generation: int, client: Client) -> Session:
        """Continue a session with the refresh token of a generation; the session moves on to the next one.

        A token that was used less than `GRACE` ago returns the newest one again; one used earlier ends the session.
        Raises Unauthenticated; TOKEN_REUSED in the last case.
        """
        now = self._clock()
        async with self._database.write() as tx:
            session = await users.lock_session(tx, user_id, session_id)
            user = await users.find(tx, user_id)
            if session is None or user is None or not session.is_valid(user, now):
                raise Unauthenticated("The session has ended.")
            refreshed = session.refresh(generation, now)
            if refreshed is None:
                await self.sign_out(tx, user_id, session_id)
                await self._audit.record_failure(tx, Action.TOKEN_REUSED, user.actor, user.target, client)
            elif refreshed.generation != session.generation:
                await users.rotate_session(tx, user_id, session_id, refreshed)
        if refreshed is None:
            raise Unauthenticated("This refresh token was used before; the session has been ended.", code="TOKEN_REUSED")
        return Session(user, session_id, refreshed.generation, refreshed.expires_at)

    async def sign_out(self, tx: WriteTransaction, user_id: int, session_id: str) -> None:
        """End a session, with all its tokens. A session that has ended stays ended."""
        if await users.end_session(tx, user_id, session_id, self._clock()):
            await self._accounts.forget(tx, user_id)

    async def sign_out_everywhere(self, tx: WriteTransaction, caller: Caller, *, client: Client) -> None:
        """End all sessions of the caller, and all tokens, also those that no session issued."""
        await users.end_tokens(tx, caller.user_id, self._clock())
        await self._accounts.forget(tx, caller.user_id)
        user = await self._accounts.find(tx, caller.user_id)
        await self._audit.record(tx, Action.LOGOUT_EVERYWHERE, user.actor, user.target, client=client)

    async def end_sessions(self, tx: WriteTransaction, user_id: int, operator: Operator) -> None:
        """End all sessions and tokens of an account, as an operator. Raises NotFound."""
        await users.end_tokens(tx, user_id, self._clock())
        await self._accounts.forget(tx, user_id)
        user = await self._accounts.find(tx, user_id)
        await self._audit.record_for(tx, Action.LOGOUT_EVERYWHERE, operator.caller, user.target, client=operator.client)

    async def change_password(self, user_id: int, *, current: str, new: str, client: Client) -> None:
        """Change a password, which ends all tokens of the account. Raises Invalid naming the field, RateLimited."""
        self._passwords.check("new_password", new)
        await self.prove(user_id, current, client)
        hashed = await self._passwords.hash(new)
        async with self._database.write() as tx:
            user = await self._store(tx, user_id, hashed, client)
            await self._audit.record(tx, Action.CHANGE_PASSWORD, user.actor, user.target, client=client)

    async def prove(self, user_id: int, password: str, client: Client) -> str | None:
        """Verify the password of an account; return its hash. Raises Invalid naming `current_password`, RateLimited."""
        limits = {f"password user {user_id}": self._address_failures, f"sign-in client {client.network}": self._client_failures}
        taken_at = await self._limiter.take_all(limits)
        async with self._database.read() as tx:
            stored = await users.password_hash(tx, user_id)
        if not await self._passwords.verify(stored, password):
            raise Invalid.field("current_password", "is wrong")
        await self._limiter.give_back(limits, taken_at)
        return stored

    async def count_attempt(self, client: Client) -> Instant:
        """Count an attempt of a client that may fail; return its time, for `forgive_attempt`. Raises RateLimited."""
        return await self._limiter.take_all({f"sign-in client {client.network}": self._client_failures})

    async def forgive_attempt(self, client: Client, counted_at: Instant) -> None:
        """Count an attempt no more: it did not fail."""
        await self._limiter.give_back({f"sign-in client {client.network}": self._client_failures}, counted_at)

    async def hash_new(self, password: str, field: str = "password") -> str:
        """Check a password that somebody sets without knowing the old one; return its hash. Raises Invalid naming `field`."""
        self._passwords.check(field, password)
        return await self._passwords.hash(password)

    async def set_password(
        self, tx: WriteTransaction, user_id: int, password_hash: str, operator: Operator = COMMAND_LINE
    ) -> None:
        """Set a password for an account, as an operator, which ends all its tokens. Raises NotFound.

        `password_hash` comes from `hash_new`, which takes too long for a transaction.
        """
        user = await self._store(tx, user_id, password_hash, operator.client)
        await self._audit.record_for(tx, Action.CHANGE_PASSWORD, operator.caller, user.target, client=operator.client)

    async def set_by_link(self, tx: WriteTransaction, user_id: int, password_hash: str, client: Client) -> None:
        """Set the password that the owner of an account chose by a link, which ends all its tokens."""
        user = await self._store(tx, user_id, password_hash, client)
        action, record = Action.CHANGE_PASSWORD, {"byLink": True}
        await self._audit.record(tx, action, user.actor, user.target, metadata=record, client=client)

    async def _store(self, tx: WriteTransaction, user_id: int, password_hash: str, client: Client | None) -> User:
        check_not_erased(await self._accounts.find(tx, user_id))
        await users.set_password(tx, user_id, password_hash, self._clock())
        await self._accounts.forget(tx, user_id)
        user = await self._accounts.find(tx, user_id)
        await self.on_password(tx, user, client)
        return user

    async def _begin(self, user: User, client: Client) -> Session:
        now = self._clock()
        session = Session(user, self._new_id(), 1, now + REFRESH_LIFETIME)
        async with self._database.write() as tx:
            # An ended session is needed for as long as there may be tokens of it.
            await users.delete_expired_sessions(tx, now - self._token_lifetime)
            await users.insert_session(tx, session, now)
            await self._audit.record(tx, Action.LOGIN, user.actor, user.target, client=client)
        return session


async def _do_nothing(_tx: WriteTransaction, _user: User, _client: Client | None) -> None:
    """Stand in where the composition sets no hook."""
