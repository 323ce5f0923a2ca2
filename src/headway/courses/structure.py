"""The course outlines that this process remembers; a transaction that uses one checks that it is still the newest."""

from collections.abc import Iterable, Mapping

from headway.courses import store as catalogue
from headway.courses.model import Outline
from headway.db.database import ReadTransaction

_LARGEST = 2_000


class Outlines:
    """Outlines by course, loaded when first needed and again when the course has changed."""

    def __init__(self) -> None:
        self._known: dict[int, Outline] = {}

    async def get(self, tx: ReadTransaction, course_ids: Iterable[int], revisions: Mapping[int, int]) -> dict[int, Outline]:
        """Give the outlines of those courses that exist; `revisions` are the newest ones, as far as the caller read them."""
        wanted = set(course_ids)
        found: dict[int, Outline] = {}
        for course_id in wanted:
            outline = self._known.get(course_id)
            if outline is not None and revisions.get(course_id, outline.revision) == outline.revision:
                found[course_id] = outline
        missing = sorted(wanted - found.keys())
        if missing:
            loaded = await catalogue.outlines(tx, missing)
            if len(self._known) + len(loaded) > _LARGEST:
                self._known.clear()
            self._known.update(loaded)
            found.update(loaded)
        return found
