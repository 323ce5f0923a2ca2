"""A school that sends mail: its settings, and how a test waits for what arrives."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from headway.accounts import registrations_store
from headway.accounts import store as users
from headway.accounts.model import NewUser
from headway.accounts.own_address import asked_letter
from headway.identity import Role
from headway.instants import DAY
from headway.mail.model import Letter, MailKind
from headway.mail.sender import MailSender, Resolve
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


async def registration_token(world: World, email: str) -> str:
    """Register an address; return the token that proves it."""
    registering = world.services.registering
    new = NewUser(Role.PARTICIPANT, "New", email, password_hash="x")
    now = world.clock()
    # Without the letter: a server's sender would make another link.
    await world.write(registrations_store.insert_registration, new, now, now + DAY)
    return await _token(world, registering.resolve, Letter(MailKind.REGISTRATION_ASKED, email))


async def address_token(world: World, user_id: int, email: str) -> str:
    """Ask for another address of an account; return the token that proves it."""
    user, stored = await world.find_user(user_id), await world.read(users.password_hash, user_id)
    asked = asked_letter(user, stored, email, None)
    return await _token(world, world.services.own_address.resolve, asked)


async def _token(world: World, resolve: Resolve, asked: Letter) -> str:
    letter = await world.write(resolve, asked)
    assert letter is not None
    return letter.values["token"]
