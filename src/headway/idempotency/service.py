"""Idempotency keys: a repeated request changes nothing and gets the response of the first one."""

import hmac
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import Conflict, KeyReused
from headway.idempotency import store
from headway.idempotency.model import RequestKey, StoredResponse
from headway.instants import DAY, Clock

LIFETIME = DAY


class Idempotency:
    """Stores responses under the keys of users, each in the transaction of the request that it answers."""

    def __init__(self, clock: Clock, *, secret_key: str) -> None:
        self._clock = clock
        self._secret_key = secret_key.encode()
        self._in_flight: set[tuple[int, str]] = set()

    def digest(self, *parts: bytes) -> str:
        """Return a keyed hash of a request: without the key, nobody can try passwords against what is stored."""
        lengths_and_parts = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        return hmac.new(self._secret_key, lengths_and_parts, "sha256").hexdigest()

    async def find(self, tx: ReadTransaction, key: RequestKey) -> StoredResponse | None:
        """Return the stored response. Raises KeyReused if the key belongs to another request."""
        found = await store.find(tx, key.user_id, key.key)
        if found is None:
            return None
        request, stored = found
        if request != key.request:
            raise KeyReused("This Idempotency-Key was used for another request.")
        return stored

    @contextmanager
    def reserve(self, key: RequestKey) -> Iterator[None]:
        """Keep other requests of this process from using the key within the block, before they open a transaction.

        Raises Conflict IDEMPOTENCY_KEY_IN_USE.
        """
        place = (key.user_id, key.key)
        if place in self._in_flight:
            raise _in_use()
        self._in_flight.add(place)
        try:
            yield
        finally:
            self._in_flight.discard(place)

    async def once(
        self, tx: WriteTransaction, key: RequestKey, act: Callable[[WriteTransaction], Awaitable[StoredResponse]]
    ) -> tuple[StoredResponse, bool]:
        """Act and store the response in the same transaction, or return the stored response and True.

        What `act` raises rolls everything back, and nothing is stored. Raises KeyReused, Conflict IDEMPOTENCY_KEY_IN_USE.
        """
        if not await tx.try_lock(f"idempotency {key.user_id} {key.key}"):
            raise _in_use()
        stored = await self.find(tx, key)
        if stored is not None:
            return stored, True
        response = await act(tx)
        now = self._clock()
        await store.insert(tx, key, response, now)
        await store.delete_older(tx, now - LIFETIME)
        return response, False


def _in_use() -> Conflict:
    return Conflict("A request with this Idempotency-Key is under way.", code="IDEMPOTENCY_KEY_IN_USE")
