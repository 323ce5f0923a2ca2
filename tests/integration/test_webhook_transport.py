"""The network side of webhooks: no way into private networks, no redirects, and bounds on what receivers do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpcore
import pytest

from headway.webhooks.transport import Transport

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PUBLIC, OTHER_PUBLIC = "93.184.216.34", "1.1.1.1"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


class RecordedNetwork(httpcore.AsyncMockBackend):
    """Answers 204 at every address, and notes to which ones connections are made."""

    def __init__(self) -> None:
        super().__init__([b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"])
        self.connected: list[str] = []

    async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append(host)
        return await super().connect_tcp(host, port, *args, **options)


class Names:
    """A resolver whose answers are given, one list of addresses after the other; the last one stays."""

    def __init__(self, *answers: Iterable[str]) -> None:
        self._answers = [list(each) for each in answers]

    async def __call__(self, _host: str, _port: int) -> list[str]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def transport(network: httpcore.AsyncNetworkBackend, names: Names | None = None, *, allows_private: bool = False) -> Transport:
    return Transport(timeout_seconds=5, allows_private=allows_private, resolve=names, network=network)


async def test_a_connection_goes_to_the_address_that_was_checked() -> None:
    network = RecordedNetwork()

    answer = await transport(network, Names([PUBLIC])).post("http://hooks.example.org/in", {}, b"{}")

    assert answer.status == 204
    assert network.connected == [PUBLIC]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.8",
        "169.254.169.254",
        "100.64.0.1",
        "::1",
        "fe80::1%2",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "224.0.0.1",
    ],
)
async def test_a_name_of_a_private_address_is_refused_before_it_is_connected_to(address: str) -> None:
    network = RecordedNetwork()

    answer = await transport(network, Names([address])).post("http://hooks.example.org/in", {}, b"{}")

    assert answer.status is None
    assert "no public address" in (answer.error or "")
    assert network.connected == []


async def test_a_name_whose_answer_changes_is_checked_for_each_connection() -> None:
    network = RecordedNetwork()
    sender = transport(network, Names([PUBLIC], ["127.0.0.1"]))

    first = await sender.post("http://hooks.example.org/in", {}, b"{}")
    second = await sender.post("http://hooks.example.org/in", {}, b"{}")

    assert first.status == 204
    assert "no public address" in (second.error or "")
    assert network.connected == [PUBLIC]


async def test_of_a_mixed_answer_only_public_addresses_are_used() -> None:
    class Refusing(RecordedNetwork):
        async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
            await super().connect_tcp(host, port, *args, **options)
            raise httpcore.ConnectError("refused")

    network = Refusing()

    await transport(network, Names(["127.0.0.1", PUBLIC, "::1", OTHER_PUBLIC])).post("http://h.example.org/", {}, b"{}")

    assert network.connected == [PUBLIC, OTHER_PUBLIC]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "localhost", "0", "[::1]", "[::ffff:127.0.0.1]"],
)
async def test_odd_notations_of_loopback_do_not_lead_there(host: str) -> None:
    network = RecordedNetwork()

    answer = await transport(network).post(f"http://{host}:8080/in", {}, b"{}")

    assert answer.status is None
    assert network.connected == []


async def test_a_setting_allows_private_addresses() -> None:
    network = RecordedNetwork()

    answer = await transport(network, Names(["10.0.0.8"]), allows_private=True).post("http://h.example.org/", {}, b"{}")

    assert answer.status == 204
    assert network.connected == ["10.0.0.8"]


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    network = RecordedNetwork()

    await transport(network, Names([PUBLIC])).post("http://h.example.org/", {}, b"{}")

    assert network.connected == [PUBLIC]


@asynccontextmanager
async def receiver(serve: Serve) -> AsyncIterator[str]:
    """A receiver on the loopback interface; when it ends, so do its connections."""
    connections: set[asyncio.Task[None]] = set()

    async def serve_to_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(serve_to_the_end(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/in"
    finally:
        server.close()
        for each in connections:
            each.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


def answering(content: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(content)
        await writer.drain()

    return serve


async def post(url: str, *, timeout_seconds: float = 5) -> Any:
    sender = Transport(timeout_seconds=timeout_seconds, allows_private=True)
    try:
        return await sender.post(url, {"X-Test": "1"}, b"{}")
    finally:
        await sender.close()


async def test_a_redirect_is_not_followed() -> None:
    followed: list[bool] = []

    async def note(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        followed.append(True)

    async with receiver(note) as elsewhere:
        redirect = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
        async with receiver(answering(redirect.encode())) as url:
            answer = await post(url)

    assert answer.status == 307
    assert followed == []


async def test_a_receiver_that_does_not_answer_is_given_up() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with receiver(hang) as url:
        answer = await post(url, timeout_seconds=0.1)

    assert answer == (None, "no answer within 0.1 seconds", None, None)


async def test_a_receiver_that_answers_drop_by_drop_is_given_up() -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with receiver(drip) as url:
        answer = await post(url, timeout_seconds=0.2)

    assert answer.error == "no answer within 0.2 seconds"


async def test_of_a_long_answer_only_the_beginning_is_read() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n")
        while sent < 1_000:
            writer.write(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
            await writer.drain()
            sent += 1

    async with receiver(flood) as url:
        answer = await post(url)

    assert answer.status == 500
    assert answer.excerpt == "a" * 200
    assert sent < 1_000


@pytest.mark.parametrize(
    "content",
    [b"", b"not HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000],
    ids=["nothing", "no HTTP", "no length", "endless header"],
)
async def test_an_answer_that_is_no_http_is_an_error(content: bytes) -> None:
    async with receiver(answering(content)) as url:
        answer = await post(url)

    assert answer.status is None
    assert answer.error


async def test_an_excerpt_is_one_line_that_can_be_seen() -> None:
    body = b"Line\r\n\x1b[31mred\x00 \xff<b>"
    content = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with receiver(answering(content)) as url:
        answer = await post(url)

    assert answer == (200, None, "Line [31mred  \N{REPLACEMENT CHARACTER}<b>", None)


async def test_when_to_try_again_is_read_from_the_answer() -> None:
    content = b"HTTP/1.1 503 Busy\r\nretry-AFTER:  120 \r\nContent-Length: 0\r\n\r\n"
    async with receiver(answering(content)) as url:
        answer = await post(url)

    assert answer == (503, None, None, "120")


async def test_nobody_listening_is_an_error() -> None:
    async with receiver(answering(NO_CONTENT)) as url:
        pass

    answer = await post(url)

    assert answer.status is None
    assert answer.error


async def test_what_is_sent_is_what_was_signed() -> None:
    requests: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2))
        writer.write(NO_CONTENT)
        writer.close()

    async with receiver(note) as url:
        assert (await post(url)).status == 204

    (request,) = requests
    assert request.startswith(b"POST /in HTTP/1.1\r\nHost: 127.0.0.1:")
    assert request.endswith(b"\r\n\r\n{}")
    assert b"X-Test: 1\r\n" in request
    assert request.count(b"Content-Length: 2\r\n") == request.count(b"User-Agent: Headway/") == 1
