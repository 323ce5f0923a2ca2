"""Telemetry: Prometheus metrics and structured log lines."""

import asyncio
import logging
import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Set
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from headway.errors import FieldError

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable of the folder in which server processes share metrics; set it before they start."""
_STALL_CHECK_SECONDS = 0.05
_STALLS_KEPT_SECONDS = 60.0
_INDEX = re.compile(r"\[\d+\]")
_LONGEST_FIELD = 200
_LONGEST_LOGGED_TEXT = 500
_LONGEST_LOGGED_LIST = 20
OTHER_FIELD = "other"
"""The label of an invalid field that no route declares."""

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the current request, which every log line and every error includes."""


class CollectorMeters(NamedTuple):
    """The metrics of a collector."""

    waiting: Gauge
    capacity: Gauge
    group_size: Histogram
    write_seconds: Histogram


class Metrics:
    """The metrics of one server process. Times are in seconds; `endpoint` is a route template, never a raw path.

    If `SHARED_FOLDER` is set, values are stored in files there, and the page sums those of all processes that share it.
    """

    def __init__(self) -> None:
        self._folder = os.environ.get(SHARED_FOLDER)
        if self._folder is not None:
            # Remove the gauges of a dead process that had the same id.
            multiprocess.mark_process_dead(os.getpid(), self._folder)  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.fields: Set[str] = frozenset()
        """The names of fields that may become labels: those that routes declare."""
        self.samplers: list[Callable[[], None]] = []
        """Functions that set sampled metrics."""
        if self._folder is None:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
        else:
            self.samplers.append(_SharedProcess(self.registry).sample)
        self._counter = partial(Counter, registry=self.registry)
        self._histogram = partial(Histogram, registry=self.registry)
        # Gauges are summed over the processes that are alive.
        self._gauge = partial(Gauge, registry=self.registry, multiprocess_mode="livesum")
        self.stalls = LoopStalls()
        self.errors = RecentErrors()
        self._make_http()
        self._make_loop()
        self._make_ingest()
        self._make_database()
        self._make_webhooks()
        self._make_mail()

    def _make_http(self) -> None:
        self.requests = self._counter("api_requests", "Requests served.", ["endpoint", "status"])
        self.request_seconds = self._histogram(
            "api_request_duration_seconds",
            "Time to serve a request.",
            ["endpoint"],
            # The targets are a mean of 0.2 and a 95th percentile of 0.5.
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2.5, 5, 10),
        )
        self.rejections = self._counter(
            "headway_rejections", "Rejected requests and items, by error code and invalid field, if any.", ["reason", "field"]
        )
        self.cache_reads = self._counter(
            "headway_cache_reads",
            "Reads of the response cache, by outcome: hit, miss, or failure if it did not respond.",
            ["kind", "outcome"],
        )
        self.rate_limit_fallbacks = self._counter(
            "headway_rate_limit_fallbacks", "Requests that this process limited alone because Valkey did not respond."
        )
        self.connections = self._gauge("headway_connections", "Open connections, by stage.", ["stage"])
        self.connections_ended = self._counter(
            "headway_connections_ended", "Connections that the server ended because of a limit, by cause.", ["cause"]
        )
        self.live_connections = self._gauge("headway_live_connections", "Clients at /ws.")
        self.live_dropped = self._counter(
            "headway_live_dropped", "Clients at /ws that were disconnected because they read too slowly."
        )

    def _make_loop(self) -> None:
        longest = Gauge(
            "headway_loop_stall_seconds",
            "Longest time of the last minute in which the event loop of a process served nobody.",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.samplers.append(lambda: longest.set(self.stalls.longest(time.monotonic())))

    def _make_ingest(self) -> None:
        self.observations = self._counter("headway_observations", "Events and heartbeats, by outcome.", ["outcome"])
        self.ingest = self._collector("ingest", "Reports of events")
        self.log = self._collector("log", "Audit entries")

    def _collector(self, name: str, items: str) -> CollectorMeters:
        sizes = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
        return CollectorMeters(
            waiting=self._gauge(f"headway_{name}_waiting", f"{items} in the queue, by weight."),
            capacity=self._gauge(f"headway_{name}_capacity", "Largest weight of the queue."),
            group_size=self._histogram(f"headway_{name}_group_size", f"{items} written in one transaction.", buckets=sizes),
            write_seconds=self._histogram(f"headway_{name}_write_seconds", "Time to write and commit a group."),
        )

    def _make_database(self) -> None:
        self.transaction_seconds = self._histogram(
            "headway_transaction_seconds",
            "Time of a transaction, from the request for a connection to its end, by kind: read or write.",
            ["kind"],
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.transactions_failed = self._counter(
            "headway_transactions_failed", "Transactions that failed because the database did not respond.", ["kind"]
        )
        self.pool_connections = self._gauge(
            "headway_pool_connections", "Connections to PostgreSQL, by state: in_use or idle.", ["state"]
        )

    def _make_webhooks(self) -> None:
        self.webhook_attempts = self._counter(
            "headway_webhook_attempts",
            "Attempts to deliver to webhooks, by what came of them: delivered, retried or failed.",
            ["outcome"],
        )
        # Each process reads the same rows.
        gauge = partial(Gauge, registry=self.registry, multiprocess_mode="livemax")
        self.webhooks_pending = gauge("headway_webhooks_pending", "Deliveries that wait, of each webhook up to 10,000.")
        self.webhooks_oldest_seconds = gauge("headway_webhooks_oldest_seconds", "Age of the oldest delivery that waits.")

    def _make_mail(self) -> None:
        self.mail_attempts = self._counter(
            "headway_mail_attempts", "Attempts to hand over mails, by what came of them: sent, retried or failed.", ["outcome"]
        )
        gauge = partial(Gauge, registry=self.registry, multiprocess_mode="livemax")
        self.mails_pending = gauge("headway_mails_pending", "Mails that wait, up to 10,000.")
        self.mails_oldest_seconds = gauge("headway_mails_oldest_seconds", "Age of the oldest mail that waits.")

    def reject(self, reason: str, fields: Iterable[FieldError]) -> None:
        """Count a rejection by its error code, once for each invalid field; list indexes are removed.

        A field that is not declared counts as the nearest declared one around it, or as `other`.
        """
        for label in [self._field_label(each.field) for each in fields] or [""]:
            self.rejections.labels(reason, label).inc()

    def _field_label(self, field: str) -> str:
        path = _INDEX.sub("[]", field[:_LONGEST_FIELD])
        while path and path not in self.fields:
            path = path[:-2] if path.endswith("[]") else path.rpartition(".")[0]
        return path or OTHER_FIELD

    def page(self) -> bytes:
        """Return the metrics in Prometheus' text format, summed over all processes that share them; `sample` first.

        It may run in a thread: it takes longer the more series there are.
        """
        if self._folder is None:
            return generate_latest(self.registry)
        _forget_dead_processes(self._folder)
        merged = CollectorRegistry()
        multiprocess.MultiProcessCollector(merged, self._folder)  # type: ignore[no-untyped-call]
        PlatformCollector(registry=merged)
        return generate_latest(merged)

    def sample(self) -> None:
        """Set the sampled metrics: before `page`, and now and then for the pages of other processes."""
        for each in self.samplers:
            each()


class RecentError(NamedTuple):
    """An error that the server logged: without messages and paths, which may hold what people wrote."""

    at: int
    """In milliseconds since 1970."""
    request_id: str
    method: str
    route: str
    code: str
    kind: str
    place: str


class RecentErrors:
    """The latest errors of a server process."""

    def __init__(self, size: int = 50) -> None:
        self._kept: deque[RecentError] = deque(maxlen=size)

    def note(self, error: BaseException, code: str, *, method: str, route: str) -> None:
        """Keep the type of an error, and where in Headway it was raised."""
        now = time.time_ns() // 1_000_000
        cause = error.__cause__ or error
        self._kept.append(RecentError(now, request_id.get() or "", method, route, code, type(cause).__name__, _place_of(cause)))

    def newest_first(self) -> list[RecentError]:
        """Return the errors that are kept."""
        return list(reversed(self._kept))


def _place_of(error: BaseException) -> str:
    """Return the module and line of Headway's own code nearest to where an error was raised."""
    place, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if name.partition(".")[0] == "headway":
            place = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


class LoopStalls:
    """The stalls of an event loop: how much later than it asked for a task was woken, for each second of the last minute."""

    def __init__(self) -> None:
        self._worst: deque[tuple[int, float]] = deque()
        """(whole second, longest stall in it), oldest first."""

    async def watch(self) -> None:
        """Measure the loop of the caller for ever."""
        while True:
            asked = time.monotonic()
            await asyncio.sleep(_STALL_CHECK_SECONDS)
            now = time.monotonic()
            self.note(now, now - asked - _STALL_CHECK_SECONDS)

    def note(self, now: float, seconds: float) -> None:
        """Note a stall that ended now."""
        if self._worst and self._worst[-1][0] == int(now):
            self._worst[-1] = int(now), max(self._worst[-1][1], seconds)
        else:
            self._worst.append((int(now), seconds))
        self._forget(now)

    def longest(self, now: float) -> float:
        """Return the longest stall of the last minute in seconds."""
        self._forget(now)
        return max((seconds for _, seconds in self._worst), default=0.0)

    def _forget(self, now: float) -> None:
        while self._worst and self._worst[0][0] < now - _STALLS_KEPT_SECONDS:
            self._worst.popleft()


class _SharedProcess:
    """The CPU time, memory and open files of this process, in metrics that can be summed, unlike the library's own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._collector = ProcessCollector(registry=None)
        self._cpu_seconds = 0.0
        self._cpu = Counter("process_cpu_seconds", "Total user and system CPU time spent in seconds.", registry=registry)
        self._gauges = {
            family.name: Gauge(
                family.name,
                family.documentation,
                multiprocess_mode="livemin" if family.name == "process_start_time_seconds" else "livesum",
                registry=registry,
            )
            for family in self._collector.collect()
            if family.type == "gauge"
        }

    def sample(self) -> None:
        """Read the values of the process."""
        for family in self._collector.collect():
            value = family.samples[0].value
            if family.name in self._gauges:
                self._gauges[family.name].set(value)
            else:
                self._cpu.inc(value - self._cpu_seconds)
                self._cpu_seconds = value


def _forget_dead_processes(folder: str) -> None:
    """Remove the gauges of processes that have ended; their counters stay."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in Path(folder).glob("gauge_live*.db")}:
        if not _is_running(pid):
            # Another process may have removed it first.
            with suppress(FileNotFoundError):
                multiprocess.mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]


def _is_running(pid: int) -> bool:
    """Return whether a process runs. On Linux, one that has ended does not, though its parent has not asked for its status."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return state != "Z"


def configure_logging(level: str) -> None:
    """Write the log lines of Headway and its libraries to standard error, one JSON object a line."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        _bound,
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
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
    logging.getLogger("uvicorn.error").addFilter(_ClientFaults())


class _ClientFaults(logging.Filter):
    """Lowers what uvicorn logs about wrong requests to info, without a traceback, and drops its lines with query strings."""

    _FAULTS = ("Invalid HTTP request", "Invalid UTF-8 sequence", "Unsupported upgrade request", "No supported WebSocket")

    def filter(self, record: logging.LogRecord) -> bool:
        message = str(record.msg)
        if message.startswith(self._FAULTS):
            record.levelno, record.levelname, record.exc_info = logging.INFO, "INFO", None
            return logging.getLogger(record.name).isEnabledFor(logging.INFO)
        return "WebSocket %s" not in message


def _add_request_id(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    current_id = request_id.get()
    if current_id is not None:
        event["request_id"] = current_id
    return event


def _bound(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Cut what a client may have made long."""
    return {name: _cut(value) for name, value in event.items()}


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST_LOGGED_TEXT:
        return f"{value[:_LONGEST_LOGGED_TEXT]}…"
    if isinstance(value, list):
        return [_cut(each) for each in value[:_LONGEST_LOGGED_LIST]]
    return value
