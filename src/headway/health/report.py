"""The health of a server process and of its database, as administrators read it."""

from typing import NamedTuple

import msgspec

from headway.instants import Instant
from headway.telemetry import RecentError


class Sample(NamedTuple):
    """Some figures of a server process, averaged over the seconds before `at` where they are rates or means."""

    at: Instant
    requests_per_second: float
    mean_request_ms: float | None
    """None while there was no request."""
    failures: int
    """Responses with a status of 500 or more."""
    events_per_second: float
    waiting: float
    """The weight of what waits to be written."""
    live_clients: float
    stall_ms: float
    """The longest time of the last minute in which the event loop served nobody."""
    memory_mb: float | None
    """Resident memory in megabytes; None where the system does not tell."""


class DatabaseHealth(msgspec.Struct, frozen=True):
    """The database as this process sees it."""

    kind: str
    version: str
    size_bytes: int
    latency_ms: float
    """How long one small read took just now, with its connection."""
    in_use: int | None
    """Connections of the pool that are busy; None for SQLite, which has no pool."""
    idle: int | None
    transactions: int
    """Since the process began."""
    failed_transactions: int


class QueueHealth(msgspec.Struct, frozen=True):
    """A collector since the process began: what waits, and the groups that it wrote."""

    waiting: int
    capacity: int
    groups: int
    items: int
    write_seconds: float
    """In all groups together."""

    @property
    def mean_group(self) -> float | None:
        """The mean number of items in a group."""
        return self.items / self.groups if self.groups else None

    @property
    def mean_write_ms(self) -> float | None:
        """The mean time to write a group, in milliseconds."""
        return 1_000 * self.write_seconds / self.groups if self.groups else None


class CacheHealth(msgspec.Struct, frozen=True):
    """The response cache since the process began."""

    kind: str
    hits: int
    misses: int
    failures: int

    @property
    def hit_percent(self) -> float | None:
        """The share of reads that found a response; None before the first read."""
        reads = self.hits + self.misses + self.failures
        return 100 * self.hits / reads if reads else None


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """The health of a server process at an instant."""

    at: Instant
    version: str
    process_id: int
    workers: int
    started_at: Instant
    database: DatabaseHealth
    events: QueueHealth
    log: QueueHealth
    cache: CacheHealth
    running_large_reads: int
    most_large_reads: int
    connections: int
    live_clients: int
    dropped_live_clients: int
    stall_ms: float
    errors: list[RecentError]
    """The newest first."""
    samples: list[Sample]
    """Of the last hour, the oldest first."""
