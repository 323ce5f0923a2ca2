"""What checks look at, and how they are declared."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from headway.db.database import Database
from headway.health.findings import Found
from headway.instants import Clock
from headway.settings import Settings


class Needs(IntEnum):
    """What a check needs to look at anything."""

    SETTINGS = 0
    DATABASE = 1
    """A database that answers."""
    DATA = 2
    """A database with this version's schema and these keys."""


class Patient(NamedTuple):
    """An installation, or a server process of it."""

    settings: Settings
    database: Database
    """Open, if the check needs it."""
    clock: Clock
    environ: Mapping[str, str]
    in_server: bool = False
    """Whether this is the process of a server."""


Look: TypeAlias = Callable[[Patient], Awaitable[Found | Sequence[Found] | None]]
"""Returns what it found; None, or nothing, where there is nothing to look at."""


class Check(NamedTuple):
    """A check: its name, why what it finds matters, and what it needs."""

    area: str
    name: str
    why: str
    look: Look
    needs: Needs
    before_serving: bool
    """Whether it makes no sense in a server, which has passed it."""


class Area:
    """Checks that belong together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.checks: list[Check] = []

    def check(
        self, name: str, *, why: str, needs: Needs = Needs.SETTINGS, before_serving: bool = False
    ) -> Callable[[Look], Look]:
        """Declare a check."""

        def declare(look: Look) -> Look:
            self.checks.append(Check(self.name, name, why, look, needs, before_serving))
            return look

        return declare
