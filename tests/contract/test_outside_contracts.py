"""Paths that belong to no contract tell errors as problem details (RFC 9457)."""

import httpx
import msgspec
import pytest

from headway.settings import Settings


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/courses", "/api/courses/activity-log", "/apis/courses/activity/x"])
async def test_an_unknown_path_is_told_as_a_problem(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, json={})

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "title": "Not Found",
        "status": 404,
        "code": "NOT_FOUND",
        "detail": "Not Found",
        "request_id": answer.headers["X-Request-Id"],
    }


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/metrics", "/openapi.json", "/docs", "/sdk/headway.js"])
async def test_a_method_that_is_not_allowed_is_told_as_a_problem(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.delete(path)

    assert answer.status_code == 405
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "GET" in answer.headers["Allow"]
    assert (answer.json()["code"], answer.json()["status"]) == ("METHOD_NOT_ALLOWED", 405)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/metrics", "/openapi.json", "/docs", "/sdk/headway.js"])
async def test_no_token_is_needed_to_ask_how_the_server_is_and_what_it_offers(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 200
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("host", [b"learn.example/", b"learn example", b"\xff"])
@pytest.mark.parametrize("path", ["/livez", "/docs", "/nothing", "/api/v1/courses", "/api/courses/activity/track"])
async def test_a_first_host_that_is_none_is_refused_on_every_path(client: httpx.AsyncClient, path: str, host: bytes) -> None:
    refused = await client.get(path, headers=[(b"Host", host)])
    served = await client.get(path, headers=[(b"Host", b"learn.example"), (b"Host", host)])

    assert (refused.status_code, "nvalid host" in refused.text) == (400, True)
    assert served.status_code in {200, 404, 405}


class TestPrivateMetrics:
    """The operator has set that metrics are not for everybody."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, metrics_public=False)

    async def test_metrics_want_a_token(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/metrics")

        assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
