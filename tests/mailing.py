"""A school that sends mail: its settings, and how a test waits for what arrives."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from headway.mail.sender import MailSender
from headway.settings import Settings
from headway.web.letters import LetterWriter
from headway.web.texts import Catalogues
from tests.mail_server import MailServer, Received
from tests.world import World

SITE = "https://learn.school.example"
UNHEARD = {"smtp_url": "smtp://127.0.0.1:9?tls=none", "mail_from": "no-reply@school.test", "public_url": "https://school.test"}
"""Settings of a mail server that nobody runs."""


def mailing(settings: Settings, server: MailServer, **given: Any) -> Settings:
    """Return settings with a mail server."""
    values: dict[str, Any] = {
        "smtp_url": server.url,
        "mail_from": "School <no-reply@school.example>",
        "public_url": SITE,
        "mail_timeout_seconds": 1,
    }
    return msgspec.structs.replace(settings, **values | given)


def make_sender(world: World) -> MailSender:
    """Return what sends the mails of a world, without a pause of chance."""
    writer = LetterWriter(Catalogues("UTC"), site_url=world.settings.site_url, site_name="School")
    made = world.services.mail_sender(writer)
    assert made is not None
    made.jitter = lambda: 0
    return made


async def until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def newest(server: MailServer, address: str, count: int = 1) -> Received:
    """Return the newest mail to an address, once so many have arrived."""
    await until(lambda: len(server.to(address)) >= count)
    return server.to(address)[-1]
