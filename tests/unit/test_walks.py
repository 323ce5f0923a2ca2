"""Walks through lists: what a cursor may be, and when an order is fixed."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from headway.db.database import ReadTransaction
from headway.errors import Invalid
from headway.instants import system_clock
from headway.paging.model import MAX_LENGTH, After, Cursors, Given, Place, Stored
from headway.paging.service import Moving, Paging, Slice

NO_TRANSACTION = cast("ReadTransaction", None)
"""First pages read no stored order."""


def source(keys: list[int]) -> Moving[int]:
    async def page(part: Slice) -> Sequence[int]:
        return keys[part.offset : part.offset + part.limit]

    async def order() -> list[int]:
        return keys

    async def some(wanted: Sequence[int]) -> Sequence[int]:
        return [key for key in wanted if key in keys]

    return Moving(page=page, order=order, some=some, key=lambda key: key)


def paging() -> Paging:
    return Paging(system_clock, lambda: "order", secret_key="k" * 32)


@pytest.mark.parametrize("place", [After(2, 5), After(3, "id"), Given.of(2, [9, 4, 2**53 - 1]), Stored(4, "order", 200)])
def test_a_cursor_names_its_place_in_one_list(place: Place) -> None:
    cursors = Cursors("k" * 32)
    cursor = cursors.write(place, b"list")

    assert cursors.read(cursor, b"list") == place
    for reader, bound in ((cursors, b"other"), (Cursors("l" * 32), b"list")):
        with pytest.raises(Invalid) as refused:
            reader.read(cursor, bound)
        assert [each.field for each in refused.value.fields] == ["cursor"]


def test_a_cursor_names_the_rows_that_were_given() -> None:
    assert Given.of(2, [30, 1, 2**53 - 1]).keys == {1, 30, 2**53 - 1}


@pytest.mark.parametrize(("step", "is_stored"), [(1, False), (2**40, True)])
async def test_a_first_page_whose_rows_do_not_fit_into_a_cursor_fixes_the_order_at_once(step: int, is_stored: bool) -> None:
    keys = [number * step for number in range(1, 802)]
    walk = paging().walk(1, ["list"], cursor=None, page=1, limit=800)

    rows = await walk.read(NO_TRANSACTION, source(keys))

    assert rows == keys[:800]
    assert (walk.new_order == ("order", keys[800:])) is is_stored
    assert walk.next_cursor is not None
    assert len(walk.next_cursor) <= MAX_LENGTH


@pytest.mark.parametrize(("page", "limit", "has_next"), [(1, 2, True), (1, 3, False), (2, 1, False)])
async def test_only_the_first_page_by_number_has_a_cursor(page: int, limit: int, has_next: bool) -> None:
    made = paging()
    moving, staying = (made.walk(1, ["list"], cursor=None, page=page, limit=limit) for _ in range(2))
    keys: list[Any] = [3, 1, 2]

    found = await moving.read(NO_TRANSACTION, source(keys))
    part = staying.slice
    cut = staying.cut(keys[part.offset : part.offset + part.limit], int)

    assert found == cut
    assert (moving.next_cursor is not None, staying.next_cursor is not None) == (has_next, has_next)
