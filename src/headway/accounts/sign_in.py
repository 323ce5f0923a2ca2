"""Registering, signing in and out, and the sessions in between."""

from collections.abc import Sequence

from headway.accounts import sessions_store as sessions
from headway.accounts import users_store as users
from headway.accounts.model import NewUser, Session, User
from headway.accounts.passwords import Passwords
from headway.accounts.service import Accounts, check_name, check_words, normalized_email
from headway.accounts.sessions_store import StoredSession
from headway.audit.recorder import Action, AuditRecorder, account
from headway.db.database import Database, WriteTransaction
from headway.errors import Invalid, Unauthenticated
from headway.identity import Client, Role
from headway.ids import NewId
from headway.instants import DAY, SECOND, Clock
from headway.limits.limiter import DatabaseRateLimiter
from headway.limits.model import RateLimit
from headway.settings import Settings

REFRESH_LIFETIME = 7 * DAY
SESSION_LIFETIME = 90 * DAY
"""However often a session is refreshed, the password is wanted again after this time."""

GRACE = 30 * SECOND
"""For so long a used refresh token still gives its successor: a browser's tabs may use it at the same time."""


_FAILURES_WINDOW_SECONDS = 15 * 60


class SignIn:
    """How people get in by themselves. `client` is where a request comes from."""

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
        self._passwords = Passwords()
        self._limiter = DatabaseRateLimiter(database, clock)
        self._address_failures = RateLimit("sign-in address", settings.failed_sign_ins_per_address, _FAILURES_WINDOW_SECONDS)
        self._client_failures = RateLimit("sign-in client", settings.failed_sign_ins_per_client, _FAILURES_WINDOW_SECONDS)
        self._registrations = RateLimit("register client", settings.registrations_per_client, 3600)

    async def prepare(self, *, name: str, email: str, password: str, interests: Sequence[str], client: Client) -> NewUser:
        """Check a learner's registration and count it, and give the account to be made. Raises Invalid, RateLimited."""
        check_name(name)
        check_words("interests", interests)
        email = normalized_email(email)
        self._passwords.check("password", password)
        await self._limiter.take_all({f"register client {client.address}": self._registrations})
        hashed = await self._passwords.hash(password)
        return NewUser(Role.PARTICIPANT, name, email, None, hashed, interests)

    async def sign_in(self, *, email: str, password: str, client: Client) -> Session:
        """Begin a session. Raises Unauthenticated INVALID_CREDENTIALS, the same whether the address is known; RateLimited."""
        email = email.strip().lower()[:254]
        limits = {
            f"sign-in address {email}": self._address_failures,
            f"sign-in client {client.address}": self._client_failures,
        }
        taken_at = await self._limiter.take_all(limits)
        async with self._database.read() as tx:
            user, stored = await users.credentials(tx, email) or (None, None)
        is_right = await self._passwords.verify(stored, password)
        if user is None or not is_right or user.is_disabled:
            async with self._database.write() as tx:
                await self._audit.by_somebody(tx, Action.LOGIN_FAILED, user, email=email, client=client)
            raise Unauthenticated("The e-mail address or the password is wrong.", code="INVALID_CREDENTIALS")
        await self._limiter.give_back(limits, taken_at)
        return await self._begin(user, client)

    async def refresh(self, *, user_id: int, session_id: str, generation: int, client: Client) -> Session:
        """Go on with a session by the refresh token of a generation, which gives the next one.

        A token that was used less than `GRACE` ago gives the newest one again; one used earlier ends the session.
        Raises Unauthenticated; TOKEN_REUSED in the last case.
        """
        now = self._clock()
        async with self._database.write() as tx:
            session = await sessions.lock(tx, user_id, session_id)
            user = await users.find(tx, user_id)
            if session is None or user is None or not _stands(session, user, now):
                raise Unauthenticated("The session has ended.")
            session.replaced = [use for use in session.replaced if now - use[1] <= GRACE]
            is_reused = False
            if generation == session.generation:
                session.replaced.append((generation, now))
                session.generation += 1
                session.expires_at = min(now + REFRESH_LIFETIME, session.created_at + SESSION_LIFETIME)
                await sessions.rotate(tx, user_id, session_id, session)
            elif generation not in {used for used, _ in session.replaced}:
                is_reused = True
                await self._end(tx, user_id, session_id)
                await self._audit.by_somebody(tx, Action.TOKEN_REUSED, user, email=user.email, client=client)
        if is_reused:
            raise Unauthenticated("This refresh token was used before; the session has been ended.", code="TOKEN_REUSED")
        return Session(user, session_id, session.generation, session.expires_at)

    async def sign_out(self, user_id: int, session_id: str) -> None:
        """End a session, with all its tokens. A session that has ended stays so."""
        async with self._database.write() as tx:
            await self._end(tx, user_id, session_id)

    async def change_password(self, user_id: int, *, current: str, new: str, client: Client) -> None:
        """Change a password, which ends all tokens of the account. Raises Invalid naming the field, RateLimited."""
        self._passwords.check("newPassword", new)
        limits = {
            f"password user {user_id}": self._address_failures,
            f"sign-in client {client.address}": self._client_failures,
        }
        taken_at = await self._limiter.take_all(limits)
        async with self._database.read() as tx:
            stored = await users.password_hash(tx, user_id)
        if not await self._passwords.verify(stored, current):
            raise Invalid.field("currentPassword", "is wrong")
        await self._limiter.give_back(limits, taken_at)
        hashed = await self._passwords.hash(new)
        async with self._database.write() as tx:
            user = await self._store(tx, user_id, hashed)
            await self._audit.by_user(tx, Action.CHANGE_PASSWORD, user, client=client)

    async def hash_new(self, password: str) -> str:
        """Check a password that an operator sets for a new account, and give what is stored of it. Raises Invalid."""
        self._passwords.check("password", password)
        return await self._passwords.hash(password)

    async def set_password(self, user_id: int, password: str) -> None:
        """Set a password for an account, as an operator, which ends all its tokens. Raises Invalid, NotFound."""
        await self._accounts.find(user_id)
        hashed = await self.hash_new(password)
        async with self._database.write() as tx:
            user = await self._store(tx, user_id, hashed)
            await self._audit.by_operator(tx, Action.CHANGE_PASSWORD, account(user))

    async def _store(self, tx: WriteTransaction, user_id: int, hashed: str) -> User:
        await users.set_password(tx, user_id, hashed, self._clock())
        await self._accounts.end_tokens(tx)
        user = await users.find(tx, user_id)
        assert user is not None  # noqa: S101 - accounts are not removed
        return user

    async def _begin(self, user: User, client: Client) -> Session:
        now = self._clock()
        session = Session(user, self._new_id(), 1, now + REFRESH_LIFETIME)
        async with self._database.write() as tx:
            await sessions.delete_expired(tx, now)
            await sessions.insert_session(
                tx,
                user_id=user.id,
                session_id=session.id,
                token_version=user.token_version,
                expires_at=session.expires_at,
                now=now,
            )
            await self._audit.by_user(tx, Action.LOGIN, user, client=client)
        return session

    async def _end(self, tx: WriteTransaction, user_id: int, session_id: str) -> None:
        if await sessions.end(tx, user_id, session_id, self._clock()):
            await self._accounts.end_tokens(tx, session_id=session_id)


def _stands(session: StoredSession, user: User, now: int) -> bool:
    is_current = session.token_version == user.token_version and not user.is_disabled
    return is_current and session.ended_at is None and session.expires_at > now
