"""Forgetting the contents of the audit log by their age."""

from typing import Any

from headway.audit import forgetting_store as store
from headway.audit.model import Action, Target, TargetType
from headway.audit.service import AuditRecorder
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.forgetting import Forgotten, Found
from headway.instants import Instant, iso

_AT_ONCE = 1_000


class OldAuditContents:
    """The contents of entries; see `forgetting_store`."""

    name = "audit"

    def __init__(self, audit: AuditRecorder) -> None:
        self._audit = audit

    async def find(self, tx: ReadTransaction, before: Instant) -> Found:
        """Count the entries of before an instant that still have their contents."""
        return await store.find(tx, before)

    async def forget(self, tx: WriteTransaction, before: Instant, place: Any | None) -> Forgotten:
        """Record up to where contents go, and then remove some of them."""
        if place is None:
            through = await store.find_newest(tx, before)
            if through > await store.read_through(tx):
                told = {store.THROUGH: through, "before": iso(before)}
                target = Target(TargetType.SYSTEM)
                await self._audit.record_as_operator(tx, Action.APPLY_RETENTION, target, metadata=told)
            return Forgotten(0, (0, through) if through else None)
        after, through = place
        end = min(after + _AT_ONCE, through)
        number = await store.blank(tx, before, after=after, through=end)
        return Forgotten(number, None if end >= through else (end, through))
