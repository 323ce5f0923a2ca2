"""The connections of a server process, and what clients may hold with them: descriptors, memory and time.

Each connection is in one stage. The connections of a stage stand in the order of their last progress, so those that have made
none for longest, which are closed first, are found without a search.
"""

import resource
import ssl
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from headway.db.private_files import check_key_file
from headway.settings import Settings, SettingsError
from headway.telemetry import Metrics

CONNECTIONS = "headway_connections"
"""The key of the process's `Connections` in the ASGI lifespan's state."""
INCOMING = "headway_incoming"
"""The key of the `Incoming` request in the state of its ASGI scope."""
PROGRESS_BYTES = 65_536
"""A client makes progress when it has sent or taken this much more, or the rest."""
LINGER_SECONDS = 5.0
"""How long a closed connection waits for the client to take the last response."""
_RESERVED_DESCRIPTORS = 64
"""For the database's files, logs, metrics and Valkey; connections to PostgreSQL and those of large reads come on top."""
_FEWEST_CONNECTIONS = 16


class Stage(StrEnum):
    """What a connection waits for."""

    OPENING = "opening"
    """The TLS handshake, the headers of a request, or the token of a WebSocket."""
    IDLE = "idle"
    """The next request."""
    TRANSFER = "transfer"
    """The rest of a body, or a client that takes its response."""
    WORKING = "working"
    """The server."""
    LIVE = "live"
    """Feed entries: a WebSocket that has authenticated."""
    CLOSING = "closing"
    """The end, after which nothing is read."""


class Cause(StrEnum):
    """Why the server ended a connection."""

    OPENING_TIME = "opening_time"
    IDLE_TIME = "idle_time"
    TRANSFER_TIME = "transfer_time"
    CLOSING_TIME = "closing_time"
    CONNECTIONS = "connections"
    MEMORY = "memory"


class Handler(Protocol):
    """The protocol that a connection speaks."""

    def give_up(self, cause: Cause) -> None:
        """End the connection; for TRANSFER_TIME and MEMORY, a response may be sent before."""

    def is_closing(self) -> bool:
        """Return whether the connection is being closed."""

    def has_progressed(self) -> bool:
        """Return whether a transfer does not wait for its client, or has made progress of which the connection was not told."""


class Connection:
    """An accepted connection."""

    __slots__ = ("_all", "handler", "held_bytes", "moved_bytes", "since", "stage")

    def __init__(self, every: "Connections", handler: Handler) -> None:
        self._all = every
        self.handler = handler
        self.stage = Stage.OPENING
        self.since = 0.0
        self.held_bytes = 0
        self.moved_bytes = 0

    def move(self, stage: Stage) -> None:
        """Put the connection into a stage, unless it is there already."""
        if stage is not self.stage and self.stage is not Stage.CLOSING:
            self._all.place(self, stage)

    def progress(self, count: int) -> None:
        """Count bytes that the client has sent."""
        self.moved_bytes += count
        if self.moved_bytes >= PROGRESS_BYTES:
            self._all.place(self, self.stage)

    def hold(self, count: int) -> None:
        """Count bytes that the server now keeps for the client. May end a connection, also this one."""
        self.held_bytes += count
        self._all.hold(count)

    def release(self, count: int) -> None:
        """Count bytes that were kept for the client as free."""
        count = min(count, self.held_bytes)
        self.held_bytes -= count
        self._all.held_bytes -= count

    def leave(self) -> None:
        """Forget the connection, which is closed."""
        self._all.forget(self)


class Connections:
    """All connections of the process, at most `most` of them, for which at most `most_bytes` are kept."""

    def __init__(self, settings: Settings, metrics: Metrics, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.tls = tls_context(settings)
        self.most = max(_FEWEST_CONNECTIONS, min(settings.max_connections, _descriptors() - _reserve(settings)))
        self.held_bytes = 0
        self._most_bytes = settings.transfer_megabytes * 1_000_000
        self._monotonic = monotonic
        self._metrics = metrics
        self._stages: dict[Stage, dict[Connection, None]] = {stage: {} for stage in Stage}
        self._count = 0
        self._seconds = {
            Stage.CLOSING: (LINGER_SECONDS, Cause.CLOSING_TIME),
            Stage.OPENING: (settings.header_timeout_seconds, Cause.OPENING_TIME),
            Stage.IDLE: (settings.keep_alive_seconds, Cause.IDLE_TIME),
            Stage.TRANSFER: (settings.transfer_timeout_seconds, Cause.TRANSFER_TIME),
        }
        metrics.samplers.append(self._sample)

    def enter(self, handler: Handler) -> Connection:
        """Add a connection that was just accepted. Ends another one if there are too many, or this one if all are in use."""
        connection = Connection(self, handler)
        has_room = self._count < self.most or self._make_room()
        self._count += 1
        connection.since = self._monotonic()
        self._stages[Stage.OPENING][connection] = None
        if not has_room:
            self._end(connection, Cause.CONNECTIONS)
        return connection

    def place(self, connection: Connection, stage: Stage) -> None:
        """Put a connection into a stage, behind those that are there."""
        if self._stages[connection.stage].pop(connection, self) is self:
            return
        connection.stage = stage
        connection.since = self._monotonic()
        connection.moved_bytes = 0
        self._stages[stage][connection] = None

    def forget(self, connection: Connection) -> None:
        """Remove a connection that is closed."""
        if self._stages[connection.stage].pop(connection, self) is not self:
            self._count -= 1
            connection.release(connection.held_bytes)

    def hold(self, count: int) -> None:
        """Count bytes as kept; beyond the limit, the transfers without progress for longest are ended."""
        self.held_bytes += count
        while self.held_bytes > self._most_bytes:
            victim = next((each for each in self._stages[Stage.TRANSFER] if each.held_bytes), None)
            if victim is None:
                return
            self._end(victim, Cause.MEMORY)
            victim.release(victim.held_bytes)

    def sweep(self) -> None:
        """End the connections that have been in a stage for too long."""
        now = self._monotonic()
        for stage in Stage:
            if stage is not Stage.CLOSING:
                for connection in [each for each in self._stages[stage] if each.handler.is_closing()]:
                    connection.move(Stage.CLOSING)
        for stage, (seconds, cause) in self._seconds.items():
            for connection in list(self._stages[stage]):
                if now - connection.since < seconds:
                    break
                if stage is Stage.TRANSFER and connection.handler.has_progressed():
                    self.place(connection, stage)
                else:
                    self._end(connection, cause)

    def _make_room(self) -> bool:
        """End the connection that has waited for longest for its client; a live one only if there is no other."""
        waiting = [next(iter(self._stages[stage]), None) for stage in (Stage.OPENING, Stage.IDLE, Stage.TRANSFER)]
        longest = min((each for each in waiting if each is not None), key=lambda each: each.since, default=None)
        victim = next(iter(self._stages[Stage.CLOSING]), longest) or next(iter(self._stages[Stage.LIVE]), None)
        if victim is None:
            return False
        self._end(victim, Cause.CONNECTIONS)
        # Its descriptor is closed before the next connection is accepted.
        self.forget(victim)
        return True

    def _end(self, connection: Connection, cause: Cause) -> None:
        self._metrics.connections_ended.labels(cause.value).inc()
        connection.handler.give_up(cause)

    def _sample(self) -> None:
        for stage, connections in self._stages.items():
            self._metrics.connections.labels(stage.value).set(len(connections))


class Incoming:
    """A request as far as it has come; `error` says why the rest is not taken, and is raised to whoever reads on."""

    __slots__ = ("connection", "error", "held_bytes")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.error: Exception | None = None
        self.held_bytes = 0


def incoming_of(scope: Any) -> Incoming | None:
    """Return the incoming request of an ASGI scope; None if Headway's protocols do not serve it."""
    found: Incoming | None = scope.get("state", {}).get(INCOMING)
    return found


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return what serves HTTPS with the certificate of the settings, None without one. Raises SettingsError."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        check_key_file(Path(settings.tls_key))
        # With an empty password, an encrypted key is refused instead of prompting on a terminal.
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
    except OSError as error:
        files = f"{settings.tls_certificate} and {settings.tls_key}"
        raise SettingsError(f"{files} cannot be used as certificate and key: {error}") from error
    # For TLS 1.2, the oldest version that Python's default allows.
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    return context


def raise_descriptor_limit(settings: Settings) -> None:
    """Raise the soft limit of open files to what the connections of a process need, or to the hard limit if that is less."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = needed_descriptors(settings)
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def needed_descriptors(settings: Settings) -> int:
    """Return how many files a process has open when all its connections are in use."""
    return settings.max_connections + _reserve(settings)


def _descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if soft == resource.RLIM_INFINITY else soft


def _reserve(settings: Settings) -> int:
    # A connection to SQLite has two: the file and its log.
    return _RESERVED_DESCRIPTORS + settings.postgres_pool_size + 2 * settings.large_reads
