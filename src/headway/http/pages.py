"""Pages of lists as clients request them: `page`, `limit` and `cursor`."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from headway.errors import Invalid
from headway.http.request import Request
from headway.identity import NOBODY
from headway.paging.model import MAX_LENGTH
from headway.paging.service import Paging, Walk
from headway.settings import Settings

Cursor = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z0-9_-]+$",
        min_length=1,
        max_length=MAX_LENGTH,
        description="The `nextCursor` of the page before; `page` then has no effect.",
    ),
]
"""The type of a cursor in a query."""
NextCursor = Annotated[
    str | None,
    Meta(description="The `cursor` of the next page; null on the last one, and on those after the first requested by `page`."),
]
_PAGE = frozenset({"page", "limit", "cursor"})


class Pages:
    """Reads which page of a list a request wants."""

    def __init__(self, paging: Paging, settings: Settings) -> None:
        self._paging = paging
        self._default, self._maximum = settings.page_size, settings.max_page_size

    def limit(self, requested: int | None) -> int:
        """Return the number of rows of a page. Raises Invalid if more than the maximum are requested."""
        if requested is not None and requested > self._maximum:
            raise Invalid.field("limit", f"must be at most {self._maximum}")
        return self._default if requested is None else requested

    def walk(self, request: Request[Any, Any]) -> Walk:
        """Return the walk of the caller through the list at the request's path, with all other parameters of its query.

        An order that it fixes is stored before the response is sent. Raises Invalid naming `limit` or `cursor`.
        """
        query = msgspec.structs.asdict(request.query)
        bound = request.url_path, sorted((name, value) for name, value in query.items() if name not in _PAGE)
        caller = request.optional_caller
        request.walk = self._paging.walk(
            NOBODY if caller is None else caller.user_id,
            bound,
            cursor=query["cursor"],
            page=query.get("page", 1),
            limit=self.limit(query["limit"]),
        )
        return request.walk
