"""Things that a path names by the ids of another system, such as `/courses/ext:course-v1:X+Y`, and the ids that are meant."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from headway.db.database import ReadTransaction
from headway.http.params import LARGEST_INTEGER
from headway.http.request import Request
from headway.identity import OUTSIDE
from headway.text import nfc

Find = Callable[[ReadTransaction, str], Awaitable[int | None]]
"""Returns the id of what has an external id."""
_NOTHING = LARGEST_INTEGER
"""An id that nothing has, though something could."""


class PathNames:
    """The parameters of paths that may hold an external id after `ext:`, and how each is found."""

    def __init__(self, finders: Mapping[str, Find]) -> None:
        self._finders = finders

    def are_in(self, request: Request[Any, Any]) -> bool:
        """Return whether a request's path has any external id."""
        return any(request.path.get(name, "").startswith(OUTSIDE) for name in self._finders)

    async def resolve(self, tx: ReadTransaction, request: Request[Any, Any]) -> None:
        """Put ids in place of the external ids in a request's path; an external id that nothing has becomes such an id."""
        for name, find in self._finders.items():
            text = request.path.get(name, "")
            if text.startswith(OUTSIDE):
                request.path[name] = str(await find(tx, nfc(text.removeprefix(OUTSIDE))) or _NOTHING)
