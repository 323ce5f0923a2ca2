"""The load client: keep-alive HTTP/1.1 connections that write prepared requests and check every response."""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter

HEADER_END = b"\r\n\r\n"
NOT_MODIFIED = b"HTTP/1.1 304"
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
ACCEPTED = re.compile(rb'"accepted": ?(\d+)')
NO_RESPONSE_SECONDS = 60.0


class LoadError(Exception):
    """A server returned an unexpected response, or did not respond."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The expected response: this status and, for a batch, all of its operations accepted."""

    status: int
    operations: int


@dataclass(slots=True)
class LoadResult:
    """The results of a load; only acknowledged requests count and have a latency."""

    operations_per_request: int
    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    error_example: str = ""

    @property
    def operations(self) -> int:
        return len(self.latencies_ms) * self.operations_per_request

    @property
    def rate(self) -> float:
        return self.operations / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """Return the latency that `percent` of the requests did not exceed (nearest rank)."""
        ranked = sorted(self.latencies_ms)
        return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]

    def add_error(self, kind: str, example: bytes = b"") -> None:
        self.errors[kind] += 1
        self.error_example = self.error_example or example[:500].decode(errors="replace")


class Connection(asyncio.Protocol):
    """A connection with one request in flight, until requests or time run out."""

    def __init__(self, requests: Iterator[bytes], expected: Acknowledgement, result: LoadResult) -> None:
        self._requests = requests
        self._expected = expected
        self._result = result
        self._deadline = math.inf
        self._sent_at = 0.0
        self._received = b""
        self._response_length = 0
        self._transport: asyncio.WriteTransport
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, transport: asyncio.WriteTransport, deadline: float) -> None:
        self._transport = transport
        self._deadline = deadline
        self._send_next()

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        if not self._response_length:
            self._response_length = self._measure_response()
        if self._response_length and len(self._received) >= self._response_length:
            self._check_response()
            self._received = b""
            self._response_length = 0
            self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self._result.add_error("connection lost", repr(exc).encode())
            self.finished.set_result(None)

    def _send_next(self) -> None:
        now = perf_counter()
        request = next(self._requests, None) if now < self._deadline else None
        if request is None:
            self.finished.set_result(None)
            self._transport.close()
        else:
            self._sent_at = now
            self._transport.write(request)

    def _measure_response(self) -> int:
        """Return the size of the response in bytes, or 0 while the header is incomplete."""
        header_end = self._received.find(HEADER_END)
        if header_end < 0:
            return 0
        if self._received.startswith(NOT_MODIFIED):
            return header_end + len(HEADER_END)
        length = CONTENT_LENGTH.search(self._received, 0, header_end)
        if length is None:
            raise LoadError(f"a response without Content-Length: {self._received[:300]!r}")
        return header_end + len(HEADER_END) + int(length[1])

    def _check_response(self) -> None:
        latency_ms = (perf_counter() - self._sent_at) * 1000
        status = int(self._received[9:12])
        if status != self._expected.status:
            self._result.add_error(f"status {status}", self._received)
            return
        if self._expected.operations > 1:
            accepted = ACCEPTED.search(self._received)
            if accepted is None or int(accepted[1]) != self._expected.operations:
                self._result.add_error(f"status {status}, not all accepted", self._received)
                return
        self._result.latencies_ms.append(latency_ms)


async def run_load(
    port: int,
    requests: Iterator[bytes],
    expected: Acknowledgement,
    *,
    connections: int,
    seconds: float = math.inf,
) -> LoadResult:
    """Send `requests` until they or the `seconds` run out, and wait for every response.

    Raises LoadError for an unexpected response.
    """
    result = LoadResult(expected.operations)
    loop = asyncio.get_running_loop()
    pairs = [
        await loop.create_connection(lambda: Connection(requests, expected, result), "127.0.0.1", port)
        for _ in range(connections)
    ]
    started_at = perf_counter()
    for transport, client in pairs:
        client.start(transport, started_at + seconds)
    await _finish([client for _, client in pairs], result)
    result.seconds = perf_counter() - started_at
    if result.errors or not result.latencies_ms:
        raise LoadError(f"{dict(result.errors)} beside {len(result.latencies_ms)} acknowledgements: {result.error_example}")
    return result


async def _finish(clients: list[Connection], result: LoadResult) -> None:
    pending = {client.finished for client in clients}
    responses_before = -1
    while pending:
        responses = len(result.latencies_ms) + result.errors.total()
        if responses == responses_before:
            raise LoadError(f"no response within {NO_RESPONSE_SECONDS:.0f} s on {len(pending)} connections")
        responses_before = responses
        _, pending = await asyncio.wait(pending, timeout=NO_RESPONSE_SECONDS)
