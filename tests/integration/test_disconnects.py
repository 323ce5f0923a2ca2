"""Clients that leave, or send what is no message: never a fault of the server, always logged and counted as theirs."""

import json
import re
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.processes import PLAIN, HeadwayProcess
from tests.world import World

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

BODY_ROUTES = (
    "/api/v1/learner/auth/login",
    "/api/courses/activity/track",
    "/user-progress/update",
    "/v1/tutorials/progress/a/quiz",
)
HANDSHAKE = (
    b"GET /ws?token=private HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[HeadwayProcess]:
    with HeadwayProcess(settings.database_url, tmp_path, SECRET_KEY) as started:
        yield started


@pytest.fixture
async def token(world: World) -> str:
    # A real server's clock has gone on since the noon of the tests.
    world.clock.now = int(time.time() * 1000)
    return world.tokens.issue(await world.user())


def log_of(server: HeadwayProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def counted(server: HeadwayProcess, pattern: str) -> float:
    """Return the sum of the samples whose lines match."""
    page = httpx.get(f"{server.url}/metrics", verify=PLAIN).text
    return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if re.match(pattern, line))


def wait_until(server: HeadwayProcess, pattern: str, count: float) -> None:
    give_up = time.monotonic() + 20
    while (found := counted(server, pattern)) < count:
        assert time.monotonic() < give_up, f"{found} of {count}: {server.log.read_text()[-3000:]}"
        time.sleep(0.05)


def assert_no_fault_of_the_server(server: HeadwayProcess) -> None:
    assert counted(server, r'api_requests_total{.*status="5') == 0
    assert [line for line in log_of(server) if line["level"] not in {"info", "debug"}] == []
    assert "Traceback" not in server.log.read_text()


def leave(server: HeadwayProcess, *sent: bytes, reset: bool = False) -> None:
    """Send something and go, with or without saying so."""
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        for part in sent:
            client.sendall(part)
            time.sleep(0.02)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_client_that_leaves_in_the_middle_of_a_body_is_counted_as_gone(server: HeadwayProcess, token: str) -> None:
    for path in BODY_ROUTES:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n".encode()
        for reset in (False, True):
            leave(server, head + b"Content-Length: 100\r\n\r\n", reset=reset)
            leave(server, head + b'Content-Length: 100\r\n\r\n{"a"', reset=reset)
            leave(server, head + b"Content-Length: 200000\r\n\r\n", b"x" * 100_000, b"x" * 50_000, reset=reset)
            leave(server, head + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n', b"5\r\n1", reset=reset)
        wait_until(server, rf'api_requests_total{{endpoint="[^"]*{path.rpartition("/")[2]}",status="499"}}', 8)

    assert counted(server, r"headway_rejections_total{.*CLIENT_CLOSED_REQUEST") == 8 * len(BODY_ROUTES)
    assert counted(server, r'api_request_duration_seconds_count{endpoint="/(?!readyz|metrics)') == 0
    assert {line["status"] for line in log_of(server) if line["event"] == "refused"} == {499}
    assert_no_fault_of_the_server(server)


def test_a_client_that_leaves_before_its_answer_has_come_is_no_fault(server: HeadwayProcess, token: str) -> None:
    for path in ("/openapi.json", "/api/v1/courses", "/api/v1/learner/me"):
        for reset in (False, True):
            leave(server, f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode(), reset=reset)

    wait_until(server, r'api_requests_total{endpoint="/(openapi|api/).*status="200"', 6)
    assert_no_fault_of_the_server(server)


def test_what_is_no_http_is_refused_in_a_word(server: HeadwayProcess) -> None:
    for nonsense in (
        b"\x16\x03\x01\x00",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: abc\r\n\r\n",
        b"x" * 200,
    ):
        leave(server, nonsense + b"\r\n\r\n")
    time.sleep(0.2)

    assert_no_fault_of_the_server(server)


def test_head_leaves_the_connection_in_order(server: HeadwayProcess, token: str) -> None:
    with httpx.Client(base_url=server.url, verify=PLAIN, headers={"Authorization": f"Bearer {token}"}) as client:
        for path in ("/livez", "/api/v1/learner/me", "/openapi.json", "/nothing"):
            read, head, again = client.get(path), client.head(path), client.get(path)
            assert (head.status_code, head.content) == (read.status_code, b"")
            assert again.status_code == read.status_code
            if read.status_code == 200:
                assert head.headers["Content-Length"] == read.headers["Content-Length"]
        assert client.options("/api/v1/learner/me").headers["Allow"] == "GET, HEAD, OPTIONS, PATCH"

    assert_no_fault_of_the_server(server)


async def hear_all(client: ClientConnection) -> tuple[list[str], int | None]:
    """Return the codes of all answers until the server closes, and the code with which it does."""
    codes: list[str] = []
    try:
        while True:
            codes.append(json.loads(await client.recv())["code"])
    except ConnectionClosed:
        return codes, client.close_code


NESTED = "[" * 20_000 + "]" * 20_000


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"type":"subscribe","topic":"user:1","x":' + NESTED + "}", 4400),
        ('{"type":' + NESTED, 4400),
        ("", 4400),
        ("{", 4400),
        ('{"type":"subscribe","topic":"\\ud800"}', 4400),
        (b"{}", 4400),
        (b"\x00\xff", 4400),
        ("x" * 70_000, 1009),
    ],
    ids=["deep field", "deep type", "empty", "cut", "surrogate", "binary", "bytes", "large"],
)
async def test_a_message_that_cannot_be_read_closes_with_the_client_s_code(
    server: HeadwayProcess, token: str, message: str | bytes, code: int
) -> None:
    async with connect(server.url.replace("http", "ws", 1) + "/ws") as client:
        await client.send(json.dumps({"type": "auth", "token": token}))
        await client.recv()
        await client.send(message)
        answers, closed_with = await hear_all(client)

    assert (answers, closed_with) == (["BAD_MESSAGE"] if code == 4400 else [], code)
    wait_until(server, r"headway_rejections_total{.*BAD_MESSAGE", 1)
    (line,) = [line for line in log_of(server) if line["event"] == "refused"]
    assert (line["code"], line["level"], line["path"]) == ("BAD_MESSAGE", "info", "/ws")
    assert len(str(line)) < 1_000
    assert_no_fault_of_the_server(server)


async def test_a_first_message_that_cannot_be_read_does_not_authenticate(server: HeadwayProcess) -> None:
    for message in (
        NESTED,
        '{"type":"auth","token":' + NESTED,
        '{"type":"auth","token":5}',
        "{",
        b"{}",
        '{"type":"auth","token":"a"}',
    ):
        async with connect(server.url.replace("http", "ws", 1) + "/ws") as client:
            await client.send(message)
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401

    assert counted(server, r"headway_rejections_total{.*UNAUTHENTICATED") == 6
    assert_no_fault_of_the_server(server)


async def test_messages_that_are_no_requests_are_answered_briefly(server: HeadwayProcess, token: str) -> None:
    long = "x" * 60_000
    messages: list[Any] = [
        {"type": long},
        *({"type": kind, "topic": long} for kind in ("subscribe", "unsubscribe")),
        {"type": 5},
        [],
    ]
    async with connect(server.url.replace("http", "ws", 1) + "/ws") as client:
        await client.send(json.dumps({"type": "auth", "token": token}))
        await client.recv()
        for message in messages:
            await client.send(json.dumps(message))
            answer = await client.recv()
            assert json.loads(answer)["code"] == "BAD_MESSAGE"
            assert len(answer) < 500

    assert counted(server, r"headway_rejections_total{.*BAD_MESSAGE") == 5
    assert_no_fault_of_the_server(server)


def test_live_clients_that_leave_at_any_time_are_no_fault(server: HeadwayProcess, token: str) -> None:
    def frame(payload: bytes) -> bytes:
        return bytes([0x81, 0x80 | 126]) + struct.pack(">H", len(payload)) + bytes(4) + payload

    auth = frame(json.dumps({"type": "auth", "token": token}).encode())
    subscribe = frame(b'{"type":"subscribe","topic":"user:1","after":0}')
    for reset in (False, True):
        for sent in (
            (),
            (auth,),
            (auth[:50],),
            (auth, subscribe),
            (auth + subscribe * 50,),
            (auth, frame(b"\xff\xfe")),
            (frame(b"\xff"),),
        ):
            leave(server, HANDSHAKE, *sent, reset=reset)

    wait_until(server, r'api_requests_total{endpoint="/ws",status="101"}', 14)
    give_up = time.monotonic() + 20
    while counted(server, "headway_live_connections ") > 0:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert_no_fault_of_the_server(server)
    assert "private" not in server.log.read_text()
