"""Measurements: warm up a running server, put it under load, and sample its rate, latency, CPU and memory."""

import contextlib
import gc
import itertools
import math
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from load import Acknowledgement, LoadResult, run_load
from meter import watch_memory
from servers import RunningServer, Server, run_server
from workload import Workload

WARMUP_SECONDS = 2.0
# Requests are prepared before the measurement, enough for a rate that exceeds the rate of the warm-up by this factor.
READY_FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class Load:
    """A load that ends after `seconds`, or after `events` if set; the warm-up before it does not count."""

    batch_size: int
    connections: int
    warmup_requests: int = 0
    seconds: float = math.inf
    events: int | None = None

    @property
    def name(self) -> str:
        return "single" if self.batch_size == 1 else f"batches of {self.batch_size}"

    def make_requests(self, workload: Workload) -> Iterator[bytes]:
        requests = None if self.events is None else math.ceil(self.events / self.batch_size)
        return itertools.islice(workload.requests(self.batch_size), requests)


@dataclass(frozen=True, slots=True)
class Sample:
    """The results of one measurement; CPU is in milliseconds an event, latency in milliseconds a request."""

    rate: float
    application_cpu_ms: float
    database_cpu_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    peak_memory_mb: float

    @property
    def cpu_ms(self) -> float:
        return self.application_cpu_ms + self.database_cpu_ms


def measure_alone(server: Server, load: Load, log_path: Path) -> Sample:
    """Measure a server that runs for this measurement only, then settle and checkpoint its database."""
    with run_server(server, log_path) as running:
        sample = measure(server, running, load)
    server.database.settle()
    server.database.checkpoint()
    return sample


def measure(server: Server, running: RunningServer, load: Load) -> Sample:
    """Warm up a server, prepare the requests that it is expected to serve, and measure it."""
    ready = make_ready(server, load, warm_up(server, running, load))
    acknowledged_before = server.acknowledged
    more = load.make_requests(server.workload) if load.events is None else iter(())
    sample = uvloop.run(_measure(server, running, load, itertools.chain(ready, more)))
    report_progress(f"{server.name}, {load.name}: {sample.rate:,.0f} events/s, {sample.cpu_ms:.3f} ms CPU an event")
    late = server.acknowledged - acknowledged_before - len(ready) * load.batch_size
    if late > 0:
        report_progress(f"  {late:,} of these events were prepared during the measurement, which slows the load client down")
    return sample


def warm_up(server: Server, running: RunningServer, load: Load) -> float:
    """Send the warm-up of a load. Return the rate in requests a second."""
    warmup = replace(load, seconds=WARMUP_SECONDS, events=load.warmup_requests * load.batch_size)
    return send(server, running, warmup).rate / load.batch_size


def make_ready(server: Server, load: Load, requests_per_second: float) -> list[bytes]:
    requests = load.make_requests(server.workload)
    if load.events is not None:
        return list(requests)
    return list(itertools.islice(requests, int(requests_per_second * load.seconds * READY_FACTOR)))


def send(server: Server, running: RunningServer, load: Load) -> LoadResult:
    """Send a load without measuring."""
    return uvloop.run(_send(server, running, load, load.make_requests(server.workload)))


async def _send(server: Server, running: RunningServer, load: Load, requests: Iterator[bytes]) -> LoadResult:
    expected = Acknowledgement(server.workload.expected_status(load.batch_size), load.batch_size)
    result = await run_load(running.port, requests, expected, connections=load.connections, seconds=load.seconds)
    server.acknowledged += result.events
    return result


async def _measure(server: Server, running: RunningServer, load: Load, requests: Iterator[bytes]) -> Sample:
    async with watch_memory(running.processes) as peak_memory:
        with garbage_collection_off():
            application_before, database_before = running.processes.cpu_seconds(), server.database.cpu_seconds()
            result = await _send(server, running, load, requests)
            application_after, database_after = running.processes.cpu_seconds(), server.database.cpu_seconds()
    return Sample(
        rate=result.rate,
        application_cpu_ms=(application_after - application_before) * 1000 / result.events,
        database_cpu_ms=(database_after - database_before) * 1000 / result.events,
        p50_ms=result.percentile_ms(50),
        p95_ms=result.percentile_ms(95),
        p99_ms=result.percentile_ms(99),
        peak_memory_mb=peak_memory.bytes / 1e6,
    )


@contextlib.contextmanager
def garbage_collection_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextlib.contextmanager
def open_workspace(directory: Path | None) -> Iterator[Path]:
    """Create a temporary directory for databases and logs. SIGTERM then ends the run like Ctrl-C and stops all servers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="headway-bench-", dir=directory) as name:
        yield Path(name)


def report_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
