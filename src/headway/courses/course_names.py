"""Finding courses by what other systems call them, many times a second."""

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from sys import getsizeof

from headway.bounded_cache import BoundedCache
from headway.courses.external_store import resolve_courses
from headway.db.database import ReadTransaction
from headway.instants import SECOND, Clock, Instant

Snapshot = Callable[[], AbstractAsyncContextManager[ReadTransaction]]
_REMEMBERED = 2 * SECOND


class CourseNames:
    """Finds courses by external ids. What was found is remembered for two seconds, so that a change is noticed by then."""

    def __init__(self, clock: Clock, *, max_bytes: int = 1_000_000) -> None:
        self._clock = clock
        self._known: BoundedCache[str, tuple[int, Instant]] = BoundedCache(
            max_bytes, lambda name, found: getsizeof(name) + getsizeof(found)
        )

    async def find(self, names: Collection[str], snapshot: Snapshot) -> dict[str, int]:
        """Return the ids of the courses that have these external ids, by them.

        Those that are not remembered cost a single statement in the `snapshot`, which is opened for them alone.
        """
        now = self._clock()
        found: dict[str, int] = {}
        for name in names:
            course_id, read_at = self._known.get(name) or (0, 0)
            if course_id and 0 <= now - read_at < _REMEMBERED:
                found[name] = course_id
        missing = set(names) - found.keys()
        if missing:
            async with snapshot() as tx:
                read = await resolve_courses(tx, missing)
            for name, course_id in read.items():
                self._known.put(name, (course_id, now))
            found |= read
        return found
