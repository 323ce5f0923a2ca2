"""The personal keys that a process remembers."""

from collections.abc import Collection, Iterable, Mapping
from threading import Lock

from headway.bounded_cache import BoundedCache

_SIZE = 108
"""The bytes of an id and a key of 43 characters."""
_LARGEST = 4 << 20
"""Room for the keys of 15,000 people."""


class KnownKeys:
    """The decrypted keys that a process used last, forgotten when their accounts change. Threads share it."""

    def __init__(self, max_bytes: int = _LARGEST) -> None:
        self._keys: BoundedCache[int, bytes] = BoundedCache(max_bytes, lambda _user_id, _key: _SIZE)
        self._lock = Lock()
        self.changes = 0
        """How often keys were forgotten. What was read before the last time may be of somebody who was erased since."""

    def find(self, user_ids: Iterable[int]) -> dict[int, bytes]:
        """Return those of these people's keys that are known."""
        with self._lock:
            return {user_id: key for user_id in user_ids if (key := self._keys.get(user_id)) is not None}

    def put(self, keys: Mapping[int, bytes], *, as_of: int) -> None:
        """Remember committed keys that a transaction read which began after so many `changes`, unless there are more by now."""
        with self._lock:
            for user_id, key in keys.items() if as_of == self.changes else ():
                self._keys.put(user_id, key)

    def forget(self, user_ids: Collection[int] | None) -> None:
        """Forget the keys of some people; of None, all."""
        with self._lock:
            self.changes += 1
            if user_ids is None:
                self._keys.clear()
            for user_id in user_ids or ():
                self._keys.discard(user_id)
