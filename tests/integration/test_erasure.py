"""After an erasure nothing tells who the person was: not the database, nor any answer, page, log line, export or webhook."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from sqlalchemy import select, update

from headway import schema
from headway.audit.tables import audit_entries, audit_redactions
from headway.audit.verify import verify_log
from headway.db.compacting import compact, compact_postgres
from headway.db.tables import personal_keys
from headway.db.types import ENCRYPTED_ROWS
from headway.errors import Invalid
from headway.identity import ERASED_NAME
from headway.privacy import receipts
from headway.settings import Settings
from headway.webhooks.tables import webhook_deliveries
from tests.app_server import start_app
from tests.contract.rates import WITHOUT_RATE_LIMITS
from tests.contract.rights.conftest import School
from tests.contract.rights.test_rights import MATRIX
from tests.databases import SECRET_KEY
from tests.integration.concurrency import differences
from tests.integration.erased_lives import ADDRESS, AGENT, CLIENT, ERASED, NAME, PASSWORD, PERSONAL, Life, found_in
from tests.integration.test_encryption import stored
from tests.pages.test_rights import PAGES
from tests.processes import run_headway
from tests.world import FakeClock, World

NOT_OF_AN_ACCOUNT = {
    *(f"audit_entries.{name}" for name in ("action", "actor_id", "target_id", "content")),
    *(f"invitations.{name}" for name in ("email", "email_hash", "link_hash")),
    *(f"registrations.{name}" for name in ("content", "email_hash", "link_hash", "password_hash")),
    *("feed.data", "uncounted_events.event_id"),
}
"""What is found by other words than the id of an account: `found_in` looks for it. Events that do not count have their test."""
REQUEST = {"reason": "request", "confirmation": ADDRESS}


@asynccontextmanager
async def a_life(settings: Settings, clock: FakeClock) -> AsyncIterator[Life]:
    """Start a server with a school, in which the person has lived."""
    unlimited: dict[str, Any] = WITHOUT_RATE_LIMITS
    settings = msgspec.structs.replace(settings, **unlimited)
    async with start_app(settings, clock) as made:
        asgi: Any = made
        database = schema.database(settings)
        await database.open()
        here, there = httpx.ASGITransport(asgi, client=(CLIENT, 4242)), httpx.ASGITransport(asgi)
        async with (
            httpx.AsyncClient(transport=here, base_url="http://headway.test", headers={"User-Agent": AGENT}) as client,
            httpx.AsyncClient(transport=there, base_url="http://headway.test") as others,
        ):
            school = School(World(database, settings, clock), others)
            await school.build()
            life = Life(school, client)
            await life.live()
            yield life
        await database.close()


async def values_of(world: World, user_id: int) -> dict[str, set[Any]]:
    """Read what is in the columns that an erasure empties, of a person; texts under personal keys in clear."""
    found: dict[str, set[Any]] = {}
    for name in (*PERSONAL, *ERASED):
        table_name, _, column_name = name.partition(".")
        table = schema.metadata.tables[table_name]
        column, owner = table.c[column_name], table.c.get("id" if table_name == "users" else "user_id")
        if owner is None:
            continue
        values = {value for (value,) in await world.rows(select(column).where(owner == user_id)) if value}
        if ENCRYPTED_ROWS in column.info and table_name != "personal_keys":
            values = set(await world.decrypt(*sorted(values)))
        if values:
            found[name] = values
    return found


async def samples(settings: Settings) -> str:
    """Read the values that PostgreSQL keeps to plan queries."""
    connection = await asyncpg.connect(settings.database_url)
    kept = "string_agg(concat(most_common_vals::text, histogram_bounds::text), ' ')"
    found: str = await connection.fetchval(f"SELECT {kept} FROM pg_stats WHERE schemaname = 'public'")  # noqa: S608 - constants
    await connection.close()
    return found


async def erase(life: Life, **changed: str) -> httpx.Response:
    return await life.school.ask("admin", "POST", "/api/v1/users/{zq}/erasure", REQUEST | changed)


async def read_everything(life: Life) -> dict[str, httpx.Response]:
    """Read every route and page that there is, as everybody who may."""
    school = life.school
    school.ids |= {"learner_id": school.ids["zq"]}
    routes = {f"/api/v1{access.path}" for access in MATRIX if access.route.startswith("GET ")}
    described = (await school.client.get("/openapi.json")).json()["paths"]
    names = {"user_id": "{zq}", "course_id": "{course}", "tutorial_id": "done", "activity_id": "none", "erasure_id": "1"}
    routes |= {
        re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], f"{{{found[1].removesuffix('_id')}}}"), path)
        for path, operations in described.items()
        if "get" in operations
    }
    routes |= {
        "/api/v1/learner/messages?with={zq}",
        "/api/v1/activities?limit=100",
        "/api/v1/learner/feed?topic=course:{course}&after=0",
    }
    answers = {}
    for role in ("admin", "tutor", "peer"):
        for path in sorted(routes):
            answers[f"{role} {path}"] = await school.ask(role, "GET", path)
        cookie = {"Cookie": f"headway-access={school.world.tokens.issue(school.people[role])}"}
        for path in (*PAGES, "/app/messages/{zq}"):
            answers[f"{role} {path}"] = await school.client.get(school.filled(path), headers=cookie)
    return answers


async def test_after_an_erasure_nothing_tells_who_the_person_was(
    settings: Settings, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with a_life(settings, clock) as life:
        world = life.world
        before = await read_everything(life)
        known = {name for answer in before.values() for name in found_in(answer.content)}
        # The work, the session and so on are shown to the person alone, or to nobody.
        assert known >= {"name", "address", "message sent", "message received", "feedback", "note", "activity", "client"}
        assert sum(answer.status_code == 200 for answer in before.values()) > 150
        progress = await life.school.ask("tutor", "GET", "/user-progress/{course}/{zq}")
        held = await values_of(world, life.user_id)
        assert {*PERSONAL, *ERASED} - held.keys() == NOT_OF_AN_ACCOUNT
        if not settings.is_sqlite:
            await compact_postgres(settings.database_url, timeout_seconds=5)
        capsys.readouterr()

        answer = await erase(life)

        assert answer.status_code == 201, answer.text
        receipt = answer.json()["data"]
        assert found_in(answer.content) == []
        erased = receipt["receipt"]["erased"]
        assert (erased["messages"], erased["submissions"], erased["notes"], erased["rosterPlaces"]) == (4, 1, 1, 1)
        assert min(erased[kind] for kind in ("sessions", "eventsStripped", "auditContents", "auditEntriesChanged")) > 0
        after = await read_everything(life)
        assert {path: found for path, each in after.items() if (found := found_in(each.content))} == {}
        assert sum(each.status_code == 200 for each in after.values()) > 150
        assert ERASED_NAME in after["tutor /api/v1/courses/{course}/enrollments"].text
        if settings.is_sqlite:
            compact(settings.sqlite_path, timeout_seconds=5)
        else:
            assert "name" in found_in(await samples(settings))
            await compact_postgres(settings.database_url, timeout_seconds=5)
            assert found_in(await samples(settings)) == []
        assert found_in(stored(settings)) == []
        world.database.known_keys.forget(None)
        left = await values_of(world, life.user_id)
        assert {name: both for name, values in held.items() if (both := values & left.get(name, set()))} == {}
        assert found_in("".join(capsys.readouterr())) == []
        assert (await world.read(verify_log, kept_head=None)).faults == []
        assert await differences(world) == []
        kept = (await life.school.ask("tutor", "GET", "/user-progress/{course}/{zq}")).json()
        was, now = (each["results"]["enrollments"] for each in (progress.json(), kept))
        assert {name for name in was if was[name] != now[name]} == {
            "certificateUrl",
            "enrollment_updated_at",
            "enrollmentStatus",
        }


async def test_the_person_cannot_come_back_and_seats_are_free(settings: Settings, clock: FakeClock) -> None:
    async with a_life(settings, clock) as life:
        waiting = await life.world.user()
        await life.world.write(life.world.services.enrollments.enroll_or_wait, waiting.id, int(life.school.ids["seats"]))
        person = life.world.bearer(await life.world.find_user(life.user_id))
        await erase(life)

        assert (await life.client.get("/api/v1/learner/me", headers=person)).status_code == 401
        signing_in = {"email": ADDRESS, "password": PASSWORD}
        assert (await life.client.post("/api/v1/learner/auth/login", json=signing_in)).status_code == 401
        seated = await life.world.read(life.world.services.enrollments.find, waiting.id, int(life.school.ids["seats"]))
        assert seated is not None
        deliveries = await life.world.rows(
            select(webhook_deliveries.c.type).where(webhook_deliveries.c.user_id == life.user_id)
        )
        assert {kind for (kind,) in deliveries} <= {"enrollment.dropped", "waiting_list.left"}
        text = {"receiverId": "{zq}", "message": "Are you there?"}
        assert (await life.school.ask("peer", "POST", "/api/v1/learner/messages", text)).status_code == 403
        # The response to a request that told of the person cannot be repeated; nor is the request acted on again.
        again = await life.school.ask("system", "POST", "/api/v1/activities", life.told, **life.key)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "RESPONSE_ERASED")
        made = await life.client.post(
            "/api/v1/learner/auth/register", json={"name": NAME, "email": ADDRESS, "password": PASSWORD}
        )
        assert (made.status_code, made.json()["data"]["id"] == str(life.user_id)) == (201, False)


async def test_a_receipt_is_verified_offline_and_a_changed_one_is_not(settings: Settings, clock: FakeClock) -> None:
    async with a_life(settings, clock) as life:
        made = (await erase(life)).json()["data"]
        key = (await life.school.ask("admin", "GET", "/api/v1/erasures/key")).json()["data"]["publicKey"]
        read = (await life.school.ask("admin", "GET", f"/api/v1/erasures/{made['id']}")).json()["data"]
        listed = (await life.school.ask("admin", "GET", "/api/v1/erasures")).json()["data"]
        repeated = (await erase(life)).json()["data"]

        assert made == read == listed[0] == repeated
        assert receipts.verify(msgspec.json.encode(made), key).user_id == str(life.user_id)
        for field, value in (("userId", "1"), ("erasedAt", "2020-01-01T00:00:00.000Z"), ("erased", {}), ("more", 1)):
            forged = made | {"receipt": made["receipt"] | {field: value}}
            with pytest.raises(Invalid):
                receipts.verify(msgspec.json.encode(forged), key)
        with pytest.raises(Invalid):
            receipts.verify(msgspec.json.encode(made), receipts.public_key_of(receipts.new_private_key()))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (update(audit_entries).where(audit_entries.c.action == "LOGIN").values(content=""), None),
        (update(audit_entries).where(audit_entries.c.action == "LOGIN").values(performed_at=1), "was changed"),
        (update(audit_entries).where(audit_entries.c.action == "INVITE_LEARNER").values(content=""), "no erasure tells why"),
        (update(audit_redactions).values(hash="0" * 64), "tells of other changed entries"),
        (update(personal_keys).where(personal_keys.c.key != "").values(key=""), "no erasure tells why"),
    ],
    ids=["an erased content", "an erased entry", "another content", "another note", "another key"],
)
async def test_an_erasure_excuses_nothing_else(settings: Settings, clock: FakeClock, change: Any, fault: str | None) -> None:
    async with a_life(settings, clock) as life:
        await erase(life)
        async with life.world.database.write() as tx:
            await tx.run(change)
        life.world.database.known_keys.forget(None)

        faults = [each.fault for each in (await life.world.read(verify_log, kept_head=None)).faults]

        assert (faults == []) if fault is None else any(fault in each for each in faults), faults


async def test_who_may_be_erased(settings: Settings, clock: FakeClock) -> None:
    async with a_life(settings, clock) as life:
        ask, school = life.school.ask, life.school

        async def refused(role: str, person: str, **changed: str) -> tuple[int, str]:
            body = {"reason": "request", "confirmation": school.ids[person]} | changed
            answer = await ask(role, "POST", f"/api/v1/users/{{{person}}}/erasure", body)
            return answer.status_code, answer.json()["code"]

        assert await refused("tutor", "zq") == (403, "FORBIDDEN")
        assert await refused("system", "zq") == (403, "FORBIDDEN")
        assert await refused("admin", "admin_id") == (409, "OWN_ACCOUNT")
        assert await refused("admin", "tutor_id") == (409, "LAST_OWNER")
        assert (await refused("admin", "zq", confirmation="somebody@else.example"))[0] == 400
        assert (await ask("admin", "POST", "/api/v1/users/999999/erasure", REQUEST)).status_code == 404
        assert (await life.world.find_user(life.user_id)).name == NAME
        assert (await erase(life)).status_code == 201
        last = await run_headway(
            *("user", "erase", school.ids["admin_id"], "--confirm", school.ids["admin_id"]),
            *("--database", settings.database_url),
            secret_key=SECRET_KEY,
        )
        assert (last.returncode, last.stderr) == (1, "Error: This is the last administrator: make another one first.\n")
