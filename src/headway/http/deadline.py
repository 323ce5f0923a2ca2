"""The time within which a request is answered, whatever it waits for: a connection, a queue, a lock, or the database."""

import asyncio
import time

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, ReceiveMessage, Scope, Send

from headway.errors import Unavailable

_LOOKS = 20
"""How often requests are looked at within their time: one timer for all costs a fraction of one for each."""


class Deadline:
    """Ends a request with Unavailable when it is not answered within `seconds` of its arrival, or at most a twentieth earlier.

    Waiting for the client does not count: for the rest of a body, and until it has read the response. A write that is ended
    may have been stored, or be stored later; a repetition tells.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._interval = seconds / _LOOKS
        self._watched: set[_Watch] = set()
        self._timer: asyncio.TimerHandle | None = None

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Limit the time of the requests of an application."""

        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            task = asyncio.current_task()
            if scope["type"] != ScopeType.HTTP or task is None:
                await app(scope, receive, send)
                return
            watch = _Watch(task, receive, send)
            self._watched.add(watch)
            if self._timer is None:
                self._look_later()
            try:
                await app(scope, watch.receive, watch.send)
            except asyncio.CancelledError as error:
                # Cancelled by somebody else too, the task has to end.
                if watch.cancelling is None or task.uncancel() > watch.cancelling:
                    raise
                raise Unavailable("The database does not answer in time.", retry_after_seconds=2) from error
            finally:
                self._watched.discard(watch)

        return limited

    def _look(self) -> None:
        self._timer = None
        for watch in self._watched:
            watch.end_before(self._seconds - self._interval)
        if self._watched:
            self._look_later()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._look)


class _Watch:
    """The time of one request."""

    __slots__ = ("_is_clients_turn", "_receive", "_send", "_since", "_task", "cancelling")

    def __init__(self, task: "asyncio.Task[object]", receive: Receive, send: Send) -> None:
        self._task = task
        self._receive = receive
        self._send = send
        self._since = time.monotonic()
        self._is_clients_turn = False
        self.cancelling: int | None = None
        """How often the task had been asked to end before its time was over; None until it is."""

    async def receive(self) -> ReceiveMessage:
        """Receive a message of the client, and begin to count anew."""
        self._is_clients_turn = True
        message: ReceiveMessage = await self._receive()
        self._is_clients_turn = False
        self._since = time.monotonic()
        return message

    async def send(self, message: Message) -> None:
        """Send a message; once there is a response, nothing is waited for but the client."""
        self._is_clients_turn = True
        await self._send(message)

    def end_before(self, seconds: float) -> None:
        """End the request if Headway has had that much time for it."""
        if self.cancelling is None and not self._is_clients_turn and time.monotonic() - self._since >= seconds:
            self.cancelling = self._task.cancelling()
            self._task.cancel()
