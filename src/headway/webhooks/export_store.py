"""What is told of deliveries about a person: which receivers were told what."""

from typing import Any

from sqlalchemy import BigInteger, bindparam, select

from headway.db.database import ReadTransaction, Row
from headway.db.dialects import lookup, rows
from headway.db.personal import Part, Person, Place, Record, json_of
from headway.db.types import Id
from headway.instants import iso
from headway.webhooks.model import host_of
from headway.webhooks.tables import webhook_deliveries, webhooks

_LOOKED_AT = 20_000
"""Deliveries are not looked up by learner: so many are looked at for each part."""

_d = webhook_deliveries.c
_told = ("id", "webhook_id", "message_id", "type", "course_id", "data", "at", "status", "tries", "ended_at")
_after = _d.id > bindparam("after", type_=BigInteger())
_last = select(_d.id).where(_after).order_by(_d.id).offset(_LOOKED_AT - 1).limit(1)
_of_person = (
    select(*(_d[name] for name in _told))
    .where(_after, _d.id <= bindparam("until", type_=BigInteger()), _d.user_id == bindparam("person", type_=Id))
    .order_by(_d.id)
)
_ids = rows("ids", {"id": Id})
_receivers = select(webhooks.c.id, webhooks.c.url).select_from(lookup(_ids, webhooks, webhooks.c.id == _ids.c.id))


class _Deliveries:
    """The deliveries about the person, with the hosts of their receivers: other parts of a URL may be secret."""

    name = "webhook-deliveries"
    tables = (webhook_deliveries.name,)
    is_of_staff = False
    people = ()

    async def read(self, tx: ReadTransaction, person: Person, place: Place | None) -> Part:
        """Read those about the person among the first deliveries, or among those after an id."""
        after = place or 0
        last = await tx.first(_last, after=after)
        found = await tx.all(_of_person, after=after, until=2**63 - 1 if last is None else last["id"], person=person.id)
        ids = sorted({row["webhook_id"] for row in found})
        urls = await tx.all(_receivers, ids=[(each,) for each in ids]) if ids else []
        hosts = {row["id"]: host_of(tx.keyring.decrypt(row["url"])) for row in urls}
        return Part([_record(row, hosts) for row in found], None if last is None else last["id"])


def _record(row: Row, hosts: dict[Any, str]) -> Record:
    return {
        "receiver": hosts.get(row["webhook_id"]),
        "webhookId": row["webhook_id"],
        "messageId": row["message_id"],
        "type": row["type"],
        "at": iso(row["at"]),
        "courseId": row["course_id"],
        "data": json_of(row["data"]),
        "status": row["status"],
        "tries": row["tries"],
        "endedAt": None if row["ended_at"] is None else iso(row["ended_at"]),
    }


SECTIONS = [_Deliveries()]
