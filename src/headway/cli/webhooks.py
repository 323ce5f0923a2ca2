"""`headway webhook`: who is sent what happens, and what waits for them."""

from typing import TYPE_CHECKING, Any

import click

from headway.cli.session import command, database_option, load_settings, open_services, print_json

if TYPE_CHECKING:
    from headway.webhooks.model import Backlog, Webhook

_webhook_argument = click.argument("webhook_id", metavar="ID", type=int)


@click.group()
def webhook() -> None:
    """Create, list, enable, disable and delete webhooks."""


@webhook.command("create")
@click.option("--url", required=True)
@click.option("--event", "events", multiple=True, help="A type to send, such as course.completed; repeat it. [default: all]")
@click.option("--course", "course_id", type=int, help="Send what happens in this course alone.")
@click.option("--description")
@database_option
@command
async def create_webhook(
    url: str, events: tuple[str, ...], course_id: int | None, description: str | None, **flags: Any
) -> None:
    """Create a webhook and print it as JSON, with its secret."""
    from headway.webhooks.announcements import SUBSCRIBABLE
    from headway.webhooks.model import NewWebhook

    new = NewWebhook(url, tuple(dict.fromkeys(events)) or SUBSCRIBABLE, course_id, description)
    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        created = await services.webhooks.create(tx, None, new)
        backlog = await services.webhooks.read_backlog(tx, created)
    print_json({**_described(created, backlog), "secret": created.secrets[0]})


@webhook.command("list")
@database_option
@command
async def list_webhooks(**flags: Any) -> None:
    """Print all webhooks as JSON, with the number of deliveries that wait."""
    async with open_services(load_settings(**flags)) as services, services.database.read() as tx:
        found = await services.webhooks.list_all(tx, None)
        print_json([_described(each, await services.webhooks.read_backlog(tx, each)) for each in found])


@webhook.command("enable")
@_webhook_argument
@database_option
@command
async def enable_webhook(webhook_id: int, **flags: Any) -> None:
    """Enable a webhook: what waits for it is sent."""
    await _set_enabled(webhook_id, enable=True, **flags)


@webhook.command("disable")
@_webhook_argument
@database_option
@command
async def disable_webhook(webhook_id: int, **flags: Any) -> None:
    """Disable a webhook.

    Nothing is written for it until it is enabled again.
    """
    await _set_enabled(webhook_id, enable=False, **flags)


@webhook.command("delete")
@_webhook_argument
@database_option
@command
async def delete_webhook(webhook_id: int, **flags: Any) -> None:
    """Delete a webhook with the log of its deliveries."""
    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        await services.webhooks.delete(tx, None, webhook_id)


async def _set_enabled(webhook_id: int, *, enable: bool, **flags: Any) -> None:
    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        changed = await services.webhooks.change(tx, None, webhook_id, lambda stored: stored, enable=enable)
        print_json(_described(changed, await services.webhooks.read_backlog(tx, changed)))


def _described(found: "Webhook", backlog: "Backlog") -> dict[str, Any]:
    return {
        "id": found.id,
        "url": found.url,
        "events": found.events,
        "courseId": found.course_id,
        "description": found.description,
        "enabled": found.is_enabled,
        "disabledReason": found.disabled_reason,
        "pending": backlog.pending,
    }
