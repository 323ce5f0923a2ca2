"""The network side of webhooks: one POST, to an address of the public internet alone, without redirects, and bounded.

Names are resolved here, and the connection goes to an address that was checked: what a name resolves to later, or in another
notation, does not matter. Proxies of the environment are not used: they would connect to what is not checked.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

import certifi
import httpcore

import headway
from headway.webhooks.addresses import is_public
from headway.webhooks.model import MAX_ERROR, MAX_EXCERPT

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host, as text. Raises OSError."""
_MOST_ADDRESSES = 4
_MAX_ANSWER_BYTES = 4 * MAX_EXCERPT
_MAX_RETRY_AFTER = 100
_CONNECTIONS, _IDLE_CONNECTIONS, _IDLE_SECONDS = 200, 20, 20.0
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_USER_AGENT = f"Headway/{headway.__version__}"


class Answer(NamedTuple):
    """What came of a POST: a status, the beginning of the body, and the header `Retry-After`; or an error."""

    status: int | None = None
    error: str | None = None
    excerpt: str | None = None
    retry_after: str | None = None


class Transport:
    """Sends requests, on connections that it keeps open for a while."""

    def __init__(
        self,
        *,
        timeout_seconds: float,
        allows_private: bool,
        resolve: Resolve | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self.timeout_seconds = timeout_seconds
        network = network or httpcore.AnyIOBackend()
        self._network = _CheckedNetwork(network, resolve or resolve_host, allows_private=allows_private)
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send a POST. Whatever the receiver does is an answer."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await self._post(url, headers, body)
        except TimeoutError:
            return Answer(error=f"no answer within {self.timeout_seconds:g} seconds")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError, ValueError) as error:
            return Answer(error=visible(str(error) or type(error).__name__, MAX_ERROR))

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        if self._pool is None:
            self._pool = httpcore.AsyncConnectionPool(
                await asyncio.to_thread(_trust),
                max_connections=_CONNECTIONS,
                max_keepalive_connections=_IDLE_CONNECTIONS,
                keepalive_expiry=_IDLE_SECONDS,
                network_backend=self._network,
            )
        sent = [("User-Agent", _USER_AGENT), ("Accept-Encoding", "identity"), *headers.items()]
        async with self._pool.stream("POST", url, headers=sent, content=body) as response:
            begin = b""
            async for part in response.aiter_stream():
                begin += part[:_MAX_ANSWER_BYTES]
                if len(begin) >= _MAX_ANSWER_BYTES:
                    # Leaving the block closes the connection: nobody reads the rest.
                    break
            excerpt = visible(begin.decode(errors="replace"), MAX_EXCERPT)
            wait = next((value for name, value in response.headers if name.lower() == b"retry-after"), None)
            asked = None if wait is None else wait.decode("latin-1").strip()[:_MAX_RETRY_AFTER]
            return Answer(response.status, excerpt=excerpt or None, retry_after=asked)

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()


class ForbiddenAddressError(httpcore.ConnectError):
    """A host has no address to which webhooks may be sent."""


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to hosts at those of their addresses that are public, or at any."""

    def __init__(self, network: httpcore.AsyncNetworkBackend, resolve: Resolve, *, allows_private: bool) -> None:
        self._network = network
        self._resolve = resolve
        self._allows_private = allows_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers. Raises ForbiddenAddressError, httpcore.ConnectError."""
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name of the host cannot be resolved: {error}") from error
        allowed = [each for each in dict.fromkeys(found) if self._allows_private or is_public(each)]
        failure = httpcore.ConnectError("the host has no address")
        if found and not allowed:
            failure = ForbiddenAddressError("the host has no public address, and webhooks are sent to no others")
        for address in allowed[:_MOST_ADDRESSES]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                failure = error
        raise failure

    async def connect_unix_socket(self, *_args: Any, **_options: Any) -> httpcore.AsyncNetworkStream:
        """Refuse: no URL names one."""
        raise ForbiddenAddressError("webhooks are not sent to sockets of the system")

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._network.sleep(seconds)


async def resolve_host(host: str, port: int) -> list[str]:
    """Return the addresses of a host. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def visible(text: str, max_length: int) -> str:
    """Return the beginning of a text of others, in one line and without what cannot be seen."""
    return _INVISIBLE.sub(" ", text[: 2 * max_length]).strip()[:max_length]


def _trust() -> ssl.SSLContext:
    """Trust the authorities of the system, and those that browsers trust where it has none."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
