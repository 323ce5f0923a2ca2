"""Idempotency keys and the responses stored under them."""

from typing import NamedTuple


class RequestKey(NamedTuple):
    """The Idempotency-Key of a user, and the keyed hash of the request that carries it."""

    user_id: int
    key: str
    request: str


class StoredResponse(NamedTuple):
    """A status and a JSON body; the body is empty where the response has none."""

    status: int
    body: str
