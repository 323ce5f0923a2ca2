"""Receivers of webhooks within the test's process."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from headway.webhooks.model import NewWebhook, Webhook
from headway.webhooks.sender import WebhookSender
from headway.webhooks.transport import Answer, Transport
from tests.world import World

OK = Answer(204)


class Received(NamedTuple):
    """What a receiver got."""

    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded


class FakeTransport(Transport):
    """Notes what is sent, and answers as it is told."""

    def __init__(self) -> None:
        super().__init__(timeout_seconds=15, allows_private=False)
        self.received: list[Received] = []
        self.answer: Callable[[Received], Answer] = lambda _received: OK

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        received = Received(url, headers, body)
        self.received.append(received)
        return self.answer(received)

    @property
    def types(self) -> list[str]:
        return [each.event["type"] for each in self.received]


class Hooks:
    """A sender of a world, whose receivers are in the test."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.transport = FakeTransport()
        self.sender = self.another_sender(self.transport)

    def another_sender(self, transport: Transport) -> WebhookSender:
        services = self.world.services
        made = WebhookSender(
            *(services.database, services.clock, services.outbox, services.audit, services.metrics),
            transport,
            disclosures=services.disclosures,
        )
        made.jitter = lambda: 0.0
        return made

    async def subscribe(self, *events: str, url: str = "https://hooks.example.org/in", **given: Any) -> Webhook:
        new = NewWebhook(url, tuple(events), **given) if events else NewWebhook(url, **given)
        return await self.world.write(self.world.services.webhooks.create, None, new)

    async def send(self) -> Sequence[Received]:
        """Send all that is due, and return what was received."""
        before = len(self.transport.received)
        await self.sender.drain()
        return self.transport.received[before:]

    async def pass_time(self, *, seconds: float) -> Sequence[Received]:
        """Let time pass, and send what is due then."""
        self.world.clock.advance(seconds=seconds)
        return await self.send()
