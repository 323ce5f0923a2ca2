"""uvicorn's protocol of HTTP/1.1, and TLS before it, with limits on what a client may send and hold, and for how long.

A request that is refused before it is complete is answered by the application, in the envelope of its contract.
"""

import asyncio
import urllib.parse
from collections import deque
from typing import Any, cast

import httptools
from litestar.exceptions import HTTPException
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from headway.errors import RateLimited
from headway.http.connections import (
    CONNECTIONS,
    INCOMING,
    PROGRESS_BYTES,
    Cause,
    Connection,
    Connections,
    Incoming,
    Stage,
)
from headway.http.cycle import Cycle
from headway.http.tls_handshake import TlsHandshake

_MAX_PIPELINED = 16
_MAX_PATH = 500
_ANSWERED = {Cause.OPENING_TIME, Cause.TRANSFER_TIME, Cause.MEMORY}


def accept(
    config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
) -> asyncio.Protocol:
    """Return the protocol of a connection that was just accepted: HTTP, after a TLS handshake if there is a certificate."""
    connections: Connections = app_state[CONNECTIONS]
    http = HttpProtocol(config, server_state, app_state, _loop)
    return http if connections.tls is None else TlsHandshake(http, connections, connections.tls)


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits on headers, pipelined requests, the time of each part, and the memory of all bodies."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._all: Connections = self.app_state[CONNECTIONS]
        self._limits = self._all.settings
        largest_body = max(self._limits.max_body_bytes, self._limits.max_roster_bytes)
        self._max_message_bytes = 2 * largest_body + self._limits.max_header_bytes
        self.connection: Connection
        self.tls_connection: Connection | None = None
        self._incoming: Incoming = None  # type: ignore[assignment]
        self._unanswered: deque[tuple[RequestResponseCycle, Incoming]] = deque()
        self._in_headers = True
        self._header_bytes = 0
        self._message_bytes = 0
        self._untaken_bytes = 0
        self._is_deaf = False
        """Whether what comes is dropped, because no request can follow."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Join the connections of the process.

        uvicorn's own looks up both addresses here: each lookup lets other threads run first, which adds up where hundreds
        connect at once and say nothing.
        """
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.scheme = "https" if is_ssl(transport) else "http"
        self.connection = self.tls_connection or self._all.enter(self)
        self.connection.handler = self

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the connections of the process, and tell the applications of all requests, not only of the last one."""
        self.connection.leave()
        for cycle, _ in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, headers only up to their limit."""
        while data and not self._is_deaf:
            part, data = data, b""
            if self._in_headers:
                room = self._limits.max_header_bytes + 1 - self._header_bytes
                part, data = part[:room], part[room:]
                self._header_bytes += len(part)
            self._message_bytes += len(part)
            self._parse(part)
            if self._in_headers and self._header_bytes > self._limits.max_header_bytes:
                self._refuse(_headers_too_large(self.headers))
            elif self._message_bytes > self._max_message_bytes:
                self._refuse(HTTPException(status_code=413))
        self._settle()

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if not self._should_upgrade():
                # The request is served; what follows it cannot be read.
                self._end_after(self.cycle)
            elif self._is_busy:
                self._refuse(HTTPException(status_code=400, detail="A request before is not answered."))
            else:
                self._is_deaf = True
                self.handle_websocket_upgrade()
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, HTTPException) else HTTPException(status_code=400, detail="Not HTTP/1.1."))

    def on_message_begin(self) -> None:
        """Begin a request."""
        if len(self.pipeline) >= _MAX_PIPELINED:
            self._end_after(self.cycle)
            raise BufferError
        self._begin()

    def _begin(self) -> None:
        if self.client is None:
            self.server, self.client = get_local_addr(self.transport), get_remote_addr(self.transport)
        super().on_message_begin()
        self._in_headers = True
        self._incoming = Incoming(self.connection)
        self.scope["state"][INCOMING] = self._incoming

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field, or drop one that follows the body."""
        if self._in_headers:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))
            if len(self.headers) > self._limits.max_header_fields:
                raise _headers_too_large(self.headers)

    def on_headers_complete(self) -> None:
        """Start to serve the request, or put it behind those that are not answered."""
        self.scope["method"] = self._method()
        if (version := self.parser.get_http_version()) != "1.1":
            self.scope["http_version"] = version
        if not (self.parser.should_upgrade() and self._should_upgrade()):
            url = httptools.parse_url(self.url)
            path = url.path.decode("ascii")
            self.scope["path"] = urllib.parse.unquote(path) if "%" in path else path
            self.scope["raw_path"] = url.path
            self.scope["query_string"] = url.query or b""
            if self._is_busy:
                self.flow.pause_reading()
            self._serve(keep_alive=version != "1.0" and self.parser.should_keep_alive())
        self._in_headers = False
        self._header_bytes = 0
        self._settle()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, unless the request was refused or answered."""
        self.connection.progress(len(body))
        if self._is_busy and not self._is_deaf:
            super().on_body(body)
            self._incoming.held_bytes += len(body)
            self.connection.hold(len(body))

    def on_message_complete(self) -> None:
        """Complete the request."""
        self._in_headers = True
        self._header_bytes = self._message_bytes = 0
        if not self._is_deaf:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it: `Connections` ends those that wait for too long."""
        _, incoming = self._unanswered.popleft()
        self.connection.release(incoming.held_bytes)
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
        self._settle()

    def pause_writing(self) -> None:
        """Count the response that the client has not taken."""
        super().pause_writing()
        self._untaken_bytes = self.transport.get_write_buffer_size()
        self._settle()
        self.connection.hold(self._untaken_bytes)

    def resume_writing(self) -> None:
        """Count the response as taken."""
        super().resume_writing()
        self.connection.release(self._untaken_bytes)
        self._settle()

    def is_closing(self) -> bool:
        """Return whether the transport is being closed."""
        return self.transport.is_closing()

    def has_progressed(self) -> bool:
        """Return whether the client has taken more of a response, or the server itself does not read on."""
        if not self.flow.write_paused:
            return self.flow.read_paused
        taken = self._untaken_bytes - self.transport.get_write_buffer_size()
        if taken < PROGRESS_BYTES:
            return False
        self._untaken_bytes -= taken
        self.connection.release(taken)
        return True

    def give_up(self, cause: Cause) -> None:
        """Refuse a request that is not complete, where there is time and room for it; otherwise end the connection."""
        if cause is Cause.IDLE_TIME:
            self.transport.close()
        elif self.flow.write_paused or cause not in _ANSWERED or not (self._header_bytes or self._is_waiting):
            self.transport.abort()
        elif cause is Cause.MEMORY:
            self._refuse(RateLimited("Too many requests are incomplete.", retry_after_seconds=1))
        else:
            self._refuse(HTTPException(status_code=408))

    @property
    def _is_busy(self) -> bool:
        """Whether a request is not answered."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _is_waiting(self) -> bool:
        """Whether the application can be told that a request does not come to its end."""
        return self._is_busy and not self._in_headers and not self.cycle.response_started

    def _settle(self) -> None:
        """Put the connection into the stage that it has reached."""
        if self.connection.handler is not self:
            return
        if self.flow.write_paused or not (self._in_headers or self._is_deaf):
            stage = Stage.TRANSFER
        elif self._is_busy:
            stage = Stage.WORKING
        elif self._header_bytes or self.cycle is None:
            stage = Stage.OPENING
        else:
            stage = Stage.IDLE
        self.connection.move(stage)

    def _refuse(self, error: Exception) -> None:
        """Answer the request that is coming in with an error, and end the connection after it."""
        if self._is_deaf:
            return
        if not self._in_headers:
            self._refuse_body(error)
            return
        if self.scope is None or self.scope.get("path") is not None:
            self._begin()
        self._incoming.error = error
        self.scope |= {"method": self._method(), "query_string": b"", **_path(self.url)}  # type: ignore[typeddict-item]
        self._serve(keep_alive=False)
        self.cycle.more_body = False
        self._end_after(self.cycle)

    def _refuse_body(self, error: Exception) -> None:
        is_waiting = self._is_waiting
        self._end_after(self.cycle)
        if is_waiting:
            # The application, which reads the body, answers with the error.
            self._incoming.error = error
            self.cycle.body.clear()
            self.cycle.message_event.set()
        elif self.cycle.response_complete:
            self.linger()

    def _serve(self, *, keep_alive: bool) -> None:
        """Serve the request when those before it are answered."""
        is_busy = self._is_busy
        self.cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        self._unanswered.append((self.cycle, self._incoming))
        if is_busy:
            self.pipeline.appendleft((self.cycle, self.app))
        else:
            self._start_asgi_task(self.cycle, self.app)

    def _method(self) -> str:
        return self.parser.get_method().decode("ascii") if self.url else "GET"

    def _end_after(self, cycle: RequestResponseCycle) -> None:
        """Take no more requests, and end the connection when this one is answered."""
        self._is_deaf = True
        cycle.keep_alive = False
        cycle.transport = cast(asyncio.Transport, _LingeringTransport(self))
        self._settle()

    def linger(self) -> None:
        """End the connection when the client has: closing at once could destroy the response before it is read."""
        self._is_deaf = True
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.connection.move(Stage.CLOSING)


class _LingeringTransport:
    """The transport of the last request of a connection."""

    def __init__(self, protocol: HttpProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        self._protocol.linger()


def _headers_too_large(fields: list[tuple[bytes, bytes]] | None) -> HTTPException:
    """Return the error for headers beyond a limit: of the request line if there are no fields yet."""
    return HTTPException(status_code=431 if fields else 414)


def _path(url: bytes) -> dict[str, Any]:
    """Return the path of a request target, as far as it came and can be read, for a scope."""
    try:
        raw_path = httptools.parse_url(url).path[:_MAX_PATH]
        return {"path": urllib.parse.unquote(raw_path.decode("ascii")), "raw_path": raw_path}
    except (httptools.HttpParserError, UnicodeDecodeError, AttributeError, TypeError):
        return {"path": "/", "raw_path": b"/"}
