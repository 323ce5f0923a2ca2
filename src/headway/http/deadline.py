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
        self._watched: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Limit the time of the requests of an application."""

        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            with self.watch(receive) as watch:
                await app(scope, watch.receive, watch.sending(send))

        return limited

    def watch(self, receive: Receive) -> "Watch":
        """Return a context that ends with Unavailable when its time is over; what comes is to be received by its `receive`."""
        return Watch(self, receive)

    def enter(self, watch: "Watch") -> None:
        """Begin to look at a request."""
        self._watched.add(watch)
        if self._timer is None:
            self._look_later()

    def leave(self, watch: "Watch") -> None:
        """Look at a request no more."""
        self._watched.discard(watch)

    def _look(self) -> None:
        self._timer = None
        for watch in self._watched:
            watch.end_before(self._seconds - self._interval)
        if self._watched:
            self._look_later()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._look)


class Watch:
    """The time of one request."""

    __slots__ = ("_cancelling", "_deadline", "_is_clients_turn", "_receive", "_since", "_task")

    def __init__(self, deadline: Deadline, receive: Receive) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._task = task
        self._deadline = deadline
        self._receive = receive
        self._since = time.monotonic()
        self._is_clients_turn = False
        self._cancelling: int | None = None
        """How often the task had been asked to end before its time was over; None until it is."""

    def __enter__(self) -> "Watch":
        self._deadline.enter(self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._deadline.leave(self)
        # Cancelled by somebody else too, the task has to end.
        if (
            self._cancelling is None
            or not isinstance(error, asyncio.CancelledError)
            or self._task.uncancel() > self._cancelling
        ):
            return
        raise Unavailable("The database does not answer in time.", retry_after_seconds=2) from error

    async def receive(self) -> ReceiveMessage:
        """Receive a message of the client, and begin to count anew."""
        self._is_clients_turn = True
        message: ReceiveMessage = await self._receive()
        self._is_clients_turn = False
        self._since = time.monotonic()
        return message

    def sending(self, send: Send) -> Send:
        """Return what sends a message; once there is a response, nothing is waited for but the client."""

        async def send_to_client(message: Message) -> None:
            self._is_clients_turn = True
            await send(message)

        return send_to_client

    def end_before(self, seconds: float) -> None:
        """End the request if Headway has had that much time for it."""
        if self._cancelling is None and not self._is_clients_turn and time.monotonic() - self._since >= seconds:
            self._cancelling = self._task.cancelling()
            self._task.cancel()
