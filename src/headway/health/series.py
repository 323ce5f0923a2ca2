"""A short history of a few figures, in memory: one sample each ten seconds, for an hour."""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any, NamedTuple

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from headway.health.report import Sample
from headway.instants import MINUTE, SECOND, Clock, Instant
from headway.telemetry import Metrics

SAMPLE_SECONDS = 10.0
KEPT = 360
_MEGABYTE = 1_000_000
_MEMORY = "process_resident_memory_bytes"


class _Totals(NamedTuple):
    """What the metrics have counted until an instant."""

    at: Instant
    requests: float
    failures: float
    request_seconds: float
    timed: float
    events: float


class Series:
    """Samples the metrics of this process. `sample` is called each `SAMPLE_SECONDS`; it takes about a millisecond."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._process = ProcessCollector(registry=None)
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._last = self._totals()

    @property
    def samples(self) -> list[Sample]:
        """The samples of the last hour, the oldest first."""
        return list(self._samples)

    def sample(self) -> None:
        """Add a sample of the time since the last one."""
        before, now = self._last, self._totals()
        self._last, metrics = now, self._metrics
        # A clock may be set back.
        seconds = max(now.at - before.at, 1) / SECOND
        timed = now.timed - before.timed
        self._samples.append(
            Sample(
                at=now.at,
                requests_per_second=(now.requests - before.requests) / seconds,
                mean_request_ms=1_000 * (now.request_seconds - before.request_seconds) / timed if timed else None,
                failures=round(now.failures - before.failures),
                events_per_second=(now.events - before.events) / seconds,
                waiting=total(metrics.ingest.waiting),
                live_clients=total(metrics.live_connections),
                stall_ms=1_000 * metrics.stalls.longest(time.monotonic()),
                memory_mb=self._memory_mb(),
            )
        )

    def _totals(self) -> _Totals:
        metrics = self._metrics
        requests = _values(metrics.requests, "_total")
        timed, seconds = count_and_sum(metrics.request_seconds)
        return _Totals(
            self._clock(),
            sum(value for _, value in requests),
            sum(value for labels, value in requests if labels["status"] >= "500"),
            seconds,
            timed,
            total(metrics.observations),
        )

    def _memory_mb(self) -> float | None:
        values = [family.samples[0].value for family in self._process.collect() if family.name == _MEMORY]
        return values[0] / _MEGABYTE if values else None


def by_minute(samples: Sequence[Sample]) -> list[Sample]:
    """Return one sample for each minute, named by its begin: means of rates and times, sums of failures, and maxima.

    A mean time counts by the requests of its sample.
    """
    minutes = groupby(samples, lambda sample: sample.at // MINUTE)
    return [_merged(list(group))._replace(at=minute * MINUTE) for minute, group in minutes]


def _merged(group: Sequence[Sample]) -> Sample:
    timed = [(each.mean_request_ms, each.requests_per_second) for each in group if each.mean_request_ms is not None]
    weight = sum(requests for _, requests in timed)
    memory = [each.memory_mb for each in group if each.memory_mb is not None]
    return Sample(
        at=group[-1].at,
        requests_per_second=fmean(each.requests_per_second for each in group),
        mean_request_ms=sum(mean * requests for mean, requests in timed) / weight if weight else None,
        failures=sum(each.failures for each in group),
        events_per_second=fmean(each.events_per_second for each in group),
        waiting=max(each.waiting for each in group),
        live_clients=max(each.live_clients for each in group),
        stall_ms=max(each.stall_ms for each in group),
        memory_mb=max(memory) if memory else None,
    )


def total(metric: Counter | Gauge, **labels: str) -> float:
    """Return the sum of a metric over all its series, or over those with these labels."""
    suffix = "_total" if isinstance(metric, Counter) else ""
    return sum(value for found, value in _values(metric, suffix) if labels.items() <= found.items())


def count_and_sum(metric: Histogram, **labels: str) -> tuple[float, float]:
    """Return how many values a histogram has observed in all its series, or in those with these labels, and their sum."""
    count, summed = (
        sum(value for found, value in _values(metric, suffix) if labels.items() <= found.items())
        for suffix in ("_count", "_sum")
    )
    return count, summed


def _values(metric: Counter | Gauge | Histogram, suffix: str) -> list[tuple[dict[str, str], float]]:
    families: Iterable[Any] = metric.collect()
    return [
        (sample.labels, sample.value) for family in families for sample in family.samples if sample.name == family.name + suffix
    ]
