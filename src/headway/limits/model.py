"""Rate limits and what they decide: an exact sliding window, whatever the times of the requests."""

from collections.abc import Sequence
from typing import NamedTuple

from headway.instants import SECOND, Instant, Milliseconds


class RateLimit(NamedTuple):
    """At most `requests` within any `window_seconds`, whenever they begin."""

    name: str
    requests: int
    window_seconds: int = 60

    @property
    def window(self) -> Milliseconds:
        """The window in milliseconds."""
        return self.window_seconds * SECOND


class Decision(NamedTuple):
    """Whether a request is allowed, how many more are, and the time until one more is."""

    is_allowed: bool
    remaining: int
    reset_in: Milliseconds

    @property
    def reset_in_seconds(self) -> int:
        """The time until one more request is allowed, rounded up to whole seconds; at least 1."""
        return max(1, -(-self.reset_in // SECOND))


def slide(times: Sequence[Instant], now: Instant, limit: RateLimit) -> tuple[list[Instant], Decision]:
    """Decide on a request now, after allowed requests at `times`; return the times to keep, in order, and the decision."""
    # The clock of another process may be ahead. What lies further ahead was counted before the clock was set back.
    counted = sorted(at for at in times if now - limit.window < at <= now + limit.window)
    is_allowed = len(counted) < limit.requests
    if is_allowed:
        counted = sorted([*counted, now])
    # After the limit was lowered, more than one request has to leave the window.
    first = counted[max(len(counted) - limit.requests, 0)]
    return counted, Decision(is_allowed, max(limit.requests - len(counted), 0), min(first - now, 0) + limit.window)
