"""What is told of the audit log: the entries in which a person is the actor, the one who recorded, or the target.

Of entries about others, or by others, it tells what was done, and when: not who else it was, nor what is said of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Text, and_, bindparam, select, union

from headway.audit.model import AuditEntry, TargetType
from headway.audit.store import ENTRY_COLUMNS, entries_of
from headway.audit.tables import audit_entries
from headway.db.database import ReadTransaction
from headway.db.dialects import lookup, rows
from headway.db.personal import AT_ONCE, Part, Person, Place, Record
from headway.db.types import Id
from headway.instants import iso

_MOST_NAMES = 3
"""As many texts as `UserIds.stored_names` returns at most."""

_e = audit_entries.c
_names = [bindparam(f"name{i}", type_=Text()) for i in range(_MOST_NAMES)]
_is_user, _is_enrollment = _e.target_type == TargetType.USER.value, _e.target_type == TargetType.ENROLLMENT.value
_conditions: list[ColumnElement[bool]] = [
    *(_e.actor_id == name for name in _names),
    _e.recorded_by == bindparam("recorded_by", type_=Id),
    *(and_(_is_user, _e.target_id == name) for name in _names),
]
_after = _e.seq > bindparam("after", type_=BigInteger())
_targets = rows("targets", {"target_id": Text()})
_of_enrollments = (
    select(_e.seq)
    .select_from(lookup(_targets, audit_entries, and_(_is_enrollment, _e.target_id == _targets.c.target_id, _after)))
    .order_by(_e.seq)
    .limit(AT_ONCE)
)
# Each part has its index, and returns no more than are read at once.
_some = union(
    *(
        select(select(_e.seq).where(condition, _after).order_by(_e.seq).limit(AT_ONCE).subquery().c.seq)
        for condition in _conditions
    ),
    select(_of_enrollments.subquery().c.seq),
)
_entries = select(*ENTRY_COLUMNS).where(_e.seq.in_(_some)).order_by(_e.seq).limit(AT_ONCE)
# An index has the columns: no entry is read.
_enrollments = select(_e.target_id).where(_is_enrollment, _e.target_id.like(bindparam("ending"))).distinct()


class _Place(NamedTuple):
    """The number of the last entry, and the names of the person's enrollments as targets."""

    seq: int
    enrollments: Sequence[str]


class _AuditLog:
    """The entries of the log that have to do with the person."""

    name = "audit-log"
    tables = (audit_entries.name,)
    is_of_staff = False
    people = ()

    async def read(self, tx: ReadTransaction, person: Person, place: Place | None) -> Part:
        """Read the first entries, or those after a place."""
        if place is None:
            found = await tx.all(_enrollments, ending=f"%-{person.id}")
            place = _Place(0, [row["target_id"] for row in found])
        names = person.ids.stored_names
        params = {f"name{i}": names[min(i, len(names) - 1)] for i in range(_MOST_NAMES)}
        targets = [(each,) for each in place.enrollments]
        found = await tx.all(_entries, after=place.seq, recorded_by=person.id, targets=targets, **params)
        entries = await entries_of(tx, found)
        following = place._replace(seq=entries[-1].seq) if len(entries) == AT_ONCE else None
        return Part([_record(each, person, place.enrollments) for each in entries], following)


def _record(entry: AuditEntry, person: Person, enrollments: Sequence[str]) -> Record:
    names, target = person.ids.stored_names, entry.target
    is_actor = entry.actor.user_id in names
    is_user = target.type is TargetType.USER
    is_target = (is_user and target.id in names) or (target.type is TargetType.ENROLLMENT and target.id in enrollments)
    is_own = entry.recorded_by == person.id and not is_user
    record: Record = {
        "seq": entry.seq,
        "id": entry.id,
        "action": entry.action,
        "status": entry.status.value,
        "performedAt": iso(entry.performed_at),
        "isActor": is_actor,
        "isTarget": is_target,
        "actorRole": entry.actor.role,
        "targetType": target.type.value,
        "targetId": target.id,
        "source": entry.context.source,
    }
    if is_actor:
        record |= {"actorName": entry.actor.name, "actorEmail": entry.actor.email}
    # Who records that somebody else did something has an address of their own.
    if entry.recorded_by == person.id or (is_actor and entry.recorded_by is None):
        client = entry.client
        record |= {"clientAddress": client and client.address, "userAgent": client and client.user_agent}
    if is_target or not is_user:
        record["targetName"] = target.name
    if is_target or is_own:
        record |= {
            "metadata": entry.metadata,
            "description": entry.context.description,
            "additionalInfo": entry.context.additional_info,
        }
    return record


SECTIONS = [_AuditLog()]
