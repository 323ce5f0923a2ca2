"""Webhooks and their deliveries: for administrators."""

from functools import partial
from typing import Any

from headway.contracts.learner import mapping, webhook_wire, wire
from headway.contracts.learner import webhook_mapping as webhooks
from headway.db.database import ReadTransaction, WriteTransaction
from headway.http.pages import Pages
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE, Request, Response
from headway.http.routes import delete, get, patch, post
from headway.identity import Scope
from headway.services import Services

_ALL = "/webhooks"
_ONE = f"{_ALL}/{{webhook_id:str}}"
_DELIVERIES = f"{_ONE}/deliveries"


class WebhookRoutes:
    """Create, change and test webhooks; read what was sent, and send it again."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._webhooks = services.webhooks
        self._pages = pages

    @post(
        _ALL,
        body=webhook_wire.WebhookBody,
        responses={201: wire.One[webhook_wire.NewWebhook]},
        idempotent=True,
        transaction=WRITE,
        scope=Scope.WEBHOOKS_WRITE,
    )
    async def create(self, request: Request[None, webhook_wire.WebhookBody], tx: WriteTransaction) -> Response:
        """Create a webhook. The answer has the secret by which deliveries are signed; it is shown this once."""
        new = webhooks.new_webhook(request.body)
        created = await self._webhooks.create(tx, request.caller, new, client=request.client)
        return Response(201, wire.One(data=webhooks.with_secret(created, await self._webhooks.read_backlog(tx, created))))

    @get(
        _ALL,
        query=wire.PageQuery,
        responses={200: wire.Many[webhook_wire.Webhook]},
        transaction=READ_LARGE,
        scope=Scope.WEBHOOKS_WRITE,
    )
    async def list_all(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List the webhooks."""
        walk = self._pages.walk(request)
        found, total = await self._webhooks.list_page(tx, request.caller, walk)
        rows = [webhooks.webhook(each, await self._webhooks.read_backlog(tx, each)) for each in found]
        return Response(200, mapping.many(rows, walk, total))

    @get(_ONE, responses={200: wire.One[webhook_wire.Webhook]}, transaction=READ_LARGE, scope=Scope.WEBHOOKS_WRITE)
    async def read(self, request: Request[None, None], tx: ReadTransaction) -> Response:
        """Read a webhook."""
        found = await self._webhooks.find(tx, request.caller, _webhook_id(request))
        return Response(200, wire.One(data=webhooks.webhook(found, await self._webhooks.read_backlog(tx, found))))

    @patch(
        _ONE,
        body=webhook_wire.WebhookChangeBody,
        responses={200: wire.One[webhook_wire.Webhook]},
        transaction=WRITE,
        scope=Scope.WEBHOOKS_WRITE,
    )
    async def change(self, request: Request[None, webhook_wire.WebhookChangeBody], tx: WriteTransaction) -> Response:
        """Change, disable or enable a webhook. What waits for a disabled one is sent when it is enabled."""
        body = request.body
        changed = await self._webhooks.change(
            tx,
            request.caller,
            _webhook_id(request),
            partial(webhooks.changed_webhook, body),
            enable=body.enabled if isinstance(body.enabled, bool) else None,
            client=request.client,
        )
        return Response(200, wire.One(data=webhooks.webhook(changed, await self._webhooks.read_backlog(tx, changed))))

    @delete(_ONE, responses={204: ()}, transaction=WRITE, scope=Scope.WEBHOOKS_WRITE)
    async def remove(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Delete a webhook and the log of its deliveries; what waits is not sent."""
        await self._webhooks.delete(tx, request.caller, _webhook_id(request), client=request.client)
        return Response(204)

    @post(
        f"{_ONE}/secret",
        responses={201: wire.One[webhook_wire.NewWebhook]},
        idempotent=True,
        transaction=WRITE,
        scope=Scope.WEBHOOKS_WRITE,
    )
    async def rotate(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Replace the secret, and return the new one. For a day, deliveries are signed with the one before too."""
        changed = await self._webhooks.rotate(tx, request.caller, _webhook_id(request), client=request.client)
        return Response(201, wire.One(data=webhooks.with_secret(changed, await self._webhooks.read_backlog(tx, changed))))

    @post(
        f"{_ONE}/test",
        responses={201: wire.One[webhook_wire.Delivery]},
        idempotent=True,
        transaction=WRITE,
        scope=Scope.WEBHOOKS_WRITE,
    )
    async def test(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Send a `webhook.test`. Its delivery is in the log."""
        sent = await self._webhooks.test(tx, request.caller, _webhook_id(request), client=request.client)
        return Response(201, wire.One(data=webhooks.delivery(sent)))

    @get(
        _DELIVERIES,
        query=webhook_wire.DeliveriesQuery,
        responses={200: webhook_wire.Deliveries},
        transaction=READ_LARGE,
        scope=Scope.WEBHOOKS_WRITE,
    )
    async def list_deliveries(self, request: Request[webhook_wire.DeliveriesQuery, None], tx: ReadTransaction) -> Response:
        """List what was sent and what waits, the newest first, with the latest attempts."""
        walk = self._pages.walk(request)
        found = await self._webhooks.list_deliveries(
            tx, request.caller, _webhook_id(request), walk, status=request.query.status
        )
        return Response(200, webhooks.deliveries(found, walk))

    @post(
        f"{_DELIVERIES}/{{delivery_id:str}}/redeliver",
        responses={200: wire.One[webhook_wire.Delivery]},
        idempotent=True,
        transaction=WRITE,
        scope=Scope.WEBHOOKS_WRITE,
    )
    async def redeliver(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Send a delivery again with the same id, or at once if it waits. Its attempts are counted anew."""
        delivery_id = parse_id(request.path["delivery_id"])
        sent = await self._webhooks.redeliver(tx, request.caller, _webhook_id(request), delivery_id, client=request.client)
        return Response(200, wire.One(data=webhooks.delivery(sent)))


def _webhook_id(request: Request[Any, Any]) -> int:
    return parse_id(request.path["webhook_id"])
