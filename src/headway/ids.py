"""Identifiers: generated ones, UUID version 7 (RFC 9562, section 5.7), which sort by time, and those of other systems."""

import os
import time
from collections.abc import Callable
from typing import TypeAlias
from uuid import UUID

NewId: TypeAlias = Callable[[], str]
"""A function that generates an identifier; a parameter, so that tests can choose it."""

MAX_EXTERNAL_ID = 500
"""The most characters of an external id: of a user, a course, a module or a unit. An index holds it, of up to 4 bytes each."""


def uuid7() -> str:
    """Generate a UUIDv7: 48 bits of milliseconds, version, 12 random bits, variant, 62 random bits."""
    random = int.from_bytes(os.urandom(10))
    value = time.time_ns() // 1_000_000 << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return str(UUID(int=value))
