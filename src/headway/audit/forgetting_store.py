"""Forgets the contents of old entries: names, addresses, details. Their skeletons stay, so the chain can be verified on.

Before the first content goes, an entry tells up to which number contents may be missing. Only Headway writes such an entry. Its
own content stays, as do those that tell of erasures: they show why something is missing.
"""

from sqlalchemy import and_, bindparam, func, or_, select, update

from headway.audit.chain import decode_content
from headway.audit.model import Action
from headway.audit.store import ENTRY_COLUMNS, StoredEntry, stored_entry
from headway.audit.tables import audit_entries
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.forgetting import Found
from headway.db.keyring import WrongKeyError
from headway.db.personal_keys import reader
from headway.instants import Instant

THROUGH = "contentsForgottenThrough"
"""The metadata of the entry that tells of it: the number of an entry."""
_entries = audit_entries.c
_KEPT = (Action.APPLY_RETENTION.value, Action.ERASE_USER.value)
_is_kept = and_(_entries.recorded_by.is_(None), or_(*(_entries.action == each for each in _KEPT)))
_is_old = and_(_entries.performed_at < bindparam("before", type_=_entries.performed_at.type), _entries.content != "", ~_is_kept)
_old = select(
    func.count().label("number"),
    func.min(_entries.performed_at).label("oldest"),
    func.max(_entries.performed_at).label("newest"),
).where(_is_old)
_newest = select(func.max(_entries.seq).label("seq")).where(_is_old)
_blank = (
    update(audit_entries)
    .where(_entries.seq > bindparam("after"), _entries.seq <= bindparam("through"), _is_old)
    .values(content="")
)
_told = (
    select(*ENTRY_COLUMNS)
    .where(_entries.action == Action.APPLY_RETENTION.value, _entries.recorded_by.is_(None))
    .order_by(_entries.seq)
)


async def find(tx: ReadTransaction, before: Instant) -> Found:
    """Count the entries of before an instant whose contents are there."""
    return Found(*await tx.one(_old, before=before))


async def find_newest(tx: ReadTransaction, before: Instant) -> int:
    """Return the number of the newest of them; 0 if there is none."""
    return (await tx.one(_newest, before=before))["seq"] or 0


async def blank(tx: WriteTransaction, before: Instant, *, after: int, through: int) -> int:
    """Remove the contents of those of them that have a number in a range; return how many."""
    return await tx.run(_blank, before=before, after=after, through=through)


async def read_through(tx: ReadTransaction) -> int:
    """Return the number up to which the log tells that contents may be missing; 0 if it tells of none."""
    told = [stored_entry(row) for row in await tx.all(_told)]
    personal = await reader(tx, [each.content for each in told])
    found = [0]
    for stored in told:
        try:
            text = personal.read(stored.content)
            value = None if text is None else decode_content(text).metadata.get(THROUGH)
        except (ValueError, WrongKeyError):
            continue
        # It tells of what came before it.
        found += [value] if isinstance(value, int) and value < stored.link.seq else []
    return max(found)


def explains(stored: StoredEntry, through: int) -> bool:
    """Return whether the content of an entry may be missing because of its age."""
    link = stored.link
    is_kept = link.recorded_by is None and link.action in _KEPT
    return stored.content == "" and link.seq <= through and not is_kept
