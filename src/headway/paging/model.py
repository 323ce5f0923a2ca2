"""Places in lists, and the cursors that name them."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from itertools import accumulate, pairwise

import msgspec

from headway.errors import Invalid

_MAC_BYTES = 16
MAX_LENGTH = 4_000
"""The number of characters of the longest cursor: it is a part of a URL."""


class After(msgspec.Struct, tag=0, array_like=True, frozen=True):
    """Behind the row with a key by which the list is sorted and which never changes."""

    page: int
    key: int | str


class Given(msgspec.Struct, tag=1, array_like=True, frozen=True):
    """Behind the first page of a list whose order changes: the keys of that page, each as its distance from the one before."""

    page: int
    distances: list[int]

    @classmethod
    def of(cls, page: int, keys: list[int]) -> "Given":
        """Return the place behind the rows with these keys."""
        ordered = [0, *sorted(keys)]
        return cls(page, [after - before for before, after in pairwise(ordered)])

    @property
    def keys(self) -> frozenset[int]:
        """The keys of the rows that were given."""
        return frozenset(accumulate(self.distances))


class Stored(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """At a position, from 0, in a stored order."""

    page: int
    order_id: str
    offset: int


Place = After | Given | Stored
"""Where a page begins; `page` counts from 1."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Place).decode


class Cursors:
    """Writes and reads cursors: signed, and valid for one list of one caller with its filters and its order."""

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), b"headway cursors", "sha256")

    def write(self, place: Place, bound: bytes) -> str:
        """Return the cursor of a place in the list that `bound` names."""
        content = _encode(place)
        return _text(self._sign(content, bound) + content)

    def read(self, cursor: str, bound: bytes) -> Place:
        """Return the place of a cursor. Raises Invalid, naming `cursor`, unless it was written for the same list."""
        try:
            raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except ValueError:
            raise unknown_cursor() from None
        if _text(raw) != cursor:
            raise unknown_cursor()
        mac, content = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._sign(content, bound)):
            raise unknown_cursor()
        place: Place = _decode(content)
        return place

    def _sign(self, content: bytes, bound: bytes) -> bytes:
        return hmac.digest(self._key, b"%d:%b%b" % (len(bound), bound, content), "sha256")[:_MAC_BYTES]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def unknown_cursor() -> Invalid:
    """Return the error for a cursor of another list, and for one that has expired."""
    return Invalid.field("cursor", "must be a cursor of this list that has not expired")
