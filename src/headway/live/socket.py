"""`/ws`: a client authenticates, subscribes to topics, and receives their entries in order and without gaps.

Nothing is buffered for a client: the next entries are read when the last message has been sent, so a slow client costs no
memory. A client that accepts no message for a while is disconnected.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import WebsocketRouteHandler

from headway.errors import HeadwayError, Invalid, Unauthenticated, Unavailable
from headway.feed.model import FeedEntry
from headway.http.connections import Stage, incoming_of
from headway.http.decoding import describe
from headway.instants import iso
from headway.live.hub import Follower, Hub, Place
from headway.live.messages import Auth, EntryMessage, Subscribe, UnreadableError, Unsubscribe, decode, encode
from headway.live.rights import Rights, RightsWatch
from headway.live.subscriptions import LiveReads, find_required_course, not_yours
from headway.telemetry import Metrics

BAD_MESSAGE = "BAD_MESSAGE"
INTERNAL_ERROR = 1011
UNREADABLE, UNAUTHENTICATED, FORBIDDEN_ORIGIN, TOO_SLOW = 4400, 4401, 4403, 4408
_BAD_FRAMES = {1002, 1003, 1007, 1009}
"""Codes with which the server's protocol closes on frames that are wrong, not UTF-8, or too large (RFC 6455, section 7.4.1)."""
_AUTHENTICATE_WITHIN_SECONDS = 10.0
_SEND_WITHIN_SECONDS = 10.0
_MAX_TOPICS = 50
_NOWHERE = -1
"""The position of a client before any message: there is a gap between it and all others."""

log = structlog.get_logger(__name__)


class Live:
    """The route, and what it needs. `origins` are those beside the server's own whose pages may connect; `*` is any."""

    def __init__(self, hub: Hub, reads: LiveReads, watch: RightsWatch, metrics: Metrics, *, origins: list[str]) -> None:
        self._hub = hub
        self._reads = reads
        self._watch = watch
        self._metrics = metrics
        self._origins = origins

    def route(self) -> WebsocketRouteHandler:
        """Return the route; it authenticates callers itself."""

        async def serve(socket: WebSocket[Any, Any, Any]) -> None:
            await self._serve(socket)

        return websocket("/ws", opt={"public": True})(serve)

    async def _serve(self, socket: WebSocket[Any, Any, Any]) -> None:
        if not self._may_connect(socket):
            self._count_refusal("FORBIDDEN", "This origin may not connect.")
            await socket.close(FORBIDDEN_ORIGIN, "This origin may not connect.")
            return
        await socket.accept()
        connection = _Connection(socket, self._hub, self._reads, self._watch, self._count_refusal)
        self._metrics.live_connections.inc()
        try:
            await connection.run()
        except _TooSlowError:
            self._metrics.live_dropped.inc()
            log.info("dropped", reason="a live client reads too slowly")
            await _close(socket, TOO_SLOW, "Messages were not taken in time.")
        except Unauthenticated as error:
            self._count_refusal(error.kind, error.message)
            await _close(socket, UNAUTHENTICATED, error.message)
        except UnreadableError as error:
            await _close(socket, UNREADABLE, str(error))
        except WebSocketDisconnect as error:
            if error.code in _BAD_FRAMES:
                self._count_refusal(BAD_MESSAGE, f"The connection was closed with {error.code}.")
        except OSError:
            # The client left while a message was sent to it.
            pass
        except Exception:
            log.exception("failed", path="/ws")
            await _close(socket, INTERNAL_ERROR, "Something went wrong on the server.")
        finally:
            connection.leave()
            self._metrics.live_connections.dec()

    def _count_refusal(self, code: str, reason: str) -> None:
        self._metrics.reject(code, ())
        log.info("refused", path="/ws", code=code, reason=reason)

    def _may_connect(self, socket: WebSocket[Any, Any, Any]) -> bool:
        """Reject pages of other origins (RFC 6455, section 10.2); clients other than browsers send no Origin."""
        origin = socket.headers.get("origin")
        if origin is None or "*" in self._origins or origin.rstrip("/") in self._origins:
            return True
        return origin.partition("://")[2] == socket.headers.get("host")


class _TooSlowError(Exception):
    """A client did not take a message in time."""


class _Reached:
    """How far a client is in a topic: the number of the last entry, and the position of the last message that is not stored."""

    __slots__ = ("position", "seq")

    def __init__(self, seq: int, position: int) -> None:
        self.seq = seq
        self.position = position


class _Connection:
    """One client: its rights, and how far it is in each topic."""

    def __init__(
        self,
        socket: WebSocket[Any, Any, Any],
        hub: Hub,
        reads: LiveReads,
        watch: RightsWatch,
        count_refusal: Callable[[str, str], None],
    ) -> None:
        self._socket = socket
        self._hub = hub
        self._reads = reads
        self._watch = watch
        self._count_refusal = count_refusal
        self._follower = Follower()
        self._reached: dict[str, _Reached] = {}
        self._lost: set[str] = set()
        """Topics that the client may no longer follow, and has not been told so."""
        self._sending = asyncio.Lock()
        self._rights: Rights | None = None

    async def run(self) -> None:
        """Serve until one side ends it. Raises Unauthenticated, WebSocketDisconnect, _TooSlowError, UnreadableError."""
        rights = self._rights = await self._authenticate()
        if (incoming := incoming_of(self._socket.scope)) is not None:
            incoming.connection.move(Stage.LIVE)
        await self._send({"type": "ready", "userId": str(rights.caller.user_id)})
        tasks = [asyncio.create_task(each) for each in (self._listen(rights), self._send_entries(rights), _end(rights))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def leave(self) -> None:
        """Stop following all topics."""
        if self._rights is not None:
            self._watch.release(self._rights)
        for topic in self._reached:
            self._hub.unfollow(self._follower, topic)
        self._reached.clear()

    async def _authenticate(self) -> Rights:
        try:
            async with asyncio.timeout(_AUTHENTICATE_WITHIN_SECONDS):
                first = decode(await self._socket.receive_data("text"))
        except TimeoutError:
            raise Unauthenticated("No token came in time.") from None
        except (msgspec.ValidationError, UnreadableError):
            raise Unauthenticated("The first message must authenticate.") from None
        if not isinstance(first, Auth):
            raise Unauthenticated("The first message must authenticate.")
        try:
            return await self._watch.admit(first.token, self._lose)
        except Unavailable:
            raise Unauthenticated("The token cannot be checked now.") from None

    async def _listen(self, rights: Rights) -> None:
        while True:
            text = await self._socket.receive_data("text")
            try:
                message = decode(text)
            except msgspec.ValidationError as error:
                await self._refuse_message(describe(str(error)))
                continue
            except UnreadableError as error:
                await self._refuse_message(str(error))
                raise
            if isinstance(message, Subscribe):
                await self._subscribe(rights, message)
            elif isinstance(message, Unsubscribe):
                rights.topics.discard(message.topic)
                self._unfollow(message.topic)
                await self._send({"type": "unsubscribed", "topic": message.topic})
            else:
                await self._refuse_message("this connection has a token; connect again to use another one")

    async def _subscribe(self, rights: Rights, request: Subscribe) -> None:
        topic = request.topic
        try:
            if topic not in self._reached and len(self._reached) >= _MAX_TOPICS:
                raise Invalid.field("topic", f"is one too many: {_MAX_TOPICS} can be followed at once")
            newest, position = await self._follow(rights, topic)
        except Unauthenticated:
            raise
        except HeadwayError as error:
            self._lost.discard(topic)
            if topic not in self._reached:
                rights.topics.discard(topic)
                self._hub.unfollow(self._follower, topic)
            await self._refuse(topic, error)
            return
        async with self._sending:
            await self._put({"type": "subscribed", "topic": topic, "seq": newest})
            if request.after is not None:
                # Whoever resumes has missed what is not stored.
                self._reached[topic] = _Reached(min(request.after, newest), _NOWHERE)
            else:
                known = self._reached.get(topic)
                self._reached[topic] = _Reached(newest, position if known is None else known.position)
        self._follower.wake(topic)

    async def _follow(self, rights: Rights, topic: str) -> Place:
        """Follow a topic; return how far it is. Raises Invalid, Forbidden, Unauthenticated, Unavailable."""
        await self._watch.ensure(rights)
        find_required_course(rights.caller, topic)
        # From here on it is watched: the right may be lost before the check has returned.
        rights.topics.add(topic)
        self._lost.discard(topic)
        await self._reads.check(rights.caller, topic)
        place = await self._hub.follow(self._follower, topic)
        if topic not in rights.topics:
            raise not_yours()
        return place

    def _lose(self, topic: str) -> None:
        """Stop following a topic to which the client has lost the right, and have it told so."""
        if self._unfollow(topic):
            self._lost.add(topic)
            self._follower.wake(topic)

    def _unfollow(self, topic: str) -> bool:
        """Stop following a topic; return whether the client followed it."""
        self._hub.unfollow(self._follower, topic)
        return self._reached.pop(topic, None) is not None

    async def _send_entries(self, rights: Rights) -> None:
        while True:
            for topic in await self._follower.wait():
                try:
                    await self._send_topic(rights, topic)
                except Unavailable:
                    await asyncio.sleep(1)
                    self._follower.wake(topic)
                if topic in self._lost:
                    self._lost.discard(topic)
                    await self._refuse(topic, not_yours())

    async def _send_topic(self, rights: Rights, topic: str) -> None:
        while (reached := self._reached.get(topic)) is not None:
            entries = await self._hub.after(topic, reached.seq)
            if not entries:
                await self._send_messages(rights, topic, reached)
                return
            for entry in entries:
                # Entries are read before this, so that nothing is sent that came after the right to see it had ended.
                await self._watch.ensure(rights)
                async with self._sending:
                    await self._send_entry(entry)

    async def _send_entry(self, entry: FeedEntry) -> None:
        reached = self._reached.get(entry.topic)
        if reached is None or entry.seq <= reached.seq:
            return
        if entry.seq > reached.seq + 1:
            # The entries between have been pruned: the client has to read the state again.
            await self._put({"type": "resync", "topic": entry.topic, "seq": entry.seq - 1})
        reached.seq = entry.seq
        await self._put(EntryMessage(entry.type, entry.topic, entry.seq, iso(entry.at), entry.data))

    async def _send_messages(self, rights: Rights, topic: str, reached: "_Reached") -> None:
        """Send what is not stored, after the entries: one who resumes reads the state when they are all there."""
        messages, newest = self._hub.messages_after(topic, reached.position)
        for position, message in enumerate(messages, newest - len(messages) + 1):
            await self._watch.ensure(rights)
            async with self._sending:
                if self._reached.get(topic) is not reached:
                    return
                reached.position = position
                await self._put_text(message)

    async def _refuse_message(self, message: str) -> None:
        self._count_refusal(BAD_MESSAGE, message)
        await self._send({"type": "error", "code": BAD_MESSAGE, "message": message})

    async def _refuse(self, topic: str, error: HeadwayError) -> None:
        message = error.fields[0].message if error.fields else error.message
        self._count_refusal(error.kind, message)
        await self._send({"type": "error", "code": error.kind, "topic": topic, "message": message})

    async def _send(self, message: Any) -> None:
        async with self._sending:
            await self._put(message)

    async def _put(self, message: Any) -> None:
        await self._put_text(encode(message).decode())

    async def _put_text(self, message: str) -> None:
        try:
            async with asyncio.timeout(_SEND_WITHIN_SECONDS):
                await self._socket.send_data(message)
        except TimeoutError:
            raise _TooSlowError from None
        except RuntimeError as error:
            # The server's protocol has closed the connection, such as for a frame that was not UTF-8.
            raise WebSocketDisconnect(detail="closed", code=1006) from error


async def _end(rights: Rights) -> None:
    """Wait until the rights of a client have ended. Raises Unauthenticated."""
    await rights.has_ended.wait()
    rights.require()


async def _close(socket: WebSocket[Any, Any, Any], code: int, reason: str) -> None:
    try:
        async with asyncio.timeout(1):
            await socket.close(code, reason[:120])
    except (OSError, RuntimeError, WebSocketDisconnect):
        pass
