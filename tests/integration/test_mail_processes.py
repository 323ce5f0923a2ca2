"""Mail between processes: servers that are killed while a mail server hangs, and the command that tries the mail server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from headway.http.authentication import Tokens
from headway.identity import Role
from headway.instants import system_clock
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.concurrency import open_world
from tests.mail_server import MailServer, run_mail_server
from tests.mailing import until
from tests.processes import HeadwayProcess, open_client, run_headway

PEOPLE = 6
MAIL_FROM = "School <no-reply@school.example>"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with run_mail_server() as made:
        yield made


async def test_every_letter_arrives_with_one_id_whoever_is_killed(
    database_url: str, server: MailServer, tmp_path: Path
) -> None:
    environment = {
        "HEADWAY_SMTP_URL": server.url,
        "HEADWAY_MAIL_FROM": MAIL_FROM,
        "HEADWAY_PUBLIC_URL": "https://learn.school.example",
        "HEADWAY_MAIL_TIMEOUT_SECONDS": "2",
    }
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY)
    async with open_world(settings) as world:
        admin = await world.user(Role.ADMIN)
        people = [await world.user(email=f"person{number}@example.org") for number in range(PEOPLE)]
    bearer = {"Authorization": f"Bearer {Tokens(SECRET_KEY, system_clock, lifetime_seconds=3_600).issue(admin)}"}
    server.mode = "hang"
    first = HeadwayProcess(database_url, tmp_path, SECRET_KEY, **environment)
    with ExitStack() as running:
        await asyncio.to_thread(running.enter_context, first)
        async with open_client(first.url, timeout=20) as client:
            for user in people:
                assert (await client.post(f"/api/v1/users/{user.id}/invite", headers=bearer)).status_code == 202
        async with asyncio.timeout(30):
            await server.arrived.wait()
        first.kill()
        server.mode = "take"
        servers = [first]
        if not database_url.startswith("sqlite"):
            servers.append(HeadwayProcess(database_url, tmp_path, SECRET_KEY, **environment))
            await asyncio.to_thread(running.enter_context, servers[1])
        await asyncio.to_thread(first.start)
        await until(lambda: {each.to[0] for each in server.received} == {user.email for user in people}, seconds=60)
        statuses = [await asyncio.to_thread(each.stop) for each in servers]

    assert set(statuses) <= {0, -15}
    ids = {(each.to[0], each.message["Message-ID"]) for each in server.received}
    assert len(ids) == PEOPLE


async def test_the_command_prints_what_the_mail_server_says(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_SMTP_URL", server.url)
    monkeypatch.setenv("HEADWAY_MAIL_FROM", MAIL_FROM)
    monkeypatch.setenv("HEADWAY_PUBLIC_URL", "https://learn.school.example")
    taken = await run_headway("mail", "test", "you@example.org")
    server.mode = "refuse"
    refused = await run_headway("mail", "test", "you@example.org")
    monkeypatch.delenv("HEADWAY_SMTP_URL")
    without = await run_headway("mail", "test", "you@example.org")

    assert json.loads(taken.stdout) == {"to": "you@example.org", "answer": "2.0.0 Queued as 12345"}
    assert [each.to for each in server.received] == [["you@example.org"]]
    assert "https://learn.school.example" in server.received[0].text
    assert refused.returncode == 1
    assert "550 5.1.1" in refused.stderr
    assert without.returncode == 1
    assert "HEADWAY_SMTP_URL" in without.stderr
