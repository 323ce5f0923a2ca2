"""`/sdk` serves the browser tracker to pages of any origin; a name with the hash of the content may be kept forever."""

import base64
import gzip
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

import headway
from headway.settings import Settings
from tests.app_server import open_server
from tests.world import FakeClock

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FOLDER = Path(headway.__file__).parent / "web" / "static" / "sdk"
INTEGRITY = msgspec.json.decode((FOLDER / "integrity.json").read_bytes())
LOADED = ["headway.js", "headway.mjs", "headway-video.js"]
OTHERS = [*(f"{name}.map" for name in LOADED), "integrity.json"]
OURS = "https://learn.example"


@pytest.mark.parametrize("name", [*LOADED, *OTHERS])
async def test_a_file_is_looked_at_again_before_it_is_used(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/sdk/{name}")

    assert (answer.status_code, answer.content) == (200, (FOLDER / name).read_bytes())
    assert answer.headers.get_list("Cache-Control") == ["public, no-cache"]
    assert answer.headers["Content-Type"].partition(";")[0] == ("text/javascript" if name in LOADED else "application/json")


@pytest.mark.parametrize("name", LOADED)
async def test_a_file_with_its_hash_in_the_name_is_kept_forever(client: httpx.AsyncClient, name: str) -> None:
    plain, hashed = await client.get(f"/sdk/{name}"), await client.get(f"/sdk/{INTEGRITY[name]['hashed']}")

    assert (hashed.status_code, hashed.content, hashed.headers["ETag"]) == (200, plain.content, plain.headers["ETag"])
    assert hashed.headers.get_list("Cache-Control") == ["public, max-age=31536000, immutable"]


@pytest.mark.parametrize("name", LOADED)
async def test_the_integrity_is_that_of_the_served_file(client: httpx.AsyncClient, name: str) -> None:
    stated = (await client.get("/sdk/integrity.json")).json()[name]
    digest = hashlib.sha384((await client.get(f"/sdk/{name}")).content).digest()

    assert stated["integrity"] == f"sha384-{base64.b64encode(digest).decode()}"
    assert digest.hex()[:16] in stated["hashed"]


@pytest.mark.parametrize("name", LOADED)
async def test_a_file_leads_to_its_source_map(client: httpx.AsyncClient, name: str) -> None:
    for each in (name, INTEGRITY[name]["hashed"]):
        answer = await client.get(f"/sdk/{each}")
        source_map = (await client.get(str(answer.url.join(answer.headers["SourceMap"])))).json()
        assert source_map["file"] == name
        assert len(source_map["sources"]) == len(source_map["sourcesContent"]) > 0


@pytest.mark.parametrize("name", OTHERS)
async def test_another_file_has_no_source_map(client: httpx.AsyncClient, name: str) -> None:
    assert "SourceMap" not in (await client.get(f"/sdk/{name}")).headers


@pytest.mark.parametrize(("name", "kibibytes"), [("headway.js", 6), ("headway.mjs", 6), ("headway-video.js", 2.5)])
async def test_a_file_is_small_as_it_is_sent(client: httpx.AsyncClient, name: str, kibibytes: float) -> None:
    answer = await client.get(f"/sdk/{name}", headers={"Accept-Encoding": "gzip"})

    assert int(answer.headers["Content-Length"]) <= kibibytes * 1024


@pytest.mark.parametrize("tags", ["{etag}", 'W/"other", {etag}', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_client_that_has_the_file_is_told_so(client: httpx.AsyncClient, method: str, tags: str) -> None:
    etag = (await client.get("/sdk/headway.js")).headers["ETag"]

    answer = await client.request(method, "/sdk/headway.js", headers={"If-None-Match": tags.format(etag=etag)})

    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)
    assert answer.headers["Cache-Control"] == "public, no-cache"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip, deflate, br, zstd", True),
        ("GZIP", True),
        ("br;q=1.0, gzip;q=0.8", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
    ],
)
async def test_a_file_is_compressed_for_those_who_accept_it(
    client: httpx.AsyncClient, accepted: str, *, is_compressed: bool
) -> None:
    async with client.stream("GET", "/sdk/headway.js", headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])

    assert answer.headers.get("Content-Encoding") == ("gzip" if is_compressed else None)
    assert int(answer.headers["Content-Length"]) == len(raw)
    assert (gzip.decompress(raw) if is_compressed else raw) == (FOLDER / "headway.js").read_bytes()
    assert answer.headers["Vary"] == "Accept-Encoding"


class TestPagesOfOtherOrigins:
    @pytest.fixture
    async def server(self, settings: Settings, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
        async with open_server(msgspec.structs.replace(settings, allowed_origins=OURS), clock) as (client, _):
            yield client

    @pytest.mark.parametrize("origin", [None, OURS, "https://elsewhere.example"])
    async def test_every_page_may_load_and_read_it(self, server: httpx.AsyncClient, origin: str | None) -> None:
        answer = await server.get("/sdk/headway.js", headers={} if origin is None else {"Origin": origin})

        assert answer.headers.get_list("Access-Control-Allow-Origin") in (["*"], [origin])
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Accept-Encoding" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "path", ["/sdk", "/sdk/", "/sdk/nothing.js", "/sdk/headway-0000000000000000.js", "/sdk/..%2Fdocs.py", "/sdk/a/b"]
)
async def test_an_unknown_file_is_a_problem(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "NOT_FOUND"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_caller_is_neither_needed_nor_looked_at(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        assert (await client.get("/sdk/headway.js", headers=headers)).status_code == 200
