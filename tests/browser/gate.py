"""What stands between a page and Headway: it serves test pages, passes requests on, records them, and fails them as told."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from tests.processes import open_client

BATCH = "/api/courses/activity/batch"
HEARTBEAT = "/api/courses/activity/heartbeat"

_PAGES = Path(__file__).parent / "pages"
_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".webm": "video/webm"}
_HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


@dataclass
class Call:
    """A request of a page, and what it was answered: None where the connection was cut."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int | None = None
    answer: bytes = b""
    is_passed_on: bool = False
    at: float = field(default_factory=time.monotonic)

    @property
    def items(self) -> list[dict[str, Any]]:
        """The events and heartbeats of a batch."""
        items: list[dict[str, Any]] = json.loads(self.body)["events"]
        return items


@dataclass
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


PassOn = Callable[[Call], Awaitable[Answer]]
Fault = Callable[[Call, PassOn], Awaitable[Answer | None]]
"""Decides what becomes of a request. None cuts the connection."""


def answers(status: int, body: bytes = b"{}", **headers: str) -> Fault:
    """Answer as something between the page and Headway would, which lets the page read it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named |= {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}

    async def fault(_call: Call, _pass_on: PassOn) -> Answer:
        return Answer(status, named, body)

    return fault


async def cut_before(_call: Call, _pass_on: PassOn) -> None:
    """Cut the connection before Headway has the request."""


def cut_those_with(authorization: str) -> Fault:
    """Cut the connection before Headway has a request with a token, also one that the browser repeats by itself."""

    async def fault(call: Call, pass_on: PassOn) -> Answer | None:
        return None if call.headers.get("authorization") == authorization else await _pass(call, pass_on)

    return fault


async def cut_after(call: Call, pass_on: PassOn) -> None:
    """Cut the connection when Headway has done what the request asks, and has answered."""
    await pass_on(call)


def too_large_above(items: int) -> Fault:
    """Refuse batches of more than some items, as a server with a smaller limit of its own does."""

    async def fault(call: Call, pass_on: PassOn) -> Answer | None:
        is_large = call.method == "POST" and call.path == BATCH and len(call.items) > items
        return await (answers(413) if is_large else _pass)(call, pass_on)

    return fault


def held_until(released: asyncio.Event) -> Fault:
    """Hold a request on its way until an event is set."""

    async def fault(call: Call, pass_on: PassOn) -> Answer:
        await released.wait()
        return await pass_on(call)

    return fault


class Gate:
    """An HTTP server that is two origins at once: the one of Headway, by address, and one for each name below localhost.

    Pages are at `/pages/…`; everything else is Headway's. Each request has a connection of its own, because a browser repeats a
    request by itself if a connection that it had used before breaks.
    """

    def __init__(self, headway_url: str) -> None:
        self._headway = open_client(headway_url, timeout=30)
        self._faults: list[tuple[str, Fault]] = []
        self._lasting: Fault | None = None
        self._next_page: str | None = None
        self._is_rendered = asyncio.Event()
        self.tokens: dict[str, str] = {}
        """What `/tokens/NAME` gives to a page."""
        self._serving: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []
        self.calls: list[Call] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=2**22)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close everything that is still open. Raises what went wrong in the gate itself."""
        self._server.close()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        results = await asyncio.gather(*serving, return_exceptions=True)
        await self._headway.aclose()
        for result in [*results, *self._failures]:
            if isinstance(result, Exception):
                raise result

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def page(self, name: str, *, origin: str | None = "learn", sandboxed: bool = False, **options: Any) -> str:
        """Return the URL of a page that starts a tracker with some options: of an origin by its name, or of Headway's own."""
        base = self.endpoint if origin is None else f"http://{origin}.localhost:{self.port}"
        folder = "sandboxed" if sandboxed else "pages"
        return f"{base}/{folder}/{name}?o={quote(json.dumps(options))}"

    def prerenders(self, url: str) -> str:
        """Return the URL of a page that has the browser render another one in advance, and goes there seconds later."""
        self._next_page = url
        return self.page("leading.html")

    def fail_next(self, *faults: Fault, path: str = BATCH) -> None:
        """Let the next requests of a path fail, one each."""
        self._faults += [(path, fault) for fault in faults]

    def fail_all(self, fault: Fault) -> None:
        """Let every request of the tracker fail until `heal`."""
        self._lasting = fault

    def heal(self) -> None:
        self._faults.clear()
        self._lasting = None

    def calls_of(self, path: str = BATCH) -> list[Call]:
        return [call for call in self.calls if (call.method, call.path) == ("POST", path)]

    def sent(self) -> list[dict[str, Any]]:
        """Return every item of every batch as it was sent, repetitions too."""
        return [item for call in self.calls_of() for item in call.items]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            call = await _read(reader)
            answer = await self._answer(call)
            if answer is not None:
                writer.write(_render(answer, is_head=call.method == "HEAD"))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        except Exception as failure:
            self._failures.append(failure)
            raise
        finally:
            writer.transport.abort()

    async def _answer(self, call: Call) -> Answer | None:
        path = urlsplit(call.path).path
        for folder in ("/pages/", "/sandboxed/"):
            if path.startswith(folder):
                return self._page(call, _PAGES / path.removeprefix(folder), is_sandboxed=folder == "/sandboxed/")
        if path.startswith("/tokens/"):
            self.calls.append(call)
            return Answer(200, {"Content-Type": "application/json"}, json.dumps({"token": self.tokens[path[8:]]}).encode())
        if path == "/speculations":
            return self._speculations()
        if path == "/rendered":
            await self._is_rendered.wait()
            return Answer(200, {}, (self._next_page or "").encode())
        if path == "/favicon.ico":
            return Answer(404)
        call.path = path if call.method == "POST" else call.path
        self.calls.append(call)
        answer = await self._fault_of(call)(call, self._pass_on)
        call.status, call.answer = (None, b"") if answer is None else (answer.status, answer.body)
        return answer

    def _fault_of(self, call: Call) -> Fault:
        if call.method == "OPTIONS" and self._lasting is None:
            return _pass
        for position, (path, fault) in enumerate(self._faults):
            if path == call.path:
                del self._faults[position]
                return fault
        return self._lasting if self._lasting is not None and call.path.startswith("/api/") else _pass

    async def _pass_on(self, call: Call) -> Answer:
        headers = {name: value for name, value in call.headers.items() if name not in _HOP_BY_HOP}
        call.is_passed_on = True
        answer = await self._headway.request(call.method, call.path, headers=headers, content=call.body)
        # httpx has decompressed it.
        dropped = _HOP_BY_HOP | {"content-encoding"}
        kept = {name: value for name, value in answer.headers.items() if name not in dropped}
        return Answer(answer.status_code, kept, answer.content)

    def _page(self, call: Call, file: Path, *, is_sandboxed: bool) -> Answer:
        if not file.is_file():
            return Answer(404)
        headers = {"Content-Type": _TYPES[file.suffix], "Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}
        content = file.read_bytes()
        if file.suffix == ".html":
            # Nothing inline, no eval, and no other hosts.
            sources = f"'self' {self.endpoint} http://{call.headers['host']}"
            policy = [f"{kind}-src {sources}" for kind in ("script", "connect", "media", "style", "img")]
            policy += ["default-src 'none'", "base-uri 'none'", *(["sandbox allow-scripts"] if is_sandboxed else [])]
            headers["Content-Security-Policy"] = "; ".join(policy)
            content = self._fill(content.decode(), call).encode()
        if file.name == "leading.html":
            headers["Speculation-Rules"] = '"/speculations"'
        if file.name == "reader.js" and "prerender" in call.headers.get("sec-purpose", ""):
            self._is_rendered.set()
        return _part(content, call.headers.get("range"), headers)

    def _fill(self, page: str, call: Call) -> str:
        """Put the options of a page that starts a tracker without code into its attributes."""
        options = json.loads(parse_qs(urlsplit(call.path).query)["o"][0])
        for name, value in {**options, "endpoint": self.endpoint}.items():
            page = page.replace(f"{{{name}}}", str(value))
        return page

    def _speculations(self) -> Answer:
        rules = {"prerender": [{"source": "list", "urls": [self._next_page], "eagerness": "immediate"}]}
        return Answer(200, {"Content-Type": "application/speculationrules+json"}, json.dumps(rules).encode())


async def _pass(call: Call, pass_on: PassOn) -> Answer | None:
    try:
        return await pass_on(call)
    except httpx.HTTPError:
        return None


async def _read(reader: asyncio.StreamReader) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = _headers(line for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Call(method, path, headers, body)


def _headers(lines: Iterable[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines)
    return {name.lower(): value.strip() for name, _, value in pairs}


def _render(answer: Answer, *, is_head: bool) -> bytes:
    headers = {**answer.headers, "Content-Length": str(len(answer.body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {answer.status} .", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (b"" if is_head else answer.body)


def _part(content: bytes, wanted: str | None, headers: dict[str, str]) -> Answer:
    """Answer with the range that a player asks for, which is what lets it seek."""
    headers = {**headers, "Accept-Ranges": "bytes"}
    if wanted is None:
        return Answer(200, headers, content)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    begin, end = int(first), min(int(last or len(content)), len(content) - 1)
    headers["Content-Range"] = f"bytes {begin}-{end}/{len(content)}"
    return Answer(206, headers, content[begin : end + 1])
