"""What is told of a person's roles in courses, and the titles of courses, units and assessments."""

from collections.abc import Collection, Mapping

from sqlalchemy import Text, literal_column, select, union_all

from headway.courses.tables import assessments, course_staff, courses, units
from headway.db.database import ReadTransaction
from headway.db.dialects import lookup, rows
from headway.db.personal import TableSection
from headway.db.types import Id

SECTIONS = [TableSection("course-roles", course_staff, ["course_id"])]

_titled = {"course": courses, "unit": units, "assessment": assessments}
_ids = {name: rows(f"{name}_ids", {"id": Id}) for name in _titled}
_titles = union_all(
    *(
        select(literal_column(f"'{name}'", Text()).label("name"), table.c.id, table.c.title)
        .select_from(lookup(_ids[name], table, table.c.id == _ids[name].c.id))
        .where(*([units.c.is_hidden.is_(False)] if table is units else []))
        for name, table in _titled.items()
    )
)


async def read_titles(tx: ReadTransaction, ids: Mapping[str, Collection[int]]) -> dict[tuple[str, int], str]:
    """Return titles by `course`, `unit` or `assessment` and the id; `ids` are those that are sought, by the same names.

    Units that are hidden from learners have none here: whom the export is about may not know of them.
    """
    sought = {f"{name}_ids": [(each,) for each in sorted(ids.get(name, ()))] for name in _titled}
    return {(row["name"], row["id"]): row["title"] for row in await tx.all(_titles, **sought)}
