"""What is forgotten once it is older than so many days: the form in which rooms bring it to a retention run.

A room names a `Forgettable` in its `forgetting_store`. Each call is part of one short transaction, so a run can stop after any
of them, and a repetition goes on.
"""

from typing import Any, NamedTuple, Protocol

from headway.db.database import ReadTransaction, WriteTransaction
from headway.instants import Instant


class Found(NamedTuple):
    """What is older than a rule allows: how much, and the time of the oldest and of the newest of it."""

    number: int
    oldest: Instant | None
    newest: Instant | None


class Forgotten(NamedTuple):
    """How much a step removed, and where the next one begins; None at the end."""

    number: int
    next: Any | None


class Forgettable(Protocol):
    """A kind of thing that is forgotten by its age."""

    @property
    def name(self) -> str:
        """The name of the rule, as in `HEADWAY_RETENTION_<NAME>_DAYS`."""

    async def find(self, tx: ReadTransaction, before: Instant) -> Found:
        """Return what is older than an instant."""

    async def forget(self, tx: WriteTransaction, before: Instant, place: Any | None) -> Forgotten:
        """Remove some of what is older than an instant, from a place on."""
