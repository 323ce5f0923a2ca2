"""How often something may be done: so many times within any stretch of time, whenever it begins."""

from collections.abc import Sequence
from typing import NamedTuple

from headway.instants import SECOND, Instant, Milliseconds


class Standing(NamedTuple):
    """What came of a try: whether it is let through, how many more are, and how long until it is one more."""

    is_let_through: bool
    left: int
    opens_in: Milliseconds

    @property
    def opens_in_seconds(self) -> int:
        """The whole seconds after which it surely is one more."""
        return max(1, -(-self.opens_in // SECOND))


def slide(times: Sequence[Instant], now: Instant, *, limit: int, window: Milliseconds) -> tuple[list[Instant], Standing]:
    """Try now, after tries that were let through at `times`; give the times that count from now on, and what came of it."""
    # Another process may go by a clock that is ahead.
    counted = sorted(at for at in times if at > now - window)
    is_let_through = len(counted) < limit
    if is_let_through:
        counted = sorted([*counted, now])
    # Where the limit was lowered, more than one has to pass.
    first = counted[max(len(counted) - limit, 0)]
    return counted, Standing(is_let_through, max(limit - len(counted), 0), min(first - now, 0) + window)
