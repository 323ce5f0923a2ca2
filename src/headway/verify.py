"""Verify that what is stored agrees with itself: each room brings a check, and all of them see one snapshot."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from headway.db.database import Database, ReadTransaction


class Difference(msgspec.Struct):
    """A stored value that does not follow from the rest; `expected` is the value that does, or describes it in words."""

    table: str
    key: dict[str, int | str]
    column: str
    stored: Any
    expected: Any


class Findings(msgspec.Struct):
    """The number of rows that were checked, by table, and every difference."""

    checked: Counter[str] = msgspec.field(default_factory=Counter)
    differences: list[Difference] = msgspec.field(default_factory=list)

    def add(self, differences: Iterable[Difference]) -> None:
        """Add differences."""
        self.differences.extend(differences)


class Check(Protocol):
    """Compares what a room has derived and stored with what it follows from."""

    async def __call__(self, tx: ReadTransaction, findings: Findings, /) -> None:
        """Add what was checked and what differs, in bounded memory and a bounded number of statements for each step."""


class Verify:
    """Runs the checks of all rooms. It changes nothing and may run beside a server."""

    def __init__(self, database: Database, checks: Sequence[Check]) -> None:
        self._database = database
        self._checks = checks

    async def run(self) -> Findings:
        """Return what was checked and every difference. Raises Unavailable."""
        findings = Findings()
        async with self._database.read() as tx:
            for check in self._checks:
                await check(tx, findings)
        return findings
