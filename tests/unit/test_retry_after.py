"""Retry-After of a webhook's receiver: a number of seconds or a date, within bounds."""

import pytest

from headway.instants import SECOND
from headway.webhooks.model import read_retry_after
from tests.world import NOON


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [
        (503, "120", 120),
        (429, "120", 120),
        (429, "Thu, 01 Jan 2026 12:02:00 GMT", 120),
        (429, "Thursday, 01-Jan-26 12:02:00 GMT", 120),
        (503, "86401", 86_400),
        (503, "9" * 90, 86_400),
        (503, "Fri, 01 Jan 2100 00:00:00 GMT", 86_400),
        (503, "0", None),
        (503, "-5", None),
        (503, "1.5", None),
        (503, "\N{SUPERSCRIPT TWO}", None),
        (503, "soon", None),
        (503, "", None),
        (503, None, None),
        (503, "Thu, 01 Jan 2026 11:59:59 GMT", None),
        (503, "Thu, 01 Jan 99999 12:02:00 GMT", None),
        (503, "Thu, 01 Jan 2026 12:02:00 +9999999", None),
        (500, "120", None),
        (200, "120", None),
        (None, "120", None),
    ],
)
def test_when_to_try_again_is_read_within_bounds(status: int | None, text: str | None, seconds: int | None) -> None:
    asked = read_retry_after(status, text, NOON)

    assert asked == (None if seconds is None else NOON + seconds * SECOND)
