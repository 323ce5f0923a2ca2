"""What operators see: metrics in Prometheus' words and structured log lines."""

import logging
import sys
from contextvars import ContextVar
from typing import Any, NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request at work; every log line and every error carries it."""


class CollectorMeters(NamedTuple):
    """How a collector is doing."""

    waiting: Gauge
    group_size: Histogram
    write_seconds: Histogram


class Metrics:
    """The metrics of one server process. Times are in seconds; `endpoint` is a route template, never a raw path."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter("api_requests", "Requests answered.", ["endpoint", "status"], registry=self.registry)
        self.request_seconds = Histogram(
            "api_request_duration_seconds", "Time to answer a request.", ["endpoint"], registry=self.registry
        )
        self.observations = Counter(
            "headway_observations", "Events and heartbeats by what became of them.", ["outcome"], registry=self.registry
        )
        self.rejections = Counter(
            "headway_rejections",
            "Rejected events and heartbeats by the field at fault.",
            ["field"],
            registry=self.registry,
        )
        self.cache_reads = Counter(
            "headway_cache_reads",
            "Answers looked for in the cache, by what came of it: hit, miss, or failure where it did not answer.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.live_connections = Gauge("headway_live_connections", "Clients at /ws.", registry=self.registry)
        self.live_dropped = Counter(
            "headway_live_dropped", "Clients at /ws that read too slowly and were dropped.", registry=self.registry
        )
        self.ingest = self._collector("ingest", "events and heartbeats")
        self.log = self._collector("log", "entries of the activity log")

    def _collector(self, name: str, items: str) -> CollectorMeters:
        return CollectorMeters(
            waiting=Gauge(f"headway_{name}_waiting", f"Weight of the {items} that wait to be written.", registry=self.registry),
            group_size=Histogram(
                f"headway_{name}_group_size",
                f"Reports of {items} written in one transaction.",
                buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
                registry=self.registry,
            ),
            write_seconds=Histogram(
                f"headway_{name}_write_seconds", f"Time to write and commit a group of {items}.", registry=self.registry
            ),
        )


def configure_logging(level: str) -> None:
    """Write one JSON object a line to standard error, from Headway and from the libraries it uses."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic"):
        logger = logging.getLogger(noisy)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _add_request_id(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    found = request_id.get()
    if found is not None:
        event["request_id"] = found
    return event
