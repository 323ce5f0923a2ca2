"""A cache in memory whose bound is a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

ENTRY_BYTES = 160
"""What an entry takes beside its key and its value: measured 74 to 199 bytes, by how full the hash table is."""


class BoundedCache(Generic[Key, Value]):
    """Keeps what was used last. When it is full, the entries go that were used the longest ago, and no others.

    `size` returns the bytes of a key and its value, which must not change: an entry is measured again when it goes.
    """

    def __init__(self, max_bytes: int, size: Callable[[Key, Value], int]) -> None:
        self._max_bytes = max_bytes
        self._size = size
        self._entries: OrderedDict[Key, Value] = OrderedDict()
        self.bytes = 0

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, or None."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Store a value, unless it is larger than the cache."""
        self.discard(key)
        added = self._bytes(key, value)
        if added > self._max_bytes:
            return
        self._entries[key] = value
        self.bytes += added
        while self.bytes > self._max_bytes:
            self.bytes -= self._bytes(*self._entries.popitem(last=False))

    def discard(self, key: Key) -> None:
        """Remove a key, if it is there."""
        value = self._entries.pop(key, None)
        if value is not None:
            self.bytes -= self._bytes(key, value)

    def clear(self) -> None:
        """Remove everything."""
        self._entries.clear()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def _bytes(self, key: Key, value: Value) -> int:
        return ENTRY_BYTES + self._size(key, value)
