"""Forgets disclosures by their day."""

from typing import Any

from sqlalchemy import bindparam, func, select

from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import delete_before
from headway.db.forgetting import Forgotten, Found
from headway.disclosures.tables import disclosures
from headway.instants import DAY, Instant

_old = select(
    func.count().label("number"),
    func.min(disclosures.c.first_at).label("oldest"),
    func.max(disclosures.c.last_at).label("newest"),
).where(disclosures.c.day < bindparam("before"))
_delete = delete_before(disclosures.c.day)


class OldDisclosures:
    """Rows of days that are over."""

    name = "disclosures"

    async def find(self, tx: ReadTransaction, before: Instant) -> Found:
        """Count the rows of days before that of an instant."""
        return Found(*await tx.one(_old, before=before // DAY))

    async def forget(self, tx: WriteTransaction, before: Instant, place: Any | None) -> Forgotten:
        """Delete some of them."""
        del place
        count = await tx.run(_delete, before=before // DAY)
        return Forgotten(count, count or None)
