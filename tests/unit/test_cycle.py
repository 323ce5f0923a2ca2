"""A response on the connection: written at once where there is all of it, and never what is not HTTP."""

import asyncio
import logging
from typing import Any

import pytest

from headway.http.cycle import Cycle

LENGTH = (b"content-length", b"2")


class Connection:
    """What a cycle needs of its connection."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False
        self.ended = 0
        self.write_paused = False
        self.drains = 0

    async def drain(self) -> None:
        self.drains += 1

    def resume_reading(self) -> None:
        """Read on."""

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.is_closed = True

    def end(self) -> None:
        self.ended += 1


def open_cycle(*, method: str = "GET", keep_alive: bool = True) -> tuple[Cycle, Connection]:
    connection: Any = Connection()
    log = logging.getLogger("test")
    cycle = Cycle(
        scope={"type": "http", "method": method},
        transport=connection,
        flow=connection,
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=[(b"date", b"today")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=connection.end,
    )
    return cycle, connection


async def send(cycle: Cycle, *headers: tuple[bytes, bytes], status: int = 200, bodies: tuple[bytes, ...] = (b"ok",)) -> None:
    await cycle.send({"type": "http.response.start", "status": status, "headers": list(headers)})
    for number, body in enumerate(bodies, 1):
        await cycle.send({"type": "http.response.body", "body": body, "more_body": number < len(bodies)})


async def test_a_whole_response_is_written_at_once() -> None:
    cycle, connection = open_cycle()
    await send(cycle, LENGTH, (b"etag", b'"1"'))

    assert connection.written == [b'HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 2\r\netag: "1"\r\n\r\nok']
    assert (connection.ended, connection.is_closed, cycle.response_complete) == (1, False, True)


async def test_the_last_response_of_a_connection_says_so_and_closes_it() -> None:
    cycle, connection = open_cycle(keep_alive=False)
    await send(cycle, LENGTH)

    assert connection.written == [b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"]
    assert connection.is_closed


async def test_head_has_the_length_of_a_body_that_is_not_sent() -> None:
    cycle, connection = open_cycle(method="HEAD")
    await send(cycle, LENGTH, bodies=(b"",))

    assert connection.written == [b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 2\r\n\r\n"]


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_content_needs_no_length(status: int) -> None:
    cycle, connection = open_cycle()
    await send(cycle, status=status, bodies=(b"",))

    assert b"".join(connection.written).endswith(b"\r\ndate: today\r\n\r\n")


async def test_a_response_in_parts_is_written_as_it_comes() -> None:
    cycle, connection = open_cycle()
    await send(cycle, LENGTH, bodies=(b"o", b"k"))

    assert b"".join(connection.written) == b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 2\r\n\r\nok"
    assert len(connection.written) > 2
    assert connection.ended == 1


async def test_a_response_without_a_length_is_chunked() -> None:
    cycle, connection = open_cycle()
    await send(cycle)

    assert b"transfer-encoding: chunked" in b"".join(connection.written)
    assert b"".join(connection.written).endswith(b"2\r\nok\r\n0\r\n\r\n")


async def test_a_client_that_does_not_read_is_waited_for() -> None:
    cycle, connection = open_cycle()
    connection.write_paused = True
    await send(cycle, LENGTH)

    assert connection.drains > 0
    assert b"".join(connection.written).endswith(b"\r\n\r\nok")


async def test_nothing_is_written_for_a_client_that_has_left() -> None:
    cycle, connection = open_cycle()
    cycle.disconnected = True
    await send(cycle, LENGTH)

    assert connection.written == []


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b", b"a\x7fb"])
@pytest.mark.parametrize("length", [(LENGTH,), ()], ids=["whole", "chunked"])
async def test_a_header_that_would_be_another_one_is_not_sent(value: bytes, length: tuple[tuple[bytes, bytes], ...]) -> None:
    cycle, connection = open_cycle()
    with pytest.raises(RuntimeError, match="Invalid HTTP header"):
        await send(cycle, *length, (b"location", value))

    assert connection.written == []


@pytest.mark.parametrize("body", [b"o", b"ok!"])
async def test_a_length_that_is_not_the_bodys_is_not_sent(body: bytes) -> None:
    cycle, connection = open_cycle()
    with pytest.raises(RuntimeError, match="Content-Length"):
        await send(cycle, LENGTH, bodies=(body,))

    assert connection.written == []
