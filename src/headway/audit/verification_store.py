"""The last verification of the audit log as a row."""

from typing import Any

import msgspec
from sqlalchemy import bindparam, or_, select, update

from headway.audit.tables import audit_verification
from headway.audit.verification_model import Verification
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import insert
from headway.instants import Instant

_table = audit_verification
_names = Verification.__struct_fields__
_read = select(*(_table.c[name] for name in _names), _table.c.claimed_at)
_is_free = or_(_table.c.claimed_at.is_(None), _table.c.claimed_at <= bindparam("lost_before"))
_claim = (
    insert(_table)
    .values(id=1, claimed_at=bindparam("now"))
    .on_conflict_do_update(index_elements=["id"], set_={"claimed_at": bindparam("now")}, where=_is_free)
)
_release = update(_table).values(claimed_at=None)
_store = _release.values({name: bindparam(name) for name in _names})


async def read(tx: ReadTransaction) -> tuple[Verification | None, Instant | None]:
    """Return the last verification that ended, and when the one began that runs now."""
    row = await tx.first(_read)
    if row is None:
        return None, None
    values: dict[str, Any] = {name: row[name] for name in _names}
    return None if row["verified_at"] is None else Verification(**values), row["claimed_at"]


async def claim(tx: WriteTransaction, now: Instant, *, lost_before: Instant) -> bool:
    """Note that a verification begins; return False if one runs that began after an instant."""
    return await tx.run(_claim, now=now, lost_before=lost_before) > 0


async def release(tx: WriteTransaction, result: Verification | None) -> None:
    """Note that a verification has ended, with its result if it has one."""
    if result is None:
        await tx.run(_release)
    else:
        await tx.run(_store, **msgspec.structs.asdict(result))
