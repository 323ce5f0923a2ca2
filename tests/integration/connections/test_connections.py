"""What clients may hold with a connection: headers, bodies, responses that they do not take, time and descriptors."""

import json
import re
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.databases import SECRET_KEY, Templates
from tests.integration.test_https import Certificate, TlsProcess, make_certificate
from tests.processes import HeadwayProcess

LIMITS = {
    "HEADWAY_MAX_CONNECTIONS": "60",
    "HEADWAY_MAX_HEADER_BYTES": "4096",
    "HEADWAY_MAX_HEADER_FIELDS": "20",
    "HEADWAY_HEADER_TIMEOUT_SECONDS": "1",
    "HEADWAY_TRANSFER_TIMEOUT_SECONDS": "1",
    "HEADWAY_TRANSFER_MEGABYTES": "2",
    "HEADWAY_KEEP_ALIVE_SECONDS": "2",
}
LOGIN = "/api/v1/learner/auth/login"
TRACK = "/api/courses/activity/track"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> Iterator[HeadwayProcess]:
    folder = tmp_path_factory.mktemp("connections")
    with HeadwayProcess(templates.copy("sqlite", folder), folder, SECRET_KEY, **LIMITS) as started:
        yield started
        assert started.stop() == 0
        assert "Traceback" not in started.log.read_text()


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    """Closes all sockets of a test."""
    with ExitStack() as opened:
        yield opened


def dial(server: HeadwayProcess, clients: ExitStack, sent: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    clients.enter_context(client)
    client.sendall(sent)
    return client


def head(method: str, path: str, *fields: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: test", *fields, "", "")).encode()


def unfinished(path: str = LOGIN, length: int = 1000) -> bytes:
    return head("POST", path, f"Content-Length: {length}", "Content-Type: application/json") + b'{"email"'


def rest(client: socket.socket, *, seconds: float = 10) -> bytes:
    """Read to the end of the connection, which has to come in time."""
    client.settimeout(seconds)
    parts = []
    with suppress(ConnectionResetError):
        while part := client.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def alive(client: socket.socket) -> None:
    """Read one response of `/livez`, and no more; its head and its body may come apart."""
    client.settimeout(10)
    came = b""
    while not came.endswith(b"}") and (part := client.recv(1)):
        came += part
    assert answer(came)[0] == 200


def trickle(client: socket.socket) -> bytes:
    """Send a byte now and then, for four seconds at most, until there is an answer."""
    client.settimeout(0.05)
    for _ in range(80):
        client.sendall(b" ")
        with suppress(TimeoutError):
            return client.recv(65_536) + rest(client)
    raise TimeoutError


def answer(raw: bytes) -> tuple[int, dict[str, str], Any]:
    """Parse the only response in what came."""
    headers, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = headers.decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert len(body) == int(fields["content-length"])
    return int(first.split()[1]), fields, json.loads(body)


def metric(server: HeadwayProcess, name: str) -> float:
    page = httpx.get(f"{server.url}/metrics", verify=server.verify).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def is_alive(server: HeadwayProcess) -> bool:
    return httpx.get(f"{server.url}/livez", timeout=5, verify=server.verify).status_code == 200


class TestHeaders:
    @pytest.mark.parametrize(
        ("sent", "status", "code"),
        [
            (head("GET", "/livez", f"X: {'x' * 5000}"), 431, "HEADERS_TOO_LARGE"),
            (b"GET /livez HTTP/1.1\r\nHost: test\r\nX: " + b"x" * 5000, 431, "HEADERS_TOO_LARGE"),
            (head("GET", "/livez", *(f"X{number}: 1" for number in range(30))), 431, "HEADERS_TOO_LARGE"),
            (head("GET", f"/livez?{'x' * 5000}"), 414, "URI_TOO_LONG"),
            (b"GET /" + b"x" * 5000, 414, "URI_TOO_LONG"),
            (b"nonsense\r\n\r\n", 400, "BAD_REQUEST"),
            (head("GET", "http:///\xff"), 400, "BAD_REQUEST"),
            (head("GET", "/livez", "Content-Length: x"), 400, "BAD_REQUEST"),
        ],
    )
    def test_beyond_a_limit_or_malformed_are_refused(
        self, server: HeadwayProcess, clients: ExitStack, sent: bytes, status: int, code: str
    ) -> None:
        got, fields, body = answer(rest(dial(server, clients, sent)))

        assert (got, fields["connection"], body["code"]) == (status, "close", code)
        assert fields["content-type"] == "application/problem+json"

    def test_within_their_limits_are_accepted(self, server: HeadwayProcess, clients: ExitStack) -> None:
        fields = [f"X{number}: {'x' * 180}" for number in range(17)]
        got, _, body = answer(rest(dial(server, clients, head("GET", "/livez", "Connection: close", *fields))))

        assert (got, body["status"]) == (200, "ok")

    def test_are_refused_in_the_envelope_of_the_contract(self, server: HeadwayProcess, clients: ExitStack) -> None:
        got, _, body = answer(rest(dial(server, clients, head("GET", "/api/v1/courses", f"X: {'x' * 5000}"))))

        assert (got, body["status"], body["code"]) == (431, "error", "HEADERS_TOO_LARGE")

    def test_that_never_end_are_cut_at_the_limit(self, server: HeadwayProcess, clients: ExitStack) -> None:
        client = dial(server, clients, b"GET /livez HTTP/1.1\r\nX: ")
        before = psutil.Process(server.process.pid).memory_info().rss
        with suppress(ConnectionError):
            client.sendall(b"x" * 80_000_000)

        assert psutil.Process(server.process.pid).memory_info().rss - before < 10_000_000
        assert is_alive(server)

    def test_that_do_not_come_in_time_are_answered_with_408(self, server: HeadwayProcess, clients: ExitStack) -> None:
        got, fields, body = answer(rest(dial(server, clients, b"GET /livez HTTP/1.1\r\nHost: te")))

        assert (got, fields["connection"], body["code"]) == (408, "close", "REQUEST_TIMEOUT")

    def test_that_come_by_the_byte_do_not_gain_time(self, server: HeadwayProcess, clients: ExitStack) -> None:
        assert answer(trickle(dial(server, clients, b"GET /livez HTTP/1.1\r\nHost: ")))[0] == 408

    def test_of_a_second_request_have_their_own_time_and_limit(self, server: HeadwayProcess, clients: ExitStack) -> None:
        client = dial(server, clients, head("GET", "/livez"))
        alive(client)
        client.sendall(head("GET", "/livez", f"X: {'x' * 5000}"))

        assert answer(rest(client))[0] == 431

    def test_after_the_body_are_dropped(self, server: HeadwayProcess, clients: ExitStack) -> None:
        chunked = head("POST", LOGIN, "Transfer-Encoding: chunked", "Connection: close") + b"2\r\n{}\r\n0\r\n"
        trailers = b"".join(b"X%d: 1\r\n" % number for number in range(500))
        got, _, _ = answer(rest(dial(server, clients, chunked + trailers + b"\r\n")))

        assert got == 400  # {} lacks both fields

    def test_after_the_body_have_a_limit(self, server: HeadwayProcess, clients: ExitStack) -> None:
        chunked = head("POST", LOGIN, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\nX: "
        client = dial(server, clients, chunked)
        with suppress(ConnectionError):
            for _ in range(100):
                client.sendall(b"x" * 1_000_000)
        got = rest(client)

        assert got[:12] in {b"HTTP/1.1 413", b""}


class TestConnectionsThatSendNothing:
    def test_are_closed_without_a_word(self, server: HeadwayProcess, clients: ExitStack) -> None:
        before = metric(server, 'headway_connections_ended_total{cause="opening_time"}')

        assert rest(dial(server, clients)) == b""
        assert metric(server, 'headway_connections_ended_total{cause="opening_time"}') == before + 1

    def test_are_kept_for_the_next_request_for_a_while(self, server: HeadwayProcess, clients: ExitStack) -> None:
        client = dial(server, clients, head("GET", "/livez"))
        alive(client)
        time.sleep(1.5)  # longer than the headers may take
        client.sendall(head("GET", "/livez"))
        alive(client)
        began = time.monotonic()

        assert rest(client) == b""
        assert time.monotonic() - began > 1


class TestBodies:
    @pytest.mark.parametrize("path", [LOGIN, "/user-progress/update"])
    def test_that_stop_are_answered_with_408(self, server: HeadwayProcess, clients: ExitStack, path: str) -> None:
        got, fields, body = answer(rest(dial(server, clients, unfinished(LOGIN))))

        assert (got, fields["connection"]) == (408, "close")
        assert (body["status"], body["code"]) == ("error", "REQUEST_TIMEOUT")

    def test_that_come_by_the_byte_gain_no_time(self, server: HeadwayProcess, clients: ExitStack) -> None:
        assert answer(trickle(dial(server, clients, unfinished())))[0] == 408

    def test_that_are_slow_but_come_on_are_accepted(self, server: HeadwayProcess, clients: ExitStack) -> None:
        # 66 kB a second are asked for by these limits, 3.3 kB by the defaults.
        body = b'{"email":"a@example.org","password":"' + b"x" * 600_000 + b'"}'
        client = dial(server, clients, head("POST", LOGIN, f"Content-Length: {len(body)}", "Connection: close"))
        for start in range(0, len(body), 20_000):
            client.sendall(body[start : start + 20_000])
            time.sleep(0.1)

        assert answer(rest(client))[0] in {400, 401}

    def test_that_nobody_reads_do_not_keep_the_connection(self, server: HeadwayProcess, clients: ExitStack) -> None:
        client = dial(server, clients, head("GET", "/livez", "Content-Length: 1000") + b"x")

        assert rest(client).startswith(b"HTTP/1.1 200")

    def test_beyond_the_limit_are_answered_and_their_rest_is_not_awaited(
        self, server: HeadwayProcess, clients: ExitStack
    ) -> None:
        client = dial(server, clients, head("POST", LOGIN, "Content-Length: 10000000000"))
        with suppress(ConnectionError):
            for _ in range(1000):
                client.sendall(b"x" * 10_000)
        client.shutdown(socket.SHUT_WR)

        assert answer(rest(client))[0] == 413

    @pytest.mark.parametrize("size", [2, 900_000])
    def test_malformed_in_the_middle_are_answered(self, server: HeadwayProcess, clients: ExitStack, size: int) -> None:
        chunk = head("POST", LOGIN, "Transfer-Encoding: chunked") + b"%x\r\n" % size + b" " * size + b"\r\n"
        client = dial(server, clients, chunk)
        time.sleep(0.2)
        client.sendall(b"nonsense\r\n")
        got, _, body = answer(rest(client))

        assert (got, body["code"]) == (400, "BAD_REQUEST")

    def test_that_are_unfinished_hold_a_bounded_memory(self, server: HeadwayProcess, clients: ExitStack) -> None:
        process = psutil.Process(server.process.pid)
        before, refused = process.memory_info().rss, metric(server, 'headway_connections_ended_total{cause="memory"}')
        many = [dial(server, clients) for _ in range(20)]
        for client in many:
            client.sendall(unfinished(length=1_000_000) + b" " * 900_000)
        assert is_alive(server)
        answers = [answer(rest(client)) for client in many]

        assert process.memory_info().rss - before < 15_000_000
        assert metric(server, 'headway_connections_ended_total{cause="memory"}') > refused
        refused_early = [fields for status, fields, body in answers if (status, body["code"]) == (429, "RATE_LIMITED")]
        assert len(refused_early) >= 17
        assert {fields["retry-after"] for fields in refused_early} == {"1"}
        assert {status for status, _, _ in answers} <= {408, 429}


class TestResponses:
    def test_that_are_not_taken_end_the_connection(self, server: HeadwayProcess, clients: ExitStack) -> None:
        client = socket.socket()
        clients.enter_context(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", server.port))
        before = metric(server, 'headway_connections_ended_total{cause="transfer_time"}')
        with suppress(ConnectionError):
            for _ in range(60):
                client.sendall(head("GET", "/openapi.json"))
                time.sleep(0.03)
        deadline = time.monotonic() + 10
        while metric(server, 'headway_connections_ended_total{cause="transfer_time"}') == before:
            assert time.monotonic() < deadline
            time.sleep(0.2)

        assert is_alive(server)

    def test_that_are_taken_slowly_arrive(self, server: HeadwayProcess, clients: ExitStack) -> None:
        whole = httpx.get(f"{server.url}/openapi.json").content
        client = socket.socket()
        clients.enter_context(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.connect(("127.0.0.1", server.port))
        client.settimeout(10)
        count = 8
        for _ in range(count):
            client.sendall(head("GET", "/openapi.json"))
        received = 0
        while received < count * len(whole):
            part = client.recv(100_000)
            assert part
            received += len(part)
            time.sleep(0.1)

    def test_of_requests_sent_at_once_are_given_up_with_the_connection(
        self, server: HeadwayProcess, clients: ExitStack
    ) -> None:
        for _ in range(5):
            dial(server, clients, head("GET", "/openapi.json") * 10).close()

        assert is_alive(server)  # and the log of `server` has no traceback

    def test_of_requests_sent_at_once_come_in_order_up_to_a_number(self, server: HeadwayProcess, clients: ExitStack) -> None:
        raw = rest(dial(server, clients, b"".join(head("GET", f"/nothing/{number}") for number in range(1000))))
        answered = re.findall(rb"HTTP/1.1 404", raw)

        assert 10 <= len(answered) <= 30


class TestNumberOfConnections:
    def test_is_limited_and_the_longest_idle_ones_make_room(self, server: HeadwayProcess, clients: ExitStack) -> None:
        idle = [dial(server, clients) for _ in range(200)]
        for client in idle[-10:]:
            client.sendall(head("GET", "/livez", "Connection: close"))

        assert [answer(rest(client))[0] for client in idle[-10:]] == [200] * 10
        assert is_alive(server)
        assert psutil.Process(server.process.pid).num_fds() < 60 + 64
        assert rest(idle[0]) == b""

    def test_counts_clients_of_ws_that_have_not_authenticated(self, server: HeadwayProcess, clients: ExitStack) -> None:
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        upgrade = head("GET", "/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key)
        sockets = [dial(server, clients, upgrade) for _ in range(100)]

        assert is_alive(server)
        assert rest(sockets[0], seconds=5).startswith((b"HTTP/1.1 101", b""))
        assert rest(sockets[-1], seconds=5).startswith(b"HTTP/1.1 101")


class TestWebSockets:
    """Messages as a hostile client frames them."""

    def upgraded(self, server: HeadwayProcess, clients: ExitStack, *fields: str) -> socket.socket:
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key)
        client = dial(server, clients, head("GET", "/ws", *upgrade, *fields))
        assert client.recv(65_536).startswith(b"HTTP/1.1 101")
        return client

    @pytest.mark.parametrize("opcode", [0x09, 0x00], ids=["pings", "empty parts"])
    def test_floods_of_frames_cost_no_memory(self, server: HeadwayProcess, clients: ExitStack, opcode: int) -> None:
        before = psutil.Process(server.process.pid).memory_info().rss
        client = self.upgraded(server, clients)
        client.sendall(struct.pack("!BB", 0x01, 0x80) + bytes(4))  # a message begins
        payload = bytes(100) if opcode else b""
        frames = (struct.pack("!BB", (0x80 if opcode else 0) | opcode, 0x80 | len(payload)) + bytes(4) + payload) * 10_000
        client.settimeout(0.5)
        with suppress(ConnectionError, TimeoutError):
            for _ in range(100):
                client.sendall(frames)

        assert psutil.Process(server.process.pid).memory_info().rss - before < 20_000_000
        assert is_alive(server)

    def test_handshakes_with_odd_headers_are_refused(self, server: HeadwayProcess, clients: ExitStack) -> None:
        for fields in (
            ("Sec-WebSocket-Key: x",),
            ("Sec-WebSocket-Version: 99", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Protocol: \xff",),
        ):
            raw = rest(dial(server, clients, head("GET", "/ws", "Connection: Upgrade", "Upgrade: websocket", *fields)))
            assert raw[:10] == b"HTTP/1.1 4", fields


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "server")


@pytest.fixture(scope="module")
def secure(
    certificate: Certificate, tmp_path_factory: pytest.TempPathFactory, templates: Templates
) -> Iterator[HeadwayProcess]:
    """Two workers that speak HTTPS."""
    folder = tmp_path_factory.mktemp("secure")
    with TlsProcess(
        certificate, templates.copy("postgresql", folder), folder, SECRET_KEY, "--workers", "2", **LIMITS
    ) as started:
        yield started
        assert started.stop() == 0
        assert "Traceback" not in started.log.read_text()


class TestTls:
    def test_handshakes_that_do_not_end_in_time_end_the_connection(self, secure: HeadwayProcess, clients: ExitStack) -> None:
        began = time.monotonic()
        silent, begun = dial(secure, clients), dial(secure, clients, b"\x16\x03\x01\x02\x00\x01")
        assert (rest(silent), rest(begun)) == (b"", b"")
        assert time.monotonic() - began < 5
        assert rest(dial(secure, clients, b"GET / HTTP/1.1\r\n\r\n"))[:4] != b"HTTP"

    def test_idle_connections_without_a_handshake_make_room(self, secure: HeadwayProcess, clients: ExitStack) -> None:
        for _ in range(300):
            dial(secure, clients)

        assert is_alive(secure)

    def test_bodies_that_stop_are_answered(self, secure: HeadwayProcess, certificate: Certificate, clients: ExitStack) -> None:
        raw = dial(secure, clients)
        client = clients.enter_context(certificate.trusted.wrap_socket(raw, server_hostname="127.0.0.1"))
        client.sendall(unfinished())
        parts = b""
        with suppress(ssl.SSLError, ConnectionError):
            while part := client.recv(65_536):
                parts += part

        assert answer(parts)[0] == 408


def test_the_server_is_alive_while_all_is_tried_at_once_with_few_descriptors(
    tmp_path: Path, templates: Templates, clients: ExitStack
) -> None:
    """With the default limits, by which 4,096 connections are allowed where there are descriptors."""
    url = templates.copy("sqlite", tmp_path)
    allowed = HeadwayProcess(url, tmp_path, SECRET_KEY)
    allowed.descriptors = 512
    with allowed as server:
        process = psutil.Process(server.process.pid)
        before = process.memory_info().rss
        for _ in range(600):
            dial(server, clients)
        for _ in range(100):
            dial(server, clients, unfinished(length=1_000_000) + b" " * 990_000)
        headers = dial(server, clients, b"GET /livez HTTP/1.1\r\nX: ")
        with suppress(ConnectionError, TimeoutError):
            for _ in range(80):
                headers.sendall(b"x" * 1_000_000)
        for _ in range(20):
            assert is_alive(server)

        assert process.num_fds() <= 512 - 8
        assert process.memory_info().rss - before < 110_000_000
        assert "Traceback" not in server.log.read_text()
