"""The time of a request: it ends in time whatever it waits for, and waiting for the client does not count."""

import asyncio
from typing import Any

import pytest

from headway.errors import Unavailable
from headway.http.deadline import Deadline

SECONDS = 0.2
LONGER = 0.5
HTTP: Any = {"type": "http"}


class Client:
    """A client that takes its time."""

    def __init__(self, *, body_seconds: float = 0, read_seconds: float = 0) -> None:
        self._body_seconds = body_seconds
        self._read_seconds = read_seconds
        self.got: list[str] = []

    async def receive(self) -> Any:
        await asyncio.sleep(self._body_seconds)
        return {"type": "http.request"}

    async def send(self, message: Any) -> None:
        await asyncio.sleep(self._read_seconds)
        self.got.append(message["type"])


def served(wait_seconds: float) -> Any:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(wait_seconds)
        await send({"type": "http.response.start"})
        await send({"type": "http.response.body"})

    return app


async def test_a_request_that_waits_for_ever_ends_in_time_and_so_do_those_behind_it() -> None:
    limited, clients = Deadline(SECONDS).middleware(served(60)), [Client() for _ in range(20)]
    async with asyncio.timeout(30):
        ended = await asyncio.gather(
            *(limited(HTTP, client.receive, client.send) for client in clients), return_exceptions=True
        )

    assert [type(each) for each in ended] == [Unavailable] * 20
    assert [client.got for client in clients] == [[]] * 20


@pytest.mark.parametrize("client", [Client(body_seconds=LONGER), Client(read_seconds=LONGER)], ids=["body", "response"])
async def test_waiting_for_the_client_does_not_count(client: Client) -> None:
    await Deadline(SECONDS).middleware(served(0))(HTTP, client.receive, client.send)

    assert client.got == ["http.response.start", "http.response.body"]


async def test_a_request_that_is_answered_in_time_is_left_alone() -> None:
    client, limited = Client(), Deadline(10 * SECONDS).middleware(served(0.01))
    for _ in range(30):
        await limited(HTTP, client.receive, client.send)

    assert len(client.got) == 60


async def test_whoever_else_cancels_a_request_is_obeyed() -> None:
    client = Client()
    request = asyncio.ensure_future(Deadline(SECONDS).middleware(served(60))(HTTP, client.receive, client.send))
    await asyncio.sleep(0.01)
    request.cancel()

    with pytest.raises(asyncio.CancelledError):
        await request


async def test_a_websocket_has_no_deadline() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await asyncio.sleep(LONGER)
        await send({"type": "websocket.close"})

    client, websocket = Client(), {"type": "websocket"}
    await Deadline(SECONDS).middleware(app)(websocket, client.receive, client.send)  # type: ignore[arg-type]

    assert client.got == ["websocket.close"]
