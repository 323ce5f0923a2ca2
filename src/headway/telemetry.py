"""What operators see: metrics in Prometheus' words and structured log lines."""

import logging
import sys
from contextvars import ContextVar
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request at work; every log line and every error carries it."""


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
        self.rate_limit_fallbacks = Counter(
            "headway_rate_limit_fallbacks",
            "Requests limited by this process alone, because Valkey did not answer.",
            registry=self.registry,
        )
        self.live_connections = Gauge("headway_live_connections", "Clients at /ws.", registry=self.registry)
        self.live_dropped = Counter(
            "headway_live_dropped", "Clients at /ws that read too slowly and were dropped.", registry=self.registry
        )
        self.ingest_waiting = Gauge(
            "headway_ingest_waiting", "Weight of the reports that wait to be written.", registry=self.registry
        )
        self.ingest_group_size = Histogram(
            "headway_ingest_group_size",
            "Reports written in one transaction.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
            registry=self.registry,
        )
        self.ingest_write_seconds = Histogram(
            "headway_ingest_write_seconds", "Time to write and commit a group.", registry=self.registry
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
