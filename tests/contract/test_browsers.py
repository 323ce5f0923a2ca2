"""What browsers are told: which pages may call, what they may read, and what may be done with an answer."""

import re
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from sqlalchemy import text

from headway.settings import Settings
from tests.app_server import open_server
from tests.world import FakeClock, World

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OURS, ELSEWHERE = "https://learn.example", "https://elsewhere.example"
CONTRACTS = [
    ("POST", "/api/courses/activity/track"),
    ("POST", "/user-progress/update"),
    ("GET", "/user-progress/1/2"),
    ("PATCH", "/api/v1/learner/me"),
    ("DELETE", "/api/v1/courses/1/enroll"),
]
Server = tuple[httpx.AsyncClient, World]


@pytest.fixture
async def server(settings: Settings, clock: FakeClock) -> AsyncIterator[Server]:
    settings = msgspec.structs.replace(
        settings, allowed_origins=f"{OURS}, https://other.example/", failed_sign_ins_per_client=1
    )
    async with open_server(settings, clock) as both:
        yield both


class TestOrigins:
    @pytest.mark.parametrize(("method", "path"), CONTRACTS)
    async def test_a_page_of_an_allowed_origin_may_ask(self, server: Server, method: str, path: str) -> None:
        wanted = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type"}
        answer = await server[0].options(path, headers={"Origin": OURS, **wanted})

        assert answer.status_code == 204
        assert answer.headers["Access-Control-Allow-Origin"] == OURS
        assert method in answer.headers["Access-Control-Allow-Methods"] or answer.headers["Access-Control-Allow-Methods"] == "*"
        allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
        assert allowed >= {"authorization", "content-type", "idempotency-key", "if-none-match", "x-request-id"}
        assert "Access-Control-Allow-Credentials" not in answer.headers

    @pytest.mark.parametrize(("method", "path"), CONTRACTS)
    async def test_a_page_of_another_origin_may_not(self, server: Server, method: str, path: str) -> None:
        answer = await server[0].options(path, headers={"Origin": ELSEWHERE, "Access-Control-Request-Method": method})

        assert answer.status_code == 400
        assert "Access-Control-Allow-Origin" not in answer.headers

    async def test_a_header_that_is_not_wanted_is_refused(self, server: Server) -> None:
        wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-anything"}

        assert (await server[0].options(CONTRACTS[0][1], headers={"Origin": OURS, **wanted})).status_code == 400

    @pytest.mark.parametrize(
        ("method", "path"), [*CONTRACTS, ("GET", "/api/v1/courses"), ("GET", "/nothing"), ("PUT", "/livez")]
    )
    async def test_answers_and_errors_may_be_read_by_allowed_pages_only(self, server: Server, method: str, path: str) -> None:
        answers = [await server[0].request(method, path, headers={"Origin": origin}) for origin in (OURS, ELSEWHERE)]

        assert answers[0].headers["Access-Control-Allow-Origin"] == OURS
        assert "Origin" in answers[0].headers["Vary"]
        exposed = {name.strip() for name in answers[0].headers["Access-Control-Expose-Headers"].split(",")}
        assert exposed >= {"Date", "ETag", "Idempotency-Replayed", "Retry-After", "X-Request-Id"}
        assert "Access-Control-Allow-Origin" not in answers[1].headers

    async def test_so_may_be_one_that_has_to_wait(self, server: Server) -> None:
        wrong = {"email": "nobody@example.org", "password": "Nobody-Knows-1"}
        for _ in range(2):
            answer = await server[0].post("/api/v1/learner/auth/login", json=wrong, headers={"Origin": OURS})

        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (429, OURS)
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]

    async def test_so_may_a_failure_of_the_server(self, server: Server) -> None:
        client, world = server
        course = await world.course()
        headers = {"Origin": OURS, **world.bearer(await world.learner(course))}
        async with world.database.write() as tx:
            for table in ("learner_activity_logs", "alembic_version"):
                await tx.all(text(f"DROP TABLE {table}"))
        event = {"activity_type": "search", "course_id": course.id}

        for answer in (
            await client.post("/api/courses/activity/track", json=event, headers=headers),
            await client.get("/readyz", headers=headers),
        ):
            assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (500, OURS)
            assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]

    async def test_no_page_of_another_origin_may_call_where_none_is_allowed(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/v1/courses", headers={"Origin": OURS})

        assert not [name for name in answer.headers if name.startswith("access-control")]


class TestSafeHeaders:
    @pytest.mark.parametrize(
        ("method", "path"),
        [*CONTRACTS, ("GET", "/api/v1/courses"), ("GET", "/livez"), ("GET", "/metrics"), ("GET", "/nothing")],
    )
    async def test_an_answer_is_data_and_nothing_else(self, client: httpx.AsyncClient, method: str, path: str) -> None:
        answer = await client.request(method, path)

        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in answer.headers

    async def test_an_answer_that_may_be_kept_says_so_itself(self, server: Server) -> None:
        client, world = server
        course = await world.course()
        learner = await world.learner(course)
        answer = await client.get(f"/user-progress/{course.id}/{learner.id}", headers=world.bearer(learner))

        assert answer.headers["ETag"]
        assert answer.headers.get_list("Cache-Control") == ["private, no-cache"]

    async def test_the_page_of_the_interface_runs_files_of_this_server_only(self, client: httpx.AsyncClient) -> None:
        page = await client.get("/docs")

        policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
        assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
        loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
        assert len(loaded) == 3
        assert not re.search(r"<script>|<script(?![^>]* src=)|<style|\son\w+=", page.text)
        for path in loaded:
            asset = await client.get(path)
            assert asset.status_code == 200
            kind = "text/css" if path.endswith(".css") else "text/javascript"
            assert asset.headers["Content-Type"].startswith(kind)
