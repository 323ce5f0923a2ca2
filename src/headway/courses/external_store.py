"""Finds courses by what other systems call them."""

from collections.abc import Collection

from sqlalchemy import Text, select

from headway.courses.tables import courses
from headway.db.database import ReadTransaction
from headway.db.dialects import lookup, rows

_names = rows("names", {"external_id": Text()})
_by_external_id = select(courses.c.external_id, courses.c.id).select_from(
    lookup(_names, courses, courses.c.external_id == _names.c.external_id)
)


async def resolve_courses(tx: ReadTransaction, external_ids: Collection[str]) -> dict[str, int]:
    """Return the ids of the courses that have these external ids, by them, with a single statement."""
    names = [(external_id,) for external_id in sorted(set(external_ids))]
    return {row["external_id"]: row["id"] for row in await tx.all(_by_external_id, names=names)}
