"""Measurements: warm up a running server, put it under load, and sample its rate, latency, CPU and memory."""

import contextlib
import gc
import itertools
import math
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from load import Acknowledgement, LoadResult, run_load
from loads import Load
from meter import watch_memory
from servers import CACHE_HITS, CACHE_READS, RunningServer, Server, ServerError, read_etags, read_metric, run_server

# Requests are prepared before the measurement, enough for a rate that exceeds the rate of the warm-up by this factor.
READY_FACTOR = 2.0
READY_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """A load on some connections that ends after `seconds`, or after `operations` if set.

    The warm-up before it does not count. It ends after `warmup_requests`, or after `warmup_seconds`.
    """

    load: Load
    connections: int
    warmup_requests: int
    warmup_seconds: float = math.inf
    seconds: float = math.inf
    operations: int | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """The results of one measurement; CPU is in milliseconds an operation, latency in milliseconds a request."""

    operations: int
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


def measure_alone(server: Server, runs: Sequence[Run], workspace: Path) -> list[Sample]:
    """Measure runs of one load on a server that runs for them only, then settle and checkpoint its database."""
    with run_server(server, workspace, runs[0].load.environment) as running:
        samples = [measure(server, running, run) for run in runs]
    server.database.settle()
    server.database.checkpoint()
    return samples


def measure(server: Server, running: RunningServer, run: Run) -> Sample:
    """Warm up a server, prepare the requests that it is expected to serve, and measure it."""
    requests = server.workload.requests(run.load.routes[server.name].build)
    if run.load.reads_first and server.name == "Headway":
        read_etags(running.port, server.workload)
    warmup = replace(run, seconds=run.warmup_seconds, operations=run.warmup_requests * run.load.per_request)
    rate = send(server, running, warmup, requests).rate / run.load.per_request
    ready = make_ready(run, requests, rate)
    more = requests if run.operations is None else iter(())
    with checked_cache(server, running, run.load):
        sample = uvloop.run(_measure(server, running, run, itertools.chain(ready, more)))
    report_progress(
        f"{server.name} on {server.database.kind}, {run.load.name}, {run.connections} connections: "
        f"{sample.rate:,.0f} {run.load.operation}s/s, {sample.cpu_ms:.3f} ms CPU each"
    )
    late = sample.operations - len(ready) * run.load.per_request
    if late > 0:
        report_progress(f"  {late:,} of these were prepared during the measurement, which slows the load client down")
    return sample


def make_ready(run: Run, requests: Iterator[bytes], requests_per_second: float) -> list[bytes]:
    if run.operations is not None:
        return list(itertools.islice(requests, math.ceil(run.operations / run.load.per_request)))
    ready, size = [], 0
    for request in itertools.islice(requests, int(requests_per_second * run.seconds * READY_FACTOR)):
        ready.append(request)
        size += len(request)
        if size > READY_BYTES:
            break
    return ready


@contextlib.contextmanager
def checked_cache(server: Server, running: RunningServer, load: Load) -> Iterator[None]:
    """Raise ServerError if Headway's cache serves more or fewer of the reads than the load is named for."""
    if server.name != "Headway" or load.from_cache is None:
        yield
        return
    before = [read_metric(running.port, pattern) for pattern in (CACHE_HITS, CACHE_READS)]
    yield
    after = [read_metric(running.port, pattern) for pattern in (CACHE_HITS, CACHE_READS)]
    hits, reads = (now - then for now, then in zip(after, before, strict=True))
    least, most = load.from_cache
    if not least <= hits / reads <= most:
        raise ServerError(f"{load.name}: {hits:,.0f} of {reads:,.0f} responses came from the cache")


def send(server: Server, running: RunningServer, run: Run, requests: Iterator[bytes] | None = None) -> LoadResult:
    """Send a load without measuring."""
    requests = requests or server.workload.requests(run.load.routes[server.name].build)
    count = None if run.operations is None else math.ceil(run.operations / run.load.per_request)
    return uvloop.run(_send(server, running, run, itertools.islice(requests, count)))


async def _send(server: Server, running: RunningServer, run: Run, requests: Iterator[bytes]) -> LoadResult:
    expected = Acknowledgement(run.load.routes[server.name].status, run.load.per_request)
    result = await run_load(running.port, requests, expected, connections=run.connections, seconds=run.seconds)
    if run.load.stores_events:
        server.acknowledged += result.operations
    return result


async def _measure(server: Server, running: RunningServer, run: Run, requests: Iterator[bytes]) -> Sample:
    async with watch_memory(running.processes) as peak_memory:
        with garbage_collection_off():
            application_before, database_before = running.processes.cpu_seconds(), server.database.cpu_seconds()
            result = await _send(server, running, run, requests)
            application_after, database_after = running.processes.cpu_seconds(), server.database.cpu_seconds()
    return Sample(
        operations=result.operations,
        rate=result.rate,
        application_cpu_ms=(application_after - application_before) * 1000 / result.operations,
        database_cpu_ms=(database_after - database_before) * 1000 / result.operations,
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
