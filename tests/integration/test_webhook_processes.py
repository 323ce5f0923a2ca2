"""Webhooks between processes: receivers that fail, hang and restart, and servers that are killed."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway import schema
from headway.accounts.model import User
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.http.authentication import Tokens
from headway.identity import Role
from headway.instants import system_clock
from headway.services import Services
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.processes import HeadwayProcess, free_port, open_client, run_headway

LEARNERS = 6
ALLOWED = {"HEADWAY_WEBHOOK_ALLOW_HTTP": "true", "HEADWAY_WEBHOOK_ALLOW_PRIVATE_ADDRESSES": "true"}
QUICK = ALLOWED | {"HEADWAY_WEBHOOK_TIMEOUT_SECONDS": "1"}
TYPES = ["enrollment.created", "unit.completed", "module.completed", "unit.completed", "module.completed", "course.completed"]


class ReceiverProcess:
    """A receiver that can be told to fail or to hang, killed, and started again at the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/in"
        self._process: subprocess.Popen[bytes] | None = None

    def be(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode)

    def start(self) -> None:
        script = Path(__file__).with_name("receiver_process.py")
        self._process = subprocess.Popen([sys.executable, str(script), str(self.port), str(self.folder)])

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def taken(self) -> list[dict[str, Any]]:
        file = self.folder / "taken"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[ReceiverProcess]:
    made = ReceiverProcess(tmp_path)
    yield made
    made.kill()


class Class:
    """A course of two modules with learners who are not enrolled yet, in a database that servers use at the same time."""

    def __init__(self, course: CourseTree, people: dict[str, User], tokens: Tokens) -> None:
        self.course = course
        self.learners = [user for name, user in people.items() if name.startswith("learner")]
        self._tokens = tokens
        self.admin = self.bearer(people["admin"])

    def bearer(self, user: User) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens.issue(user)}"}

    async def work(self, client: httpx.AsyncClient, learner: User, step: int) -> None:
        """Take one step of a learner's way: enroll, complete one module, complete the other one."""
        headers, course_id = self.bearer(learner), self.course.id
        if step == 0:
            answer = await client.post(f"/api/v1/courses/{course_id}/enroll", headers=headers)
        else:
            body = {"moduleId": str(self.course.modules[step - 1].id)}
            answer = await client.patch(f"/api/v1/learner/me/progress/{course_id}", json=body, headers=headers)
        assert answer.is_success, answer.text

    async def subscribe(self, client: httpx.AsyncClient, receiver: ReceiverProcess) -> str:
        answer = await client.post("/api/v1/webhooks", json={"url": receiver.url}, headers=self.admin)
        assert answer.status_code == 201, answer.text
        (receiver.folder / "secret").write_text(answer.json()["data"]["secret"])
        webhook_id: str = answer.json()["data"]["id"]
        return webhook_id

    async def deliveries(self, client: httpx.AsyncClient, webhook_id: str, query: str = "") -> list[dict[str, Any]]:
        answer = await client.get(f"/api/v1/webhooks/{webhook_id}/deliveries{query}", headers=self.admin)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    async def hurry(self, client: httpx.AsyncClient, webhook_id: str) -> bool:
        """Have everything that waits sent at once; return whether there was anything."""
        waiting = await self.deliveries(client, webhook_id, "?status=pending")
        for each in waiting:
            path = f"/api/v1/webhooks/{webhook_id}/deliveries/{each['id']}/redeliver"
            assert (await client.post(path, headers=self.admin)).is_success
        return bool(waiting)


@pytest.fixture
async def school_class(database_url: str) -> AsyncIterator[Class]:
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY)
    database = schema.database(settings, for_commands=True)
    await database.open()
    services = Services(settings, database)
    roles = {"admin": Role.ADMIN, "tutor": Role.INSTRUCTOR}
    roles |= {f"learner {number}": Role.PARTICIPANT for number in range(LEARNERS)}
    async with database.write() as tx:
        people = {name: await services.accounts.create(tx, role=role, name=name) for name, role in roles.items()}
        modules = tuple(NewModule(name, units=(NewUnit(name),)) for name in ("First", "Second"))
        new = NewCourse("Course", modules=modules)
        course = await services.course_editing.create(tx, new, owner_id=people["tutor"].id)
    yield Class(course, people, Tokens(SECRET_KEY, system_clock, lifetime_seconds=3_600))
    await services.close()
    await database.close()


async def until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def test_everything_arrives_once_per_id_and_in_order_whoever_fails(
    database_url: str, school_class: Class, receiver: ReceiverProcess, tmp_path: Path
) -> None:
    first = HeadwayProcess(database_url, tmp_path, SECRET_KEY, **QUICK)
    servers = [first]
    if not database_url.startswith("sqlite"):
        servers.append(HeadwayProcess(database_url, tmp_path, SECRET_KEY, **QUICK))
    with ExitStack() as running:
        for server in servers:
            running.enter_context(server)
        clients = [await_client(server) for server in servers]
        receiver.be("fail")
        receiver.start()
        webhook_id = await school_class.subscribe(clients[0], receiver)
        # Other processes notice a new webhook within a second.
        await asyncio.sleep(1.1)

        async def step(number: int) -> None:
            for i, learner in enumerate(school_class.learners):
                await school_class.work(clients[i % len(clients)], learner, number)

        await step(0)
        log = await school_class.deliveries(clients[0], webhook_id)
        assert [each["type"] for each in log] == ["enrollment.created"] * LEARNERS
        receiver.be("hang")
        await step(1)
        await school_class.hurry(clients[0], webhook_id)
        await until(lambda: len(receiver.taken) > 0)
        # Whatever is under way is known to nobody any more.
        first.kill()
        receiver.kill()
        first.start()
        await step(2)
        receiver.be("take")
        receiver.start()
        async with asyncio.timeout(40):
            while await school_class.hurry(clients[0], webhook_id):
                await asyncio.sleep(0.3)
        for client in clients:
            await client.aclose()

    taken = receiver.taken
    once = list({each["id"]: each for each in taken}.values())
    assert len(taken) > len(once), "what hung was sent again"
    assert all(each == {each["id"]: each for each in taken}[each["id"]] for each in taken)
    for learner in school_class.learners:
        own = [each["type"] for each in once if each["data"]["learnerId"] == str(learner.id)]
        assert own == TYPES
    assert len(once) == LEARNERS * len(TYPES)


def await_client(server: HeadwayProcess) -> httpx.AsyncClient:
    return open_client(server.url, timeout=20)


async def test_a_server_that_stops_leaves_nothing_under_way(
    database_url: str, school_class: Class, receiver: ReceiverProcess, tmp_path: Path
) -> None:
    server = HeadwayProcess(database_url, tmp_path, SECRET_KEY, **ALLOWED)
    receiver.be("hang")
    receiver.start()
    with server:
        async with open_client(server.url, timeout=20) as client:
            webhook_id = await school_class.subscribe(client, receiver)
            await school_class.work(client, school_class.learners[0], 0)
            await until(lambda: len(receiver.taken) == 1)
        assert server.stop() == 0
        receiver.be("take")
        server.start()
        async with open_client(server.url, timeout=20) as client:
            # It is not waited for: the server that stopped gave it back.
            await until(lambda: len(receiver.taken) == 2, seconds=10)
            log = await school_class.deliveries(client, webhook_id)

    assert {each["id"] for each in receiver.taken} == {each["webhookId"] for each in log}


@contextmanager
def documented_receiver(folder: Path, secret: str, port: int) -> Iterator["subprocess.Popen[str]"]:
    """Run the receiver of the documentation."""
    document = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
    (source,) = re.findall(r"^```python\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    (folder / "receiver.py").write_text(source)
    command = [sys.executable, "receiver.py", str(port)]
    process = subprocess.Popen(
        command, cwd=folder, env={"WEBHOOK_SECRET": secret}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def test_the_documented_receiver_and_commands_work(database_url: str, school_class: Class, tmp_path: Path) -> None:
    async def webhook(*arguments: str) -> Any:
        return json.loads((await run_headway("webhook", *arguments, "--database", database_url)).stdout)

    port = free_port()
    environment = ALLOWED | {"HEADWAY_SECRET_KEY": SECRET_KEY}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        url = f"http://127.0.0.1:{port}/"
        flags = ("--url", url, "--event", "enrollment.created")
        created = await webhook("create", *flags)
        assert (await webhook("disable", created["id"]))["enabled"] is False
        assert (await webhook("enable", created["id"]))["enabled"] is True
        listed = await webhook("list")
    assert created == listed[0] | {"secret": created["secret"]}
    learner = school_class.learners[0]
    with (
        documented_receiver(tmp_path, created["secret"], port) as receiver,
        HeadwayProcess(database_url, tmp_path, SECRET_KEY, **ALLOWED) as server,
    ):
        async with open_client(server.url, timeout=20) as client:
            await school_class.work(client, learner, 0)
            await school_class.work(client, learner, 1)
        assert receiver.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(receiver.stdout.readline), 20)
        assert server.stop() == 0

    assert line.startswith("enrollment.created {")
    assert f"'learnerId': '{learner.id}'" in line
