"""Clients that send and read raw bytes, and servers with limits so low that tests reach them soon."""

import json
import re
import socket
from contextlib import ExitStack, suppress
from typing import Any

import httpx

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


def dial(server: HeadwayProcess, clients: ExitStack, sent: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    clients.enter_context(client)
    client.sendall(sent)
    return client


def head(method: str, path: str, *fields: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: test", *fields, "", "")).encode()


def upgrade(*fields: str) -> bytes:
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    return head("GET", "/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key, *fields)


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
