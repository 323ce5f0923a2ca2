"""`headway mail`: whether mail can be sent."""

from typing import Any

import click

from headway.cli.session import command, load_settings, print_json


@click.group()
def mail() -> None:
    """Try the mail server."""


@mail.command("test")
@click.argument("address")
@command
async def test_mail(address: str, **flags: Any) -> None:
    """Send a letter to ADDRESS, and print what the mail server said."""
    from headway.errors import OperatorError
    from headway.ids import uuid7
    from headway.instants import system_clock
    from headway.mail.model import Outcome, Written
    from headway.mail.transport import MailTransport

    settings = load_settings(**flags)
    transport = MailTransport.from_settings(settings)
    if transport is None:
        raise OperatorError("There is no mail server in the settings: set HEADWAY_SMTP_URL.")
    text = f"This letter shows that Headway can send mail from {settings.site_url}."
    written = Written("A test", f"{text}\n", f"<!DOCTYPE html>\n<p>{text}</p>\n", "en")
    attempt = await transport.send(uuid7(), address, written, system_clock())
    if attempt.outcome is not Outcome.SENT:
        raise OperatorError(attempt.answer)
    print_json({"to": address, "answer": attempt.answer})
