"""The figures of the last hour, and the latest errors: bounded, and without anything that people wrote."""

import pytest

from headway.errors import Unavailable
from headway.health.report import Sample
from headway.health.series import KEPT, Series, by_minute, count_and_sum, total
from headway.telemetry import Metrics, RecentErrors
from tests.world import FakeClock


def test_rates_and_means_are_those_since_the_last_sample() -> None:
    metrics, clock = Metrics(), FakeClock()
    metrics.requests.labels("/a", "200").inc(7)
    series = Series(metrics, clock)
    clock.advance(seconds=10)
    metrics.requests.labels("/a", "200").inc(20)
    metrics.requests.labels("/b", "500").inc(3)
    metrics.requests.labels("/b", "404").inc(2)
    metrics.request_seconds.labels("/a").observe(0.1)
    metrics.request_seconds.labels("/b").observe(0.3)
    metrics.observations.labels("accepted").inc(40)
    metrics.live_connections.set(4)

    series.sample()
    clock.advance(seconds=5)
    series.sample()

    first, second = series.samples
    assert (first.requests_per_second, first.failures, first.events_per_second) == (2.5, 3, 4.0)
    assert first.mean_request_ms == pytest.approx(200)
    assert (second.requests_per_second, second.failures, second.mean_request_ms) == (0, 0, None)
    assert (first.live_clients, second.live_clients) == (4, 4)


def test_no_more_than_an_hour_is_kept() -> None:
    clock = FakeClock()
    series = Series(Metrics(), clock)

    for _ in range(KEPT + 5):
        clock.advance(seconds=10)
        series.sample()

    assert len(series.samples) == KEPT
    assert series.samples[-1].at - series.samples[0].at == 10_000 * (KEPT - 1)


def test_sums_are_those_of_the_series_with_the_labels() -> None:
    metrics = Metrics()
    metrics.cache_reads.labels("a", "hit").inc(2)
    metrics.cache_reads.labels("b", "hit").inc(3)
    metrics.cache_reads.labels("b", "miss").inc(5)
    metrics.transaction_seconds.labels("read").observe(0.5)
    metrics.transaction_seconds.labels("write").observe(1.5)

    assert total(metrics.cache_reads) == 10
    assert total(metrics.cache_reads, outcome="hit") == 5
    assert count_and_sum(metrics.transaction_seconds) == (2, 2.0)
    assert count_and_sum(metrics.transaction_seconds, kind="read") == (1, 0.5)


def test_the_latest_errors_name_a_type_and_a_place_and_no_message() -> None:
    errors = RecentErrors(size=2)
    for number in range(3):
        try:
            Metrics().reject("ada@example.org", None)  # type: ignore[arg-type]
        except TypeError as error:
            errors.note(error, f"CODE_{number}", method="GET", route="/users/{id}")

    kept = errors.newest_first()
    assert [each.code for each in kept] == ["CODE_2", "CODE_1"]
    assert kept[0].kind == "TypeError"
    assert kept[0].place.startswith("headway.telemetry:")
    assert "ada" not in repr(kept)


def test_an_outage_names_what_the_driver_raised() -> None:
    errors = RecentErrors()
    outage = Unavailable("The database does not respond.")
    outage.__cause__ = OSError("host db.internal refused")

    errors.note(outage, "UNAVAILABLE", method="POST", route="/x")

    assert [(each.kind, each.code) for each in errors.newest_first()] == [("OSError", "UNAVAILABLE")]


def test_minutes_are_means_of_rates_sums_of_failures_and_maxima() -> None:
    sample = Sample(0, 2.0, 100.0, 1, 4.0, 5, 3, 10.0, 80.0)
    other = Sample(10_000, 6.0, 300.0, 2, 0.0, 1, 7, 40.0, None)
    idle = Sample(20_000, 1.0, None, 0, 2.0, 0, 0, 0.0, 90.0)

    later = sample._replace(at=125_000)

    (first, second) = by_minute([sample, other, idle, idle, idle, idle, later])

    assert first == Sample(0, 2.0, 250.0, 3, 2.0, 5, 7, 40.0, 90.0)
    assert second == sample._replace(at=120_000)
    assert by_minute([]) == []
