"""Requests of the server to services that the operator has named: short, bounded, and to that server alone."""

import asyncio
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

_TIMEOUT_SECONDS = 5
_DEADLINE_SECONDS = 10
_MAX_BYTES = 1_000_000


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


class _SameOriginRedirects(HTTPRedirectHandler):
    """Follows redirects within a server, and none that leads elsewhere."""

    max_redirections = 3

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        if req.data is not None or origin_of(newurl) != origin_of(req.full_url):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_opener: OpenerDirector = build_opener(_SameOriginRedirects)


async def fetch(url: str, *, form: str | None = None, headers: dict[str, str] | None = None) -> bytes:
    """Return the body of a successful answer to a GET, or with a form to a POST. Raises OSError, ValueError.

    An HTTPError, which is an OSError, holds the beginning of another answer as its `reason`.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url[:50]!r} is no web address")
    request = Request(url, None if form is None else form.encode(), headers or {})  # noqa: S310 - http(s), see above
    async with asyncio.timeout(_DEADLINE_SECONDS):
        return await asyncio.to_thread(_read, request)


def _read(request: Request) -> bytes:
    try:
        with _opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
            body: bytes = response.read(_MAX_BYTES + 1)
    except HTTPError as error:
        with error:
            begun = error.read(1_000).decode(errors="replace")
        raise OSError(f"{error.code}: {begun}") from error
    except HTTPException as error:
        raise OSError(f"no HTTP answer: {error!r}") from error
    if len(body) > _MAX_BYTES:
        raise ValueError(f"the answer has more than {_MAX_BYTES} bytes")
    return body
