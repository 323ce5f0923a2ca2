"""Walks through lists, page by page."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from headway.db.database import ReadTransaction, WriteTransaction
from headway.identity import NOBODY
from headway.ids import NewId, uuid7
from headway.instants import Clock, system_clock
from headway.paging import store
from headway.paging.model import MAX_LENGTH, After, Cursors, Given, Place, Stored, unknown_cursor

Row = TypeVar("Row")


def in_order(keys: Sequence[int], found: Mapping[int, Row]) -> list[Row]:
    """Return the rows that were found, in the order of their keys."""
    return [found[key] for key in keys if key in found]


class Slice(NamedTuple):
    """Which rows of a list to read: up to `limit`, after the row with the key `after` if there is one, without the first
    `offset` of them.
    """

    limit: int
    offset: int = 0
    after: Any = None

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of a statement: `limit`, `offset`, and `after` unless it is None."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class Moving(NamedTuple, Generic[Row]):
    """How to read a list whose rows move, because what it is sorted by changes. Keys are integers that do not."""

    page: Callable[[Slice], Awaitable[Sequence[Row]]]
    """Read some rows by their place in the list."""
    order: Callable[[], Awaitable[list[int]]]
    """Read the keys of all rows in order."""
    some: Callable[[Sequence[int]], Awaitable[Sequence[Row]]]
    """Read the rows with these keys in the same order; without those that are no longer in the list."""
    key: Callable[[Row], int]


def put_in_order(
    keys: list[int], some: Callable[[Sequence[int]], Awaitable[Sequence[Row]]], key: Callable[[Row], int]
) -> Moving[Row]:
    """Return how to read a list of which all keys are known, in order; `some` and `key` are those of `Moving`."""

    async def page(part: Slice) -> Sequence[Row]:
        return await some(keys[part.offset : part.offset + part.limit])

    async def order() -> list[int]:
        return keys

    return Moving(page, order, some, key)


class Walker(NamedTuple):
    """Who walks through a list, and what a walk needs to continue."""

    user_id: int = NOBODY
    write_cursor: Callable[[Place], str] = repr
    clock: Clock = system_clock
    new_id: NewId = uuid7


class Walk:
    """One page of a list, requested by number or by cursor; `next_cursor` is set when the page has been read.

    By number, only the first page has one: who walks by cursor begins there.
    """

    def __init__(self, limit: int, page: int, place: Place | None = None, walker: Walker | None = None) -> None:
        self.limit = limit
        self.page = page if place is None else place.page
        self.next_cursor: str | None = None
        self.new_order: tuple[str, list[int]] | None = None
        """(id, keys) of an order to store before the response is sent."""
        self._place = place
        self._walker = walker or Walker()

    @property
    def slice(self) -> Slice:
        """What to read: one row more than the page has, to tell whether there is a next one."""
        if isinstance(self._place, After):
            return Slice(self.limit + 1, after=self._place.key)
        return Slice(self.limit + 1, offset=(self.page - 1) * self.limit)

    def cut(self, found: Sequence[Row], key: Callable[[Row], int | str]) -> list[Row]:
        """Return the page, given what `slice` reads of a list in the order of a key that never changes."""
        rows = list(found[: self.limit])
        if len(found) > self.limit and self._gives_cursor:
            self._continue(After(self.page + 1, key(rows[-1])))
        return rows

    async def read(self, tx: ReadTransaction, source: Moving[Row]) -> list[Row]:
        """Return the page of a list whose rows move. Each row that is there throughout is on one page.

        The second page fixes the order of all rows that were not on the first. Raises Invalid for a cursor that has expired.
        """
        walker = self._walker
        match self._place:
            case Stored(order_id=order_id, offset=offset):
                found = await store.read(tx, walker.user_id, order_id, offset=offset, limit=self.limit, now=walker.clock())
                if found is None:
                    raise unknown_cursor()
                keys, size = found
                if offset + self.limit < size:
                    self._continue(Stored(self.page + 1, order_id, offset + self.limit))
                return list(await source.some(keys))
            case Given() as given:
                rest = await self._rest(source, given.keys)
                self._store(rest[self.limit :])
                return list(await source.some(rest[: self.limit]))
        found_rows = await source.page(self.slice)
        rows = list(found_rows[: self.limit])
        if len(found_rows) > self.limit and self._gives_cursor:
            given = Given.of(self.page + 1, [source.key(row) for row in rows])
            self._continue(given)
            if len(self.next_cursor or "") > MAX_LENGTH:
                self._store(await self._rest(source, given.keys))
        return rows

    async def save(self, tx: WriteTransaction) -> None:
        """Store the order that the read fixed."""
        assert self.new_order is not None  # noqa: S101 - the caller has looked
        order_id, keys = self.new_order
        await store.insert(tx, self._walker.user_id, order_id, keys, self._walker.clock())

    @property
    def _gives_cursor(self) -> bool:
        return self._place is not None or self.page == 1

    async def _rest(self, source: Moving[Row], given: frozenset[int]) -> list[int]:
        return [key for key in await source.order() if key not in given]

    def _store(self, keys: list[int]) -> None:
        if keys:
            self.new_order = self._walker.new_id(), keys
            self._continue(Stored(self.page + 1, self.new_order[0], 0))

    def _continue(self, place: Place) -> None:
        self.next_cursor = self._walker.write_cursor(place)


class Paging:
    """Begins and continues walks."""

    def __init__(self, clock: Clock, new_id: NewId, *, secret_key: str) -> None:
        self._clock = clock
        self._new_id = new_id
        self._cursors = Cursors(secret_key)

    def walk(self, user_id: int, bound: Sequence[object], *, cursor: str | None, page: int, limit: int) -> Walk:
        """Return the walk of a caller through the list that `bound` names with its filters and its order.

        With a cursor, `page` has no effect. Raises Invalid naming `cursor`.
        """
        name = msgspec.json.encode((user_id, bound))
        place = None if cursor is None else self._cursors.read(cursor, name)
        walker = Walker(user_id, lambda next_place: self._cursors.write(next_place, name), self._clock, self._new_id)
        return Walk(limit, page, place, walker)
