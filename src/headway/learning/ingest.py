"""The way in for activity: reports of all requests are grouped, written, counted, and each answered."""

from collections.abc import Iterable, Sequence

import structlog

from headway.collector import Collector, CollectorLimits
from headway.db.database import Database
from headway.errors import Forbidden, Invalid
from headway.instants import Clock
from headway.learning.model import Outcome, Refusal, Report, Verdict
from headway.learning.recording import Tracking
from headway.telemetry import Metrics

log = structlog.get_logger(__name__)


class Ingest:
    """Tracking behind the collector."""

    def __init__(
        self, tracking: Tracking, *, database: Database, clock: Clock, capacity: int, group_weight: int, metrics: Metrics
    ) -> None:
        self._tracking = tracking
        self._clock = clock
        self._metrics = metrics
        self._collector: Collector[Report, list[Verdict]] = Collector(
            self._write,
            _weight,
            CollectorLimits(capacity, group_weight, database.useful_writers),
            is_in_transaction=database.is_writing,
            meters=metrics.ingest,
        )
        metrics.samplers.append(self._collector.sample)
        self._counters = {outcome: metrics.observations.labels(outcome.value) for outcome in Outcome}

    async def record(self, report: Report) -> list[Verdict]:
        """Record a report and give the verdicts once they are durable. Raises Unavailable, Overloaded."""
        verdicts = await self._collector.submit(report)
        for verdict in verdicts:
            self._counters[verdict.outcome].inc()
        return verdicts

    async def record_alone(self, report: Report) -> list[Verdict]:
        """Record a report in a transaction of its own, or in the one that this task is within. Raises Unavailable."""
        (verdicts,) = await self._write([report])
        for verdict in verdicts:
            self._counters[verdict.outcome].inc()
        return verdicts

    def count_rejected(self, verdicts: Iterable[Verdict], *, unread: int) -> None:
        """Count what was rejected within a report that was not refused as a whole, and log the reasons.

        Of the verdicts, `unread` are on items that could not be read and so were never recorded.
        """
        self._counters[Outcome.REJECTED].inc(unread)
        for verdict in verdicts:
            if verdict.outcome is Outcome.REJECTED:
                reason = Forbidden.code if verdict.refusal is Refusal.FORBIDDEN else Invalid.code
                self._metrics.reject(reason, verdict.errors)
                log.info("rejected", errors=[f"{error.field}: {error.message}" for error in verdict.errors])

    async def close(self) -> None:
        """Write what is waiting and take nothing more."""
        await self._collector.close()

    async def _write(self, reports: Sequence[Report]) -> list[list[Verdict]]:
        return await self._tracking.record(reports, self._clock())


def _weight(report: Report) -> int:
    """Count observations; a large body counts as one more for each kilobyte, so that waiting reports are bounded in memory."""
    return len(report.observations) + report.size_bytes // 1024
