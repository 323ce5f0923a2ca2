"""The health of this server process, for administrators."""

import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import headway
from headway.accounts.administration import require_admin
from headway.db.database import Database, ReadTransaction
from headway.db.facts import read_facts
from headway.db.large_reads import LargeReads
from headway.health.findings import Report
from headway.health.report import CacheHealth, DatabaseHealth, HealthReport, QueueHealth
from headway.health.series import Series, count_and_sum, total
from headway.health.settings import SettingsGroup, shown_settings
from headway.identity import Caller
from headway.instants import Clock
from headway.settings import Settings
from headway.telemetry import CollectorMeters, Metrics

Examine: TypeAlias = Callable[[], Awaitable[Report]]


class Health:
    """Reads the metrics of this process, and asks the database about itself. Other server processes have their own."""

    def __init__(
        self, database: Database, large_reads: LargeReads | None, metrics: Metrics, settings: Settings, clock: Clock
    ) -> None:
        self._database = database
        self._large_reads = large_reads
        self._metrics = metrics
        self._settings = settings
        self._clock = clock
        self._started_at = clock()
        self.series = Series(metrics, clock)
        self.examine: Examine = _find_nothing
        """Looks for what is wrong; set by the composition of a server."""

    async def report(self, caller: Caller) -> HealthReport:
        """Return the health as it is now. It measures a read, so it opens one. Raises Forbidden, Unavailable."""
        metrics = self._metrics
        metrics.sample()
        return HealthReport(
            at=self._clock(),
            version=headway.__version__,
            process_id=os.getpid(),
            workers=self._settings.workers,
            started_at=self._started_at,
            database=await self._database_health(caller),
            events=_queue(metrics.ingest),
            log=_queue(metrics.log),
            cache=self._cache(),
            running_large_reads=0 if self._large_reads is None else self._large_reads.running,
            most_large_reads=self._settings.large_reads,
            connections=int(total(metrics.connections)),
            live_clients=int(total(metrics.live_connections)),
            dropped_live_clients=int(total(metrics.live_dropped)),
            stall_ms=1_000 * metrics.stalls.longest(time.monotonic()),
            errors=metrics.errors.newest_first(),
            samples=self.series.samples,
        )

    async def findings(self, caller: Caller) -> Report:
        """Return what is wrong, and what is fine. It opens its own reads. Raises Forbidden, Unavailable."""
        async with self._database.read() as tx:
            await require_admin(tx, caller)
        return await self.examine()

    async def settings(self, tx: ReadTransaction, caller: Caller) -> list[SettingsGroup]:
        """Return the settings of this process without secrets. Raises Forbidden."""
        await require_admin(tx, caller)
        return shown_settings(self._settings)

    async def _database_health(self, caller: Caller) -> DatabaseHealth:
        async with self._database.read() as tx:
            await require_admin(tx, caller)
        started = time.perf_counter()
        async with self._database.read(single_statement=True) as tx:
            facts = await read_facts(tx)
        latency_ms = 1_000 * (time.perf_counter() - started)
        metrics, is_sqlite = self._metrics, self._settings.is_sqlite
        return DatabaseHealth(
            kind="SQLite" if is_sqlite else "PostgreSQL",
            version=facts.version,
            size_bytes=facts.size_bytes,
            latency_ms=latency_ms,
            in_use=None if is_sqlite else int(total(metrics.pool_connections, state="in_use")),
            idle=None if is_sqlite else int(total(metrics.pool_connections, state="idle")),
            transactions=int(count_and_sum(metrics.transaction_seconds)[0]),
            failed_transactions=int(total(metrics.transactions_failed)),
        )

    def _cache(self) -> CacheHealth:
        reads = self._metrics.cache_reads
        hits, misses, failures = (int(total(reads, outcome=outcome)) for outcome in ("hit", "miss", "failure"))
        return CacheHealth("memory" if self._settings.valkey_url is None else "Valkey", hits, misses, failures)


async def _find_nothing() -> Report:
    """Stand in where nobody looks: in commands."""
    return Report(headway.__version__, [])


def _queue(meters: CollectorMeters) -> QueueHealth:
    groups, items = count_and_sum(meters.group_size)
    return QueueHealth(
        waiting=int(total(meters.waiting)),
        capacity=int(total(meters.capacity)),
        groups=int(groups),
        items=int(items),
        write_seconds=count_and_sum(meters.write_seconds)[1],
    )
