"""Work that is done again when others were in its way, or the database did not answer for a moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from headway.errors import Unavailable

Result = TypeVar("Result")
_WAITS = (0.0, 0.1, 0.5, 2.0, 5.0)
"""How many seconds pass before each repetition."""


async def repeated(work: Callable[[], Awaitable[Result]]) -> Result:
    """Return what work returns that opens a transaction of its own; while that ends with Unavailable, do it again.

    For batch jobs, which nobody waits for: the transaction may have been committed although its answer was lost, so a
    repetition must find what was stored. Raises Unavailable after five repetitions.
    """
    for seconds in _WAITS:
        try:
            return await work()
        except Unavailable:
            await asyncio.sleep(seconds)
    return await work()
