"""Numbers that machines measure: one that lies a hair beyond a bound lies on it.

A player that stops at 74.608 of 74.582 seconds has shown 100.03 percent, and 0.1 + 0.2 of 0.3 is everything.
"""

LARGEST_SHARE = 100.5
"""The largest percent that clients may send; what exceeds 100 is cut."""
RELATIVE_ERROR = 1e-9
"""The share of a bound by which a number may miss it and still equals it."""


def cut_share(percent: float) -> float:
    """Return a percent, at most 100. Minus zero becomes zero, so that each number has one stored form."""
    return percent + 0.0 if percent < 100.0 else 100.0


def reaches(measured: float, bound: float) -> bool:
    """Return whether a number reaches a bound above 0, or misses it by less than a billionth of it."""
    return measured >= bound - bound * RELATIVE_ERROR


def settle_score(score: float, max_score: float) -> float | None:
    """Return a score from 0 to `max_score`, or None for any other; one that misses a bound by a billionth of it equals it."""
    tolerance = max_score * RELATIVE_ERROR
    return min(max(score, 0.0), max_score) + 0.0 if -tolerance <= score <= max_score + tolerance else None


def score_percent(score: float, max_score: float) -> float | None:
    """Return a score as a percent of its maximum: 100 with extra credit, 0 below zero, None for a maximum of 0 or less."""
    if max_score <= 0:
        return None
    if score >= max_score:
        return 100.0
    return score / max_score * 100 + 0.0 if score > 0 else 0.0
