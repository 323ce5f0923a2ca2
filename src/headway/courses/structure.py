"""The cache of course structures; a transaction that uses one checks that its revision is still the newest."""

from collections.abc import Iterable, Mapping

from cachetools import LRUCache

from headway.courses import store as catalogue
from headway.courses.model import CourseStructure
from headway.db.database import ReadTransaction

_MAX_COURSES = 2_000


class CourseStructures:
    """Course structures by course, loaded on first use and again after the course changed."""

    def __init__(self) -> None:
        self._known: LRUCache[int, CourseStructure] = LRUCache(_MAX_COURSES)

    async def get(
        self, tx: ReadTransaction, course_ids: Iterable[int], revisions: Mapping[int, int]
    ) -> dict[int, CourseStructure]:
        """Return the structures of those courses that exist; `revisions` holds the newest ones that the caller has read."""
        requested = set(course_ids)
        found: dict[int, CourseStructure] = {}
        for course_id in requested:
            structure = self._known.get(course_id)
            if structure is not None and revisions.get(course_id, structure.revision) == structure.revision:
                found[course_id] = structure
        missing = sorted(requested - found.keys())
        if missing:
            loaded = await catalogue.structures(tx, missing)
            self._known.update(loaded)
            found.update(loaded)
        return found
