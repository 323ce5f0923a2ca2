"""Password hashes: Argon2id (RFC 9106), computed in threads so that the event loop is not blocked."""

import asyncio
import gzip
import secrets
from functools import cached_property
from importlib.resources import files

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from headway.accounts.password_rules import LONGEST, check_password
from headway.errors import Invalid

_AT_ONCE = 2


class Passwords:
    """Checks, hashes and verifies passwords; a few at a time, since each takes 19 MiB and tens of milliseconds.

    The parameters are the first choice of OWASP's Password Storage Cheat Sheet.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._free = asyncio.Semaphore(_AT_ONCE)

    def check(self, field: str, password: str) -> None:
        """Reject a new password that breaks a rule. Raises Invalid naming `field`."""
        fault = check_password(password, self._common)
        if fault is not None:
            raise Invalid.field(field, fault)

    async def hash(self, password: str) -> str:
        """Return the hash of a password, which is what is stored."""
        async with self._free:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Return whether a password matches a stored hash; without a hash, return False after the same time."""
        async with self._free:
            return await asyncio.to_thread(self._verify, stored, password[: LONGEST + 1])

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(self._nobodys if stored is None else stored, password) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_hex())

    @cached_property
    def _common(self) -> frozenset[str]:
        packed = files("headway.accounts").joinpath("data/common-passwords.txt.gz").read_bytes()
        return frozenset(gzip.decompress(packed).decode().split())
