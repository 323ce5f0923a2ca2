"""Passwords: the rules of the learner contract (section 4.2), no common passwords, and hashes.

Hashes are Argon2id (RFC 9106), computed in threads so that the event loop is not blocked.
"""

import asyncio
import gzip
import secrets
from collections.abc import Callable, Container
from functools import cached_property
from importlib.resources import files
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from headway.errors import Invalid, RateLimited
from headway.text import nfc, nfd

Result = TypeVar("Result")

SHORTEST, LONGEST = 8, 128
_LONGEST_DECOMPOSED = 4 * LONGEST
"""No character of NFC decomposes into more than four (Unicode Standard Annex #15)."""
_AT_ONCE = 2
_MOST_WAITING = 100
"""Some three seconds of work."""


class Passwords:
    """Checks, hashes and verifies passwords; a few at a time, since each takes 19 MiB and tens of milliseconds.

    The parameters are the first choice of OWASP's Password Storage Cheat Sheet.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    def check(self, field: str, password: str) -> None:
        """Reject a new password that breaks a rule. Raises Invalid naming `field`."""
        fault = check_password(nfc(password), self._common)
        if fault is not None:
            raise Invalid.field(field, fault)

    async def hash(self, password: str) -> str:
        """Return the hash of a password in NFC, which is what is stored: not every keyboard types "ë" as one character."""
        return await self._run(lambda: self._hasher.hash(nfc(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Return whether a password matches a stored hash; without a hash, return False after the same time."""
        return await self.find_spelling(stored, password) is not None

    async def find_spelling(self, stored: str | None, password: str) -> str | None:
        """Return the spelling of a password that matches a stored hash: in NFC, as given, or decomposed; None if none does.

        A hash may be older than the use of NFC: then it is that of the password as a keyboard typed it.
        """
        password = password[: _LONGEST_DECOMPOSED + 1]
        spellings = dict.fromkeys([nfc(password), password, nfd(password)])
        return await self._run(lambda: next((each for each in spellings if self._verify(stored, each)), None))

    async def _run(self, work: Callable[[], Result]) -> Result:
        """Do the work of a hash in a thread, after those that wait. Raises RateLimited if too many do."""
        if self._waiting >= _MOST_WAITING:
            raise RateLimited("Too many passwords are being checked.", retry_after_seconds=3)
        self._waiting += 1
        try:
            async with self._free:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

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


def check_password(password: str, common: Container[str]) -> str | None:
    """Return what is wrong with a new password, or None. `common` holds common passwords in lower case."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"must have {SHORTEST} to {LONGEST} characters"
    if not any(character.isupper() for character in password):
        return "must have an upper-case letter"
    if all(character.isalnum() or character.isspace() for character in password):
        return "must have a special character"
    if any(guess in common for guess in _guesses(password)):
        return "is one of the most common passwords"
    return None


def _guesses(password: str) -> list[str]:
    """Return what a guesser tries first: the word itself, and the word without leading and trailing special characters."""
    lower = password.lower()
    start, end = 0, len(lower)
    while start < end and not lower[start].isalnum():
        start += 1
    while end > start and not lower[end - 1].isalnum():
        end -= 1
    bare = lower[start:end]
    return [lower, bare] if len(bare) >= SHORTEST - 2 else [lower]
