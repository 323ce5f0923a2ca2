"""Pages of lists, within the limits of the settings."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from headway.contracts.learner import wire
from headway.errors import Invalid


class Pages(NamedTuple):
    """How many rows a page has, and how many it may have at most."""

    size: int
    largest: int

    def limit(self, asked: int | None) -> int:
        """Give how many rows are wanted. Raises Invalid if they are too many."""
        if asked is not None and asked > self.largest:
            raise Invalid.field("limit", f"must be at most {self.largest}")
        return self.size if asked is None else asked

    def answer(self, data: Sequence[Any], query: wire.PageQuery, total: int) -> wire.Many[Any]:
        """Put a page into its envelope."""
        paging = wire.Paging(page=query.page, limit=self.limit(query.limit), total=total)
        return wire.Many(data=list(data), metadata=paging)
