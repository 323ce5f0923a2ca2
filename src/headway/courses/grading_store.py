"""The rows of gradings: one for each change of a course that matters to grading."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import select

from headway.courses.model import CourseStructure, Grading, GradingHistory
from headway.courses.tables import course_gradings
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import WriteRows, rows
from headway.db.types import Id

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Grading).decode
_insert = WriteRows(course_gradings, ["course_id", "revision", "units"])
_ids = rows("ids", {"id": Id})
_gradings = (
    select(course_gradings.c.course_id, course_gradings.c.revision, course_gradings.c.units)
    .join(_ids, course_gradings.c.course_id == _ids.c.id)
    .order_by(course_gradings.c.course_id, course_gradings.c.revision)
)


async def insert_grading(tx: WriteTransaction, structure: CourseStructure) -> None:
    """Store the grading of a course from its current revision on."""
    await tx.write_rows((_insert, [(structure.course_id, structure.revision, _encode(structure.grading).decode())]))


async def read_histories(tx: ReadTransaction, course_ids: Sequence[int]) -> dict[int, GradingHistory]:
    """Return the grading histories of these courses."""
    histories: dict[int, GradingHistory] = {course_id: GradingHistory({}) for course_id in course_ids}
    for row in await tx.all(_gradings, ids=[(course_id,) for course_id in course_ids]):
        histories[row["course_id"]].gradings[row["revision"]] = _decode(row["units"])
    return histories
