"""The rights of connected clients: when accounts, sessions or staff change, those of the same accounts are checked again."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec

from headway.accounts.model import AccountState
from headway.accounts.service import Accounts
from headway.db.database import Database
from headway.db.revisions import Revisions
from headway.enrollments.authorization import staff_among
from headway.errors import Unauthenticated, Unavailable
from headway.http.authentication import Authentication, Credential
from headway.identity import Caller
from headway.instants import SECOND, Clock
from headway.live.subscriptions import find_required_course

_LOOK_EVERY_SECONDS = 1.0
_VERIFY_OUTSIDE_EVERY = 15
"""How many looks are made for one at the tokens of the identity provider."""
_CHECKED_AT_ONCE = 1_000

Item = TypeVar("Item")


class Rights:
    """What one connected client may do. `topics` are those that it follows or is about to follow."""

    def __init__(self, credential: Credential, token: str, on_loss: Callable[[str], None]) -> None:
        self.credential = credential
        self.token = token
        self.topics: set[str] = set()
        self.has_ended = asyncio.Event()
        self.end = Unauthenticated("The token has been revoked.")
        self._on_loss = on_loss

    @property
    def caller(self) -> Caller:
        """The caller, with the role that the account has now."""
        return self.credential.caller

    def revoke(self, error: Unauthenticated) -> None:
        """End all rights."""
        if not self.has_ended.is_set():
            self.end = error
            self.has_ended.set()

    def lose(self, topic: str) -> None:
        """End the right to follow a topic."""
        self.topics.discard(topic)
        self._on_loss(topic)

    def require(self) -> None:
        """Check that the rights have not ended. Raises Unauthenticated."""
        if self.has_ended.is_set():
            raise self.end


class RightsWatch:
    """The rights of all clients of this process.

    What changes here is seen before the next message is sent, what other processes change within two seconds. The rights of the
    accounts that changed are checked by set, of a thousand clients with each statement.
    """

    def __init__(
        self, database: Database, clock: Clock, accounts: Accounts, revisions: Revisions, authentication: Authentication
    ) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts
        self._revisions = revisions
        self._authentication = authentication
        self._admitted: set[Rights] = set()
        self._stale: dict[Rights, int] = {}
        """Rights to check, each with the number of the last change that may concern them."""
        self._changes = 0
        self._checking = asyncio.Lock()
        self._has_news = asyncio.Event()
        self._looks = 0
        revisions.listen(self._expect_change)

    async def admit(self, token: str, on_loss: Callable[[str], None]) -> Rights:
        """Return the rights of a token, and keep them current until they are released.

        `on_loss` is called with each topic that the client may no longer follow. Raises Unauthenticated, Unavailable.
        """
        seen = self._changes
        rights = Rights(await self._authentication.verify(token), token, on_loss)
        self._admitted.add(rights)
        if self._changes != seen:
            self._stale[rights] = self._changes
        return rights

    def release(self, rights: Rights) -> None:
        """Forget a client that has left."""
        self._admitted.discard(rights)
        self._stale.pop(rights, None)

    async def ensure(self, rights: Rights) -> None:
        """Return once the rights are as current as those of a request that comes now. Raises Unauthenticated, Unavailable."""
        await self._revisions.catch_up()
        if rights in self._stale:
            await self._check_stale()
        self._expire([rights])
        rights.require()

    async def news(self) -> None:
        """Return after a change by this process, or after a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY_SECONDS):
                await self._has_news.wait()
        self._has_news.clear()

    async def look(self) -> None:
        """Check the rights of clients to whom nothing is sent. Raises Unavailable."""
        self._looks += 1
        if self._admitted:
            self._expire(list(self._admitted))
            await self._revisions.catch_up()
            await self._check_stale()
            if self._looks % _VERIFY_OUTSIDE_EVERY == 0:
                await self._verify_outside_tokens()

    def _expect_change(self, user_ids: Collection[int] | None) -> None:
        self._changes += 1
        concerned = [each for each in self._admitted if user_ids is None or each.caller.user_id in user_ids]
        self._stale |= dict.fromkeys(concerned, self._changes)
        self._has_news.set()

    async def _check_stale(self) -> None:
        async with self._checking:
            stale = dict(self._stale)
            await self._check_accounts(list(stale))
            await self._check_staff(list(stale))
            for rights, change in stale.items():
                # Of a later change nothing may have been read.
                if self._stale.get(rights) == change:
                    del self._stale[rights]

    async def _check_accounts(self, stale: Sequence[Rights]) -> None:
        for some in _parts(stale):
            async with self._database.read(single_statement=True) as tx:
                states = await self._accounts.read_states(tx, sorted({rights.caller.user_id for rights in some}))
            for rights in some:
                _apply(rights, states.get(rights.caller.user_id))

    async def _check_staff(self, stale: Sequence[Rights]) -> None:
        """Take the topics of courses from those who do not belong to the staff any more."""
        followed = [
            (rights, topic, course_id)
            for rights in stale
            for topic in rights.topics
            if (course_id := find_required_course(rights.caller, topic)) is not None
        ]
        for some in _parts(followed):
            pairs = {(rights.caller.user_id, course_id) for rights, _, course_id in some}
            async with self._database.read(single_statement=True) as tx:
                allowed = await staff_among(tx, sorted(pairs))
            for rights, topic, course_id in some:
                if (rights.caller.user_id, course_id) not in allowed:
                    rights.lose(topic)

    async def _verify_outside_tokens(self) -> None:
        """End the rights of tokens whose key the identity provider has withdrawn."""
        for rights in [each for each in self._admitted if each.credential.token_version is None]:
            try:
                await self._authentication.verify(rights.token)
            except Unauthenticated as error:
                rights.revoke(error)
            except Unavailable:
                return

    def _expire(self, some: Sequence[Rights]) -> None:
        now = self._clock() // SECOND
        for rights in some:
            if rights.credential.expires_at <= now:
                rights.revoke(Unauthenticated("The token has expired."))


def _apply(rights: Rights, state: AccountState | None) -> None:
    """End the rights of a token that is not valid any more, or give its caller the account's present role."""
    if state is None or not state.accepts(rights.credential.token_version, rights.caller.session_id):
        rights.revoke(Unauthenticated("The token has been revoked."))
    else:
        caller = msgspec.structs.replace(rights.caller, role=state.user.role)
        rights.credential = rights.credential._replace(caller=caller)


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _CHECKED_AT_ONCE):
        yield items[start : start + _CHECKED_AT_ONCE]
