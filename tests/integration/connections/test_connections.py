"""What clients may hold with connections: their number, silence, frames of WebSockets, handshakes of TLS."""

import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.databases import SECRET_KEY, Templates
from tests.integration.connections.raw import LIMITS, alive, answer, dial, head, is_alive, metric, rest, unfinished, upgrade
from tests.integration.test_https import Certificate, TlsProcess, make_certificate
from tests.processes import HeadwayProcess


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
        before = metric(server, 'headway_connections_ended_total{cause="idle_time"}')

        assert rest(client) == b""
        assert time.monotonic() - began > 1
        assert metric(server, 'headway_connections_ended_total{cause="idle_time"}') > before


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
        sockets = [dial(server, clients, upgrade()) for _ in range(100)]

        assert is_alive(server)
        assert psutil.Process(server.process.pid).num_fds() < 60 + 64
        assert rest(sockets[-1], seconds=5).startswith(b"HTTP/1.1 101")


class TestWebSockets:
    """Messages as a hostile client frames them."""

    def upgraded(self, server: HeadwayProcess, clients: ExitStack, *fields: str) -> socket.socket:
        client = dial(server, clients, upgrade(*fields))
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
        assert process.memory_info().rss - before < 125_000_000
        assert "Traceback" not in server.log.read_text()
