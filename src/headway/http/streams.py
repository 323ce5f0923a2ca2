"""Responses that are sent part by part while they are made: of any length, with little memory, and with no transaction held.

A part is made when the client has taken the one before. If one cannot be made, the response ends without its end, which clients
notice (RFC 9112, section 8), after what its format has to say about errors.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NamedTuple
from urllib.parse import quote

from litestar.types import Receive, Scope, Send

from headway.http.contract import Problem
from headway.http.deadline import Deadline
from headway.http.problems import Problems
from headway.http.request import accepts_gzip

WITHOUT_BODY = "headway_without_body"
"""The key in a request's scope that says that only the headers of the response are sent."""
BREAK_OFF = "headway.response.break_off"
"""The message that ends a connection in the middle of a response, when all that was sent has been."""
_COMPRESSION = 1
_GZIP = 31
"""The window of zlib, with the header and the end of gzip."""


class Streamed(NamedTuple):
    """A file that is sent part by part. The first part is made before the status is sent, so it tells what is refused."""

    file_name: str
    media_type: str
    parts: AsyncGenerator[bytes]
    failure: Callable[[Problem], bytes] = lambda _problem: b""
    """Returns what ends the file if it cannot be completed."""
    is_compressed: bool = False
    """The file is compressed by itself."""


class Rest(NamedTuple):
    """What follows the first part of a response."""

    parts: AsyncGenerator[bytes]
    failure: Callable[[Problem], bytes]


async def begin(streamed: Streamed, scope: Scope) -> tuple[list[tuple[bytes, bytes]], bytes, Rest]:
    """Return the headers, the first part and what follows it; compressed where the client takes it."""
    disposition = f"attachment; filename*=UTF-8''{quote(streamed.file_name)}"
    headers = [
        (b"content-type", streamed.media_type.encode()),
        (b"content-disposition", disposition.encode()),
        (b"vary", b"Accept-Encoding"),
        # What is known of people is not to be found on a computer that others use.
        (b"cache-control", b"no-store"),
    ]
    rest = Rest(streamed.parts, streamed.failure)
    if accepts_gzip(scope) and not streamed.is_compressed:
        headers.append((b"content-encoding", b"gzip"))
        rest = _compressed(rest)
    return headers, await anext(rest.parts), rest


async def send_rest(rest: Rest, scope: Scope, receive: Receive, send: Send, deadline: Deadline, problems: Problems) -> None:
    """Send what follows, each part within the time of a request, until the end or until the client leaves."""
    gone = asyncio.create_task(_wait_until_gone(receive), name="wait for the client to leave")
    try:
        async with aclosing(rest.parts) as parts:
            while not gone.done():
                with deadline.watch(receive):
                    part = await anext(parts, None)
                await send({"type": "http.response.body", "body": part or b"", "more_body": part is not None})
                if part is None:
                    return
    except Exception as error:  # noqa: BLE001 - it is logged, and ends the response
        last = rest.failure(problems.note(scope, error))
        await send({"type": "http.response.body", "body": last, "more_body": True})
        await send({"type": BREAK_OFF})  # type: ignore[typeddict-item]
    finally:
        gone.cancel()


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _compressed(rest: Rest) -> Rest:
    compressor = zlib.compressobj(_COMPRESSION, wbits=_GZIP)

    def compress(part: bytes) -> bytes:
        return compressor.compress(part) + compressor.flush(zlib.Z_SYNC_FLUSH)

    async def parts() -> AsyncGenerator[bytes]:
        async with aclosing(rest.parts) as plain:
            async for part in plain:
                yield await asyncio.to_thread(compress, part)
        yield compressor.flush()

    return Rest(parts(), lambda problem: compress(rest.failure(problem)))
