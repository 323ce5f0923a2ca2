"""Rate limits and what they decide."""

from typing import NamedTuple

from headway.instants import SECOND, Milliseconds


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
