"""What is told of an activity is checked, however deep it is, and times bound what is wanted."""

from typing import Any

import pytest

from headway.audit.model import TargetType
from headway.contracts.activity_log import mapping, wire
from headway.errors import Invalid
from headway.instants import DAY, END_OF_TIME
from tests.world import NOON

MIDNIGHT = NOON - DAY // 2


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _level in range(levels):
        value = {"deeper": value}
    return value


@pytest.mark.parametrize(
    ("field", "part"),
    [
        ("metadata", {"metadata": nested(5_000)}),
        ("context.additionalInfo", {"context": wire.ContextBody(additional_info=nested(5_000))}),
    ],
)
def test_what_is_nested_too_deeply_to_be_encoded_is_refused_with_its_field(field: str, part: dict[str, Any]) -> None:
    body = wire.ActivityBody("ACT", wire.TargetBody(TargetType.OTHER), **part)

    with pytest.raises(Invalid) as refused:
        mapping.entry_draft(body, max_bytes=32_000)

    assert [each.field for each in refused.value.fields] == [field]


@pytest.mark.parametrize("day", ["2026-01-01", "20260101", "2026-W01-4", "2026W014"])
def test_a_day_is_whole_in_each_of_its_spellings(day: str) -> None:
    wanted = mapping.entry_filter(wire.ActivitiesQuery(since=day, until=day))

    assert (wanted.since, wanted.until) == (MIDNIGHT, MIDNIGHT + DAY)


def test_the_last_day_ends_where_time_does() -> None:
    assert mapping.entry_filter(wire.ActivitiesQuery(until="9998-12-31")).until == END_OF_TIME
