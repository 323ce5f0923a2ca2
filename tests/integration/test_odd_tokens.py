"""Correctly signed tokens with odd claims, Headway's own and those of an identity provider: 401 wherever they are shown."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from headway.http.middleware import RequestMiddleware
from headway.ids import MAX_EXTERNAL_ID
from headway.instants import SECOND
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.unit.provider import CLAIMS, key_set, rsa_key
from tests.world import NOON, World

PROVIDER = rsa_key("rsa-1")
LATER = NOON // SECOND + 3600
DEEP: Any = json.loads("[" * 300 + "]" * 300)
ODD: list[Any] = [
    *(None, True, False, [], ["1"], {}, {"a": [1]}, DEEP),
    *(-1, 1.5, 10**400, -(10**400), 1e308, float("nan"), float("inf"), 2**63),
    *("", " ", "1 ", "+1", "1_0", "0", "-1", "1.0", "\u0661", "1" * 400, "1\0", "\ud800", "1\n", "x" * 5_000),
]


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    keys = tmp_path / "keys.json"
    keys.write_bytes(key_set(PROVIDER))
    return msgspec.structs.replace(settings, idp_issuer=CLAIMS["iss"], idp_audience=CLAIMS["aud"], idp_keys=str(keys))


def own(claims: dict[str, Any]) -> str:
    return jwt.api_jws.encode(json.dumps(claims).encode(), SECRET_KEY, "HS256", headers={"typ": "JWT"})


def outside(claims: dict[str, Any]) -> str:
    assert isinstance(PROVIDER.private, rsa.RSAPrivateKey)
    return jwt.api_jws.encode(json.dumps(claims).encode(), PROVIDER.private, "RS256", headers={"kid": PROVIDER.key_id})


def odd(claims: dict[str, Any], *names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        yield from ({**claims, name: value} for value in ODD)


async def close_code(app: RequestMiddleware, token: str) -> int:
    """Connect to /ws, authenticate with a token, and return the code with which the server closes."""
    asgi: Any = app
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: list[dict[str, Any]] = []
    messages.put_nowait({"type": "websocket.connect"})
    messages.put_nowait({"type": "websocket.receive", "text": json.dumps({"type": "auth", "token": token})})
    scope = {"type": "websocket", "scheme": "ws", "path": "/ws", "raw_path": b"/ws", "query_string": b"", "headers": []}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "websocket.send":
            messages.put_nowait({"type": "websocket.disconnect", "code": 1000})

    await asgi(scope | {"root_path": "", "subprotocols": [], "client": ("1.2.3.4", 5)}, messages.get, send)
    return int(sent[-1].get("code", 1000))


async def statuses(client: httpx.AsyncClient, app: RequestMiddleware, token: str) -> list[int]:
    headers = {"Authorization": f"Bearer {token}"}
    read = await client.get("/api/v1/learner/me", headers=headers)
    public = await client.get("/api/v1/courses", headers=headers)
    raw = await client.post("/api/courses/activity/track", json={}, headers=headers)
    return [read.status_code, public.status_code, raw.status_code, await close_code(app, token)]


async def test_an_own_token_with_an_odd_claim_is_not_taken(
    client: httpx.AsyncClient, app: RequestMiddleware, world: World
) -> None:
    user = await world.user()
    genuine = {
        "iss": "headway",
        "aud": "headway",
        "typ": "access",
        "sub": str(user.id),
        "ver": user.token_version,
        "exp": LATER,
    }
    assert await statuses(client, app, own(genuine)) == [200, 200, 400, 1000]

    for claims in odd(genuine, "sub", "ver", "exp", "iss", "aud", "typ"):
        assert await statuses(client, app, own(claims)) == [401, 401, 401, 4401], claims
    for claims in odd(genuine, "sid"):
        # An id of a session is any short word: that there is no such session is not an odd claim.
        is_word = claims["sid"] is None or (isinstance(claims["sid"], str) and re.fullmatch("[!-~]{1,100}", claims["sid"]))
        assert await statuses(client, app, own(claims)) == ([200, 200, 400, 1000] if is_word else [401, 401, 401, 4401]), claims


async def test_a_refresh_token_with_an_odd_claim_is_not_taken(client: httpx.AsyncClient, world: World) -> None:
    user = await world.user()
    genuine = {"iss": "headway", "aud": "headway", "typ": "refresh", "sub": str(user.id), "sid": "x", "gen": 1, "exp": LATER}

    for claims in odd(genuine, "sub", "sid", "gen", "exp", "iss", "aud", "typ"):
        answer = await client.post("/api/v1/learner/auth/refresh", json={"refreshToken": own(claims)})
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED"), claims


async def test_an_outside_token_with_an_odd_claim_is_not_taken(client: httpx.AsyncClient, app: RequestMiddleware) -> None:
    assert await statuses(client, app, outside({**CLAIMS, "exp": LATER})) == [200, 200, 400, 1000]

    for claims in odd({**CLAIMS, "exp": LATER}, "exp", "nbf", "iss", "aud"):
        taken = json.dumps(claims) == json.dumps({**CLAIMS, "exp": LATER, "nbf": None}) or claims.get("nbf") == 1.5
        assert (await statuses(client, app, outside(claims)))[0] == (200 if taken else 401), claims
    for claims in odd({**CLAIMS, "exp": LATER}, "sub"):
        taken = isinstance(claims["sub"], str) and 1 <= len(claims["sub"]) <= MAX_EXTERNAL_ID and "\0" not in claims["sub"]
        assert (await statuses(client, app, outside(claims)))[0] == (200 if taken and claims["sub"] != "\ud800" else 401), (
            claims
        )


async def test_an_odd_name_of_an_outside_token_is_replaced_by_the_subject(client: httpx.AsyncClient) -> None:
    for number, claims in enumerate(odd({**CLAIMS, "exp": LATER}, "name", "preferred_username")):
        subject = f"subject-{number}"
        headers = {"Authorization": f"Bearer {outside({**claims, 'sub': subject})}"}
        answer = await client.get("/api/v1/learner/me", headers=headers)
        assert answer.status_code == 200
        assert 1 <= len(answer.json()["data"]["name"]) <= 200


@pytest.mark.parametrize(
    "header",
    [
        '{"alg": ["HS256"]}',
        '{"alg": {"HS256": 1}}',
        '{"alg": null}',
        '{"alg": "RS256", "kid": ["rsa-1"]}',
        '{"alg": "RS256", "kid": {}}',
        '{"alg": "RS256", "crit": 5}',
        '{"alg": "HS256", "b64": false}',
        "[" * 5_000,
        "5",
        '{"alg": ' + "9" * 6_000 + "}",
    ],
    ids=lambda header: header[:30],
)
async def test_a_token_with_an_odd_header_is_not_taken(client: httpx.AsyncClient, app: RequestMiddleware, header: str) -> None:
    encode = jwt.utils.base64url_encode
    token = b".".join([encode(header.encode()), encode(json.dumps(CLAIMS).encode()), b"AAAA"]).decode()

    assert await statuses(client, app, token) == [401, 401, 401, 4401]


async def test_a_token_with_characters_that_a_decoder_skips_is_another_token(
    client: httpx.AsyncClient, app: RequestMiddleware, world: World
) -> None:
    token = world.tokens.issue(await world.user())

    for other in (f"{token}!", f"{token}====", token.replace(".", ".*", 1), f"{token}{'!' * 50_000}", token + "A" * 9_000):
        assert await statuses(client, app, other) == [401, 401, 401, 4401]
