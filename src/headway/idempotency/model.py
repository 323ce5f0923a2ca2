"""Stored responses: the answer that is given again for a repeated request."""

from typing import NamedTuple

NOBODY = 0
"""The user id of callers without an account."""


class StoredResponse(NamedTuple):
    """A status with its body, and the hash of the request that it answered."""

    request: str
    status: int
    body: str
