"""The sliding window: exact, whatever the times of the requests."""

from collections.abc import Sequence

from headway.instants import Instant
from headway.limits.model import Decision, RateLimit


def slide(times: Sequence[Instant], now: Instant, limit: RateLimit) -> tuple[list[Instant], Decision]:
    """Decide on a request now, after allowed requests at `times`; return the times to keep, in order, and the decision."""
    # The clock of another process may be ahead.
    counted = sorted(at for at in times if at > now - limit.window)
    is_allowed = len(counted) < limit.requests
    if is_allowed:
        counted = sorted([*counted, now])
    # After the limit was lowered, more than one request has to leave the window.
    first = counted[max(len(counted) - limit.requests, 0)]
    return counted, Decision(is_allowed, max(limit.requests - len(counted), 0), min(first - now, 0) + limit.window)
