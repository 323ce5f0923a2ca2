"""Doing once what is asked for several times under the same key."""

import hmac
from collections.abc import Awaitable, Callable

from headway.db.database import Database
from headway.errors import Conflict, KeyReused
from headway.idempotency import store as idempotency_keys
from headway.idempotency.model import StoredResponse
from headway.instants import DAY, Clock

KEPT_FOR = DAY


class Idempotency:
    """Keeps answers under the keys of users. An answer is committed with what the request did, or neither is."""

    def __init__(self, database: Database, clock: Clock, *, secret_key: str) -> None:
        self._database = database
        self._clock = clock
        self._secret_key = secret_key.encode()
        self._under_way: set[tuple[int, str]] = set()

    def digest(self, *parts: bytes) -> str:
        """Tell a request from others by a keyed hash: nobody without the key can try passwords against it."""
        lengths_and_parts = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        return hmac.new(self._secret_key, lengths_and_parts, "sha256").hexdigest()

    async def once(
        self, user_id: int, key: str, request: str, act: Callable[[], Awaitable[StoredResponse]]
    ) -> tuple[StoredResponse, bool]:
        """Act, or give the answer of the time before, and say which: True for a repetition.

        Everything that `act` writes is one transaction with the answer. What it raises undoes all of it and is not kept.
        Raises KeyReused if `request` is not the one of the time before, Conflict IDEMPOTENCY_KEY_IN_USE while that is
        under way.
        """
        async with self._database.read() as tx:
            known = await idempotency_keys.find(tx, user_id, key)
        if known is not None:
            return _checked(known, request), True
        place = (user_id, key)
        if place in self._under_way:
            raise _in_use()
        self._under_way.add(place)
        try:
            async with self._database.whole() as tx:
                if not await tx.try_lock(f"idempotency {user_id} {key}"):
                    raise _in_use()
                known = await idempotency_keys.find(tx, user_id, key)
                if known is not None:
                    return _checked(known, request), True
                answer = await act()
                now = self._clock()
                await idempotency_keys.keep(tx, user_id, key, answer, now)
                await idempotency_keys.delete_older(tx, now - KEPT_FOR)
                return answer, False
        finally:
            self._under_way.discard(place)


def _checked(known: StoredResponse, request: str) -> StoredResponse:
    if known.request != request:
        raise KeyReused("This Idempotency-Key was used for another request.")
    return known


def _in_use() -> Conflict:
    return Conflict("A request with this Idempotency-Key is under way.", code="IDEMPOTENCY_KEY_IN_USE")
