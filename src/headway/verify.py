"""Verification of stored data: recomputes derived values and reports differences. All checks read one snapshot."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from headway.db.database import Database, ReadTransaction


class Difference(msgspec.Struct):
    """A stored value that differs from the recomputed one; `expected` is that value, or its description."""

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
    """A check of the derived values of one part of the system."""

    async def __call__(self, tx: ReadTransaction, findings: Findings, /) -> None:
        """Add the rows checked and the differences, in bounded memory and a bounded number of statements for each step."""


class Verify:
    """Runs all checks. It changes nothing, and servers may run at the same time."""

    def __init__(self, database: Database, checks: Sequence[Check]) -> None:
        self._database = database
        self._checks = checks

    async def run(self) -> Findings:
        """Return the number of rows checked and every difference. Raises Unavailable."""
        findings = Findings()
        async with self._database.read() as tx:
            for check in self._checks:
                await check(tx, findings)
        return findings
