"""The TLS handshake of a connection, which counts among the process's connections from its acceptance."""

import asyncio
import os
import socket
import ssl
from typing import TYPE_CHECKING, Any, cast

from headway.http.connections import LINGER_SECONDS, Cause, Connections

if TYPE_CHECKING:
    from headway.http.protocols import HttpProtocol


class TlsHandshake(asyncio.Protocol):
    """The protocol of a connection until its TLS handshake is complete."""

    def __init__(self, http: "HttpProtocol", connections: Connections, context: ssl.SSLContext) -> None:
        self._http = http
        self._connections = connections
        self._context = context

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, with a transport of its own: this one may read before TLS is in its place."""
        accepted = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        accepted.setblocking(False)
        cast(asyncio.Transport, transport).abort()
        # uvicorn asks all connections to end, when the server stops.
        self._http.connections.add(cast(Any, self))
        self._task = asyncio.get_running_loop().create_task(self._shake_hands(accepted))
        self._http.tls_connection = self._connection = self._connections.enter(self)

    async def _shake_hands(self, accepted: socket.socket) -> None:
        # `Connections` ends a handshake in time; this is a limit only because none would be shorter.
        seconds = 2.0 * self._connections.settings.header_timeout_seconds
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._http,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=LINGER_SECONDS,
            )
        except (OSError, asyncio.CancelledError):
            accepted.close()
            self._connection.leave()
        finally:
            self._http.connections.discard(cast(Any, self))

    def shutdown(self) -> None:
        """End the connection, when the server stops."""
        self._task.cancel()

    def give_up(self, _cause: Cause) -> None:
        """End the connection."""
        self._task.cancel()

    def is_closing(self) -> bool:
        """Return False: a handshake is not closed but ended."""
        return False

    def has_progressed(self) -> bool:
        """Return False: a handshake is no transfer."""
        return False
