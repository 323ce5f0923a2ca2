"""What `headway doctor` finds."""

from enum import StrEnum
from typing import NamedTuple

import msgspec


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    """Something will go wrong, or is less safe than it could be."""
    PROBLEM = "problem"
    """Something is wrong."""


class Finding(msgspec.Struct, frozen=True):
    """What a check found, with why it matters. What is fine needs no remedy."""

    area: str
    check: str
    level: Level
    found: str
    why: str
    remedy: str | None = None


class Found(NamedTuple):
    """What a check found, and what to do about it."""

    level: Level
    what: str
    remedy: str | None = None

    def by(self, area: str, check: str, why: str) -> Finding:
        """Return it as a finding of a check."""
        return Finding(area, check, self.level, self.what, why, self.remedy)


class Report(msgspec.Struct, frozen=True):
    """All findings of a look, in the order of the areas."""

    headway_version: str
    findings: list[Finding]

    def count(self, level: Level) -> int:
        """Count the findings of a level."""
        return sum(each.level is level for each in self.findings)


def ok(what: str) -> Found:
    """Return that something is as it should be."""
    return Found(Level.OK, what)


def warning(what: str, remedy: str) -> Found:
    """Return that something will go wrong, or is less safe than it could be."""
    return Found(Level.WARNING, what, remedy)


def problem(what: str, remedy: str) -> Found:
    """Return that something is wrong."""
    return Found(Level.PROBLEM, what, remedy)
