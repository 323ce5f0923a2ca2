"""uvicorn's protocol of WebSockets, with a limit on how often a client may send, and that ends within a bounded time."""

import asyncio
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.http11 import Request

from headway.http.connections import INCOMING, LINGER_SECONDS, Cause, Incoming, Stage
from headway.http.protocols import HttpProtocol

_SLICE_BYTES = 4_096
_FRAMES_AT_ONCE = 200
_FRAMES_PER_SECOND = 20


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket with a limit on how often the client may send, and that ends within a bounded time."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.close_timeout = LINGER_SECONDS
        self._frames_left: float = _FRAMES_AT_ONCE
        self._counted_at = self.loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over from HTTP."""
        http = cast(HttpProtocol, cast(asyncio.Transport, transport).get_protocol())
        self.connection = http.connection
        self.connection.handler = self
        self.connection.move(Stage.OPENING)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the connections of the process."""
        self.connection.leave()
        super().connection_lost(exc)

    def handle_connect(self, event: Request) -> None:
        """Start to serve the handshake."""
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self.scope["state"][INCOMING] = Incoming(self.connection)

    def data_received(self, data: bytes) -> None:
        """Parse what came, until it is too much."""
        for start in range(0, len(data), _SLICE_BYTES):
            if not self.transport.is_closing():
                super().data_received(data[start : start + _SLICE_BYTES])

    def handle_events(self) -> None:
        """Handle the frames that came, as long as they do not come too often: even a ping or an empty part costs time."""
        now = self.loop.time()
        allowed = self._frames_left + (now - self._counted_at) * _FRAMES_PER_SECOND
        self._frames_left = min(allowed, _FRAMES_AT_ONCE) - len(self.conn.events)
        self._counted_at = now
        if self._frames_left >= 0 or not self.handshake_complete:
            super().handle_events()
            return
        self.conn.fail(CloseCode.POLICY_VIOLATION, "Too many messages.")
        self.handle_parser_exception()

    def give_up(self, _cause: Cause) -> None:
        """End the connection."""
        self.transport.abort()

    def is_closing(self) -> bool:
        """Return whether the transport is being closed."""
        return self.transport.is_closing()

    def has_progressed(self) -> bool:
        """Return False: a WebSocket is no transfer."""
        return False
