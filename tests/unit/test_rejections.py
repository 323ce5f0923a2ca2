"""The labels of rejections come from a closed set, whatever clients send."""

import pytest

from headway.errors import FieldError
from headway.telemetry import Metrics


@pytest.mark.parametrize(
    ("field", "label"),
    [
        ("title", "title"),
        ("parts[7].title", "parts[].title"),
        ("parts[0][12]", "parts[]"),
        ("parts[0].made.up", "parts[]"),
        ("title.made[3].up", "title"),
        ("made up", "other"),
        ("\0", "other"),
        ("x" * 100_000, "other"),
        ("[0]", "other"),
        ("." * 1_000, "other"),
    ],
)
def test_a_field_counts_as_the_nearest_declared_one(field: str, label: str) -> None:
    metrics = Metrics()
    metrics.fields = frozenset({"title", "parts", "parts[]", "parts[].title"})

    metrics.reject("VALIDATION_ERROR", [FieldError(field, "is wrong")])

    assert f'headway_rejections_total{{field="{label}",reason="VALIDATION_ERROR"}} 1.0'.encode() in metrics.page()


def test_a_rejection_without_a_field_has_an_empty_label() -> None:
    metrics = Metrics()

    metrics.reject("FORBIDDEN", ())

    assert b'headway_rejections_total{field="",reason="FORBIDDEN"} 1.0' in metrics.page()
