"""Course structures that this process remembers; a transaction that uses one checks that it is still the newest."""

from collections.abc import Iterable, Mapping

from headway.courses import store as catalogue
from headway.courses.model import CourseStructure
from headway.db.database import ReadTransaction

_LARGEST = 2_000


class CourseStructures:
    """Structures by course, loaded when first needed and again when the course has changed."""

    def __init__(self) -> None:
        self._known: dict[int, CourseStructure] = {}

    async def get(
        self, tx: ReadTransaction, course_ids: Iterable[int], revisions: Mapping[int, int]
    ) -> dict[int, CourseStructure]:
        """Return the structures of those courses that exist; `revisions` are the newest ones that the caller has read."""
        wanted = set(course_ids)
        found: dict[int, CourseStructure] = {}
        for course_id in wanted:
            structure = self._known.get(course_id)
            if structure is not None and revisions.get(course_id, structure.revision) == structure.revision:
                found[course_id] = structure
        missing = sorted(wanted - found.keys())
        if missing:
            loaded = await catalogue.structures(tx, missing)
            if len(self._known) + len(loaded) > _LARGEST:
                self._known.clear()
            self._known.update(loaded)
            found.update(loaded)
        return found
