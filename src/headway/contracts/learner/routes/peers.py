"""Peers, messages and conversations."""

from headway.contracts.learner import mapping, wire
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import Invalid
from headway.http.pages import Pages
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE, Request, Response
from headway.http.routes import get, patch, post
from headway.services import Services


class PeerRoutes:
    """List peers, send, list and read messages."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._messaging = services.messaging
        self._pages = pages

    @get("/learner/peers", query=wire.PageQuery, responses={200: wire.Many[wire.Peer]}, transaction=READ_LARGE)
    async def list_peers(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List the learners of one's own courses."""
        walk = self._pages.walk(request)
        peers, total = await self._messaging.list_peers(tx, request.caller.user_id, walk)
        return Response(200, mapping.many([mapping.peer(each) for each in peers], walk, total))

    @post(
        "/learner/messages", body=wire.MessageBody, responses={201: wire.One[wire.Message]}, idempotent=True, transaction=WRITE
    )
    async def send(self, request: Request[None, wire.MessageBody], tx: WriteTransaction) -> Response:
        """Send a message to a peer, to a tutor of a shared course, or as a tutor to a learner."""
        receiver_id = parse_id(request.body.receiver_id)
        message = await self._messaging.send(tx, request.caller.user_id, receiver_id, request.body.message)
        return Response(201, wire.One(data=mapping.message(message)))

    @get("/learner/messages", query=wire.MessagesQuery, responses={200: wire.Many[wire.Message]}, transaction=READ_LARGE)
    async def list_messages(self, request: Request[wire.MessagesQuery, None], tx: ReadTransaction) -> Response:
        """List one's messages with one person or all, the newest first."""
        walk = self._pages.walk(request)
        peer_id = None if request.query.with_ is None else parse_id(request.query.with_)
        messages, total = await self._messaging.list_messages(tx, request.caller.user_id, peer_id=peer_id, walk=walk)
        return Response(200, mapping.many([mapping.message(each) for each in messages], walk, total))

    @patch("/learner/messages/{message_id:str}", body=wire.ReadBody, responses={200: wire.One[wire.Message]}, transaction=WRITE)
    async def mark_message(self, request: Request[None, wire.ReadBody], tx: WriteTransaction) -> Response:
        """Mark a received message as read."""
        _require_read(request.body)
        message = await self._messaging.mark_message_read(tx, request.caller.user_id, request.path["message_id"])
        return Response(200, wire.One(data=mapping.message(message)))

    @get("/learner/conversations", query=wire.PageQuery, responses={200: wire.Conversations}, transaction=READ_LARGE)
    async def list_conversations(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List one's conversations, the newest first, with the number of unread messages."""
        walk = self._pages.walk(request)
        found = await self._messaging.list_conversations(tx, request.caller.user_id, walk)
        paging = wire.UnreadPaging(
            page=walk.page, limit=walk.limit, total=found.total, next_cursor=walk.next_cursor, unread=found.unread
        )
        rows = [mapping.conversation(each) for each in found.conversations]
        return Response(200, wire.Conversations(data=rows, metadata=paging))

    @patch(
        "/learner/conversations/{user_id:str}",
        body=wire.ReadBody,
        responses={200: wire.One[wire.MarkedRead]},
        transaction=WRITE,
    )
    async def mark_conversation(self, request: Request[None, wire.ReadBody], tx: WriteTransaction) -> Response:
        """Mark all messages from one person as read."""
        _require_read(request.body)
        peer_id = parse_id(request.path["user_id"])
        count = await self._messaging.mark_conversation_read(tx, request.caller.user_id, peer_id)
        return Response(200, wire.One(data=wire.MarkedRead(request.path["user_id"], count)))


def _require_read(body: wire.ReadBody) -> None:
    if not body.is_read:
        raise Invalid.field("isRead", "can only become true")
