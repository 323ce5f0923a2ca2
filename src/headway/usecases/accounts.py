"""Accounts: making them, ending their tokens, and knowing who is calling."""

import re

from headway.domain.accounts import Caller, Role, User
from headway.domain.errors import Conflict, Invalid, NotFound, Unauthenticated, Unavailable
from headway.domain.instants import SECOND, Clock, Instant
from headway.storage import users
from headway.storage.database import Database, ReadTransaction

_MOST_REMEMBERED = 50_000
_FRESH_FOR = SECOND
_ADDRESS = re.compile(r"[^@\s\0]{1,64}@[^@\s\0.]+(\.[^@\s\0.]+)+")


class Accounts:
    """The accounts of this installation.

    What tokens are checked against is remembered, and forgotten as soon as this process changes it; what another process
    changes is seen within two seconds, by a number in the database that is looked at once a second.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[int, User] = {}
        self._external_ids: dict[str, int] = {}
        self._revision = -1
        self._checked_at: Instant | None = None

    async def create(self, *, role: Role, name: str, email: str | None = None, external_id: str | None = None) -> User:
        """Make an account. Raises Invalid for a bad address or name, Conflict if the address or external id is taken."""
        if not name.strip() or len(name) > 200 or "\0" in name:
            raise Invalid.field("name", "must have 1 to 200 characters")
        email = None if email is None else normalized_email(email)
        async with self._database.write() as tx:
            user = await users.insert_user(tx, role=role, name=name, email=email, external_id=external_id, now=self._clock())
        if user is None:
            raise Conflict("This e-mail address or external id belongs to another account.", code="EMAIL_TAKEN")
        return user

    async def ensure(self, *, role: Role, name: str, email: str | None = None, external_id: str | None = None) -> User:
        """Give the account with this address or external id, making it if there is none. Raises as `create`."""
        async with self._database.read() as tx:
            found = await users.find_by_email(tx, normalized_email(email)) if email is not None else None
            if found is None and external_id is not None:
                found = await users.find_by_external_id(tx, external_id)
        return found or await self.create(role=role, name=name, email=email, external_id=external_id)

    async def set_disabled(self, user_id: int, *, is_disabled: bool) -> None:
        """Disable or enable an account; every token it has ends. Raises NotFound."""
        async with self._database.write() as tx:
            if not await users.set_disabled(tx, user_id, is_disabled=is_disabled, now=self._clock()):
                raise NotFound(f"There is no user {user_id}.", code="USER_NOT_FOUND")
            await users.grow_revision(tx)
            tx.after_commit(self._forget)

    async def find(self, user_id: int) -> User:
        """Read an account as it is now. Raises NotFound."""
        async with self._database.read() as tx:
            user = await users.find(tx, user_id)
        if user is None:
            raise NotFound(f"There is no user {user_id}.", code="USER_NOT_FOUND")
        return user

    async def find_by_email(self, email: str) -> User:
        """Read an account by its address. Raises NotFound."""
        async with self._database.read() as tx:
            user = await users.find_by_email(tx, normalized_email(email))
        if user is None:
            raise NotFound(f"There is no user with the address {email}.", code="USER_NOT_FOUND")
        return user

    async def caller(self, user_id: int, token_version: int) -> Caller:
        """Give the account behind a token that Headway signed. Raises Unauthenticated if the token has ended."""
        user = await self._remembered(user_id)
        if user is None or user.is_disabled or user.token_version != token_version:
            raise Unauthenticated("The token has been revoked.")
        return Caller(user.id, user.role, user.external_id)

    async def outside_caller(self, external_id: str, *, name: str) -> Caller:
        """Give the account behind a verified outside token; at first sight one is made, as PARTICIPANT.

        Raises Unauthenticated if it is disabled.
        """
        user_id = self._external_ids.get(external_id)
        user = await self._remembered(user_id) if user_id is not None else None
        if user is None:
            user = await self._find_or_create_outside(external_id, name)
            if len(self._external_ids) >= _MOST_REMEMBERED:
                self._external_ids.clear()
            self._external_ids[external_id] = user.id
        if user.is_disabled:
            raise Unauthenticated("The account is disabled.")
        return Caller(user.id, user.role, user.external_id)

    async def _find_or_create_outside(self, external_id: str, name: str) -> User:
        async with self._database.read() as tx:
            user = await users.find_by_external_id(tx, external_id)
        if user is not None:
            return user
        async with self._database.write() as tx:
            made = await users.insert_user(
                tx, role=Role.PARTICIPANT, name=name, email=None, external_id=external_id, now=self._clock()
            )
            # Another request may have made it meanwhile.
            user = made or await users.find_by_external_id(tx, external_id)
        if user is None:
            raise Unauthenticated("The account could not be made.")
        return user

    async def _remembered(self, user_id: int) -> User | None:
        now = self._clock()
        is_fresh = self._checked_at is not None and 0 <= now - self._checked_at < _FRESH_FOR
        if is_fresh and user_id in self._known:
            return self._known[user_id]
        if not is_fresh:
            # One request looks; those that come meanwhile go by what was known a moment ago.
            self._checked_at = now
        try:
            async with self._database.read() as tx:
                if not is_fresh:
                    await self._check_revision(tx)
                if user_id in self._known:
                    return self._known[user_id]
                revision = self._revision
                user = await users.find(tx, user_id)
        except Unavailable:
            self._checked_at = None
            raise
        if user is not None and revision == self._revision:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[user_id] = user
        return user

    async def _check_revision(self, tx: ReadTransaction) -> None:
        revision = await users.revision(tx)
        if revision != self._revision:
            self._known.clear()
            self._revision = revision

    def _forget(self) -> None:
        self._known.clear()
        self._checked_at = None
        self._revision = -1


def normalized_email(email: str) -> str:
    """Give the form in which an address is stored and looked up. Raises Invalid."""
    email = email.strip().lower()
    if len(email) > 254 or not _ADDRESS.fullmatch(email):
        raise Invalid.field("email", "must be a valid e-mail address")
    return email
