"""Webhooks and their deliveries, for administrators."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import Invalid
from headway.http.params import UNKNOWN_ID, parse_id
from headway.http.request import READ_LARGE, WRITE
from headway.paging.model import MAX_LENGTH
from headway.services import Services
from headway.text import MAX_URL_LENGTH
from headway.web.page_routes import Page, PageRequest, Redirect, get, post
from headway.webhooks.announcements import SUBSCRIBABLE
from headway.webhooks.model import MAX_DESCRIPTION, DeliveryStatus, NewWebhook, Webhook

_PATH = "/app/admin/webhooks"
_ONE = f"{_PATH}/{{webhook_id:str}}"
_LIMIT = 50


class WebhookForm(msgspec.Struct):
    """A webhook to create or to change. Without a course it is for all courses."""

    url: Annotated[str, Meta(max_length=2 * MAX_URL_LENGTH)]
    events: list[str] = []
    course_id: Annotated[str, Meta(max_length=20)] | None = None
    description: Annotated[str, Meta(max_length=2 * MAX_DESCRIPTION)] | None = None

    @property
    def webhook(self) -> NewWebhook:
        """The webhook. Raises Invalid naming `course_id`."""
        course_id = None if self.course_id is None else parse_id(self.course_id.strip())
        if course_id == UNKNOWN_ID:
            raise Invalid.field("course_id", "does not exist")
        return NewWebhook(self.url.strip(), tuple(dict.fromkeys(self.events)), course_id, self.description)


class DeliveriesQuery(msgspec.Struct):
    """Which deliveries to list, and the place in the list."""

    status: DeliveryStatus | None = None
    cursor: Annotated[str, Meta(max_length=MAX_LENGTH)] | None = None


class AdminWebhooksPages:
    """The list of webhooks, and the page of each with the log of its deliveries."""

    def __init__(self, services: Services) -> None:
        self._webhooks = services.webhooks
        self._paging = services.paging

    @get(_PATH, transaction=READ_LARGE)
    async def show(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """List the webhooks."""
        found = await self._webhooks.list_all(tx, request.caller)
        rows = [(each, await self._webhooks.read_backlog(tx, each)) for each in found]
        return Page("admin/webhooks.html", {"webhooks": rows, "events": SUBSCRIBABLE})

    @post(_PATH, form=WebhookForm, page="show", transaction=WRITE)
    async def create(self, request: PageRequest[None, WebhookForm], tx: WriteTransaction) -> Page:
        """Create a webhook, and show its page with the secret: it is shown this once."""
        created = await self._webhooks.create(tx, request.caller, request.form.webhook, client=request.client)
        return Page("admin/webhook_secret.html", {"webhook": created, "secret": created.secrets[0], "is_new": True})

    @get(_ONE, query=DeliveriesQuery, transaction=READ_LARGE)
    async def show_one(self, request: PageRequest[DeliveriesQuery | None, None], tx: ReadTransaction) -> Page:
        """Show a webhook and its deliveries, the newest first."""
        query, caller = request.query or DeliveriesQuery(), request.caller
        webhook = await self._webhooks.find(tx, caller, _webhook_id(request))
        bound = ("admin webhook", webhook.id, query.status)
        walk = self._paging.walk(caller.user_id, bound, cursor=query.cursor, page=1, limit=_LIMIT)
        context = {
            "webhook": webhook,
            "backlog": await self._webhooks.read_backlog(tx, webhook),
            "deliveries": await self._webhooks.list_deliveries(tx, caller, webhook.id, walk, status=query.status),
            "next": walk.next_cursor,
            "query": query,
            "statuses": list(DeliveryStatus),
            "events": SUBSCRIBABLE,
        }
        return Page("admin/webhook.html", context)

    @post(_ONE, form=WebhookForm, page="show_one", transaction=WRITE)
    async def change(self, request: PageRequest[None, WebhookForm], tx: WriteTransaction) -> Redirect:
        """Change a webhook."""
        new = request.form.webhook
        changed = await self._webhooks.change(
            tx, request.caller, _webhook_id(request), lambda _stored: new, client=request.client
        )
        return _back(changed, request.text("The webhook is changed."))

    @post(f"{_ONE}/enable", page="show_one", transaction=WRITE)
    async def enable(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Enable a webhook."""
        changed = await self._set_enabled(request, tx, enable=True)
        return _back(changed, request.text("The webhook is enabled. What waited for it is being sent."))

    @post(f"{_ONE}/disable", page="show_one", transaction=WRITE)
    async def disable(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Disable a webhook."""
        return _back(await self._set_enabled(request, tx, enable=False), request.text("The webhook is disabled."))

    @post(f"{_ONE}/test", page="show_one", transaction=WRITE)
    async def test(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Send a test."""
        await self._webhooks.test(tx, request.caller, _webhook_id(request), client=request.client)
        return Redirect(
            _PATH + f"/{_webhook_id(request)}", notice=request.text("A test is on its way. Reload to see the answer.")
        )

    @post(f"{_ONE}/secret", page="show_one", transaction=WRITE)
    async def rotate(self, request: PageRequest[None, None], tx: WriteTransaction) -> Page:
        """Replace the secret, and show the new one."""
        changed = await self._webhooks.rotate(tx, request.caller, _webhook_id(request), client=request.client)
        return Page("admin/webhook_secret.html", {"webhook": changed, "secret": changed.secrets[0], "is_new": False})

    @post(f"{_ONE}/delete", page="show_one", transaction=WRITE)
    async def delete(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Delete a webhook."""
        await self._webhooks.delete(tx, request.caller, _webhook_id(request), client=request.client)
        return Redirect(_PATH, notice=request.text("The webhook is deleted."))

    @post(f"{_ONE}/deliveries/{{delivery_id:str}}/redeliver", page="show_one", transaction=WRITE)
    async def redeliver(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Send a delivery again, or at once."""
        webhook_id, delivery_id = _webhook_id(request), parse_id(request.path["delivery_id"])
        await self._webhooks.redeliver(tx, request.caller, webhook_id, delivery_id, client=request.client)
        return Redirect(f"{_PATH}/{webhook_id}", notice=request.text("It is being sent. Reload to see the answer."))

    async def _set_enabled(self, request: PageRequest[None, None], tx: WriteTransaction, *, enable: bool) -> Webhook:
        return await self._webhooks.change(
            tx, request.caller, _webhook_id(request), lambda stored: stored, enable=enable, client=request.client
        )


def _webhook_id(request: PageRequest[Any, Any]) -> int:
    return parse_id(request.path["webhook_id"])


def _back(webhook: Webhook, notice: str) -> Redirect:
    return Redirect(f"{_PATH}/{webhook.id}", notice=notice)
