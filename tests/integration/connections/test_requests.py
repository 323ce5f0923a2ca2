"""What clients may hold with a request: headers, bodies, and responses that they do not take, and for how long."""

import re
import socket
import time
from contextlib import ExitStack, suppress

import httpx
import psutil
import pytest

from tests.integration.connections.raw import LOGIN, alive, answer, dial, head, is_alive, metric, rest, trickle, unfinished
from tests.processes import HeadwayProcess


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
