"""Who is in a course because a roster says so, as rows."""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Text, and_, bindparam, func, or_, select

from headway.courses.tables import courses
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import DeleteRows, WriteRows, lookup, rows
from headway.db.types import Id
from headway.instants import Instant
from headway.rosters.model import KnownCourse, Part
from headway.rosters.tables import roster_places

_ID = re.compile("[1-9][0-9]{0,14}")
_KEY = ["user_id", "course_id", "source", "part"]
_insert = WriteRows(roster_places, [*_KEY, "since"])
_delete = DeleteRows(roster_places)
_keys = rows("places", {"user_id": Id, "course_id": Id, "source": Text(), "part": Text()})
_is_key = and_(*(roster_places.c[name] == _keys.c[name] for name in _KEY))
_known = select(*(roster_places.c[name] for name in _KEY)).select_from(lookup(_keys, roster_places, _is_key))
_of_source = roster_places.c.source == bindparam("of_source")
_place = (roster_places.c.course_id, roster_places.c.user_id, roster_places.c.part)
_after = or_(
    roster_places.c.course_id > bindparam("after_course"),
    and_(roster_places.c.course_id == bindparam("after_course"), roster_places.c.user_id > bindparam("after_user")),
)
_page = (
    select(*_place)
    .where(_of_source, roster_places.c.course_id >= bindparam("after_course"), _after)
    .order_by(roster_places.c.course_id, roster_places.c.user_id, roster_places.c.part)
    .limit(bindparam("limit"))
)
_course_columns = [courses.c[name] for name in KnownCourse._fields]
_names = rows("names", {"name": Text()})
_by_external_id = select(_names.c.name, *_course_columns).select_from(
    lookup(_names, courses, courses.c.external_id == _names.c.name)
)
_by_slug = select(_names.c.name, *_course_columns).select_from(lookup(_names, courses, courses.c.slug == _names.c.name))
_ids = rows("ids", {"id": Id})
_by_id = select(*_course_columns).select_from(lookup(_ids, courses, courses.c.id == _ids.c.id))
_count = select(func.count().label("total")).select_from(roster_places).where(_of_source)


class Placed(NamedTuple):
    """Somebody in a course whom a roster brought."""

    user_id: int
    course_id: int
    part: Part


async def find_courses(tx: ReadTransaction, names: Collection[str], *, by_any_name: bool = False) -> dict[str, KnownCourse]:
    """Return the courses with these external ids, or `by_any_name` also with these slugs or ids, by the names."""
    if not names:
        return {}
    keys = [(name,) for name in sorted(names)]
    found: dict[str, KnownCourse] = {}
    if by_any_name:
        ids = {int(name): name for name in names if _ID.fullmatch(name)}
        found |= {ids[row["id"]]: _course(row) for row in await tx.all(_by_id, ids=[(each,) for each in sorted(ids)])}
        found |= {row["name"]: _course(row) for row in await tx.all(_by_slug, names=keys)}
    return found | {row["name"]: _course(row) for row in await tx.all(_by_external_id, names=keys)}


async def read_titles(tx: ReadTransaction, course_ids: Collection[int]) -> dict[int, str]:
    """Return the titles of courses by their ids."""
    found = await tx.all(_by_id, ids=[(each,) for each in sorted(course_ids)]) if course_ids else ()
    return {row["id"]: row["title"] for row in found}


def _course(row: Row) -> KnownCourse:
    return KnownCourse(**{name: row[name] for name in KnownCourse._fields})


async def find_among(tx: ReadTransaction, source: str, places: Collection[Placed]) -> set[Placed]:
    """Return those of these places that a roster of the source brought."""
    if not places:
        return set()
    keys = [(each.user_id, each.course_id, source, each.part.value) for each in places]
    return {Placed(row["user_id"], row["course_id"], Part(row["part"])) for row in await tx.all(_known, places=keys)}


async def list_places(tx: ReadTransaction, source: str, *, after: tuple[int, int], limit: int) -> list[Placed]:
    """Return about so many of the places that rosters of a source brought, after a (course_id, user_id), in this order.

    Somebody's places in a course are never on two pages.
    """
    found = await tx.all(_page, of_source=source, after_course=after[0], after_user=after[1], limit=limit + 1)
    places = [Placed(row["user_id"], row["course_id"], Part(row["part"])) for row in found]
    if len(places) <= limit:
        return places
    last = (places[-1].course_id, places[-1].user_id)
    return [each for each in places if (each.course_id, each.user_id) != last]


async def count_places(tx: ReadTransaction, source: str) -> int:
    """Count the places that rosters of a source brought."""
    return int((await tx.one(_count, of_source=source))["total"])


async def insert_places(tx: WriteTransaction, source: str, places: Sequence[Placed], now: Instant) -> None:
    """Note that a roster brought these; those that are noted already stay."""
    if places:
        await tx.write_rows((_insert, [(each.user_id, each.course_id, source, each.part.value, now) for each in places]))


async def delete_places(tx: WriteTransaction, source: str, places: Collection[Placed]) -> None:
    """Note that the roster of a source no longer has these."""
    if places:
        keys = sorted((each.user_id, each.course_id, source, each.part.value) for each in places)
        await tx.write_rows((_delete, keys))
