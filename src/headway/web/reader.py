"""`/demo/reader`: a page to read and a film to watch, and beside them what the server knows. Served by `headway demo`."""

import hashlib
import re
from string import Template
from typing import Any, Final

from litestar import Request, Response, Router, get
from litestar.exceptions import NotFoundException

from headway.http.request import is_known
from headway.services import Services
from headway.web import demo_content
from headway.web.demo_content import FOLDER

COURSE_FILE: Final = FOLDER / "course.yaml"
COURSE_SLUG: Final = "how-headway-works"
LEARNER_EMAIL: Final = "learner@demo.example"
ADMIN_EMAIL: Final = "admin@demo.example"
PASSWORD: Final = "Try-Headway-1"  # noqa: S105 - of a demo that anybody may start
"""The password of those who may sign in to the demo; the page shows it."""

_UNITS: Final = {"film_unit_id": "an-hour-of-study", "network_unit_id": "when-the-network-goes"}
"""The units of the page, by their slugs."""
_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".vtt": "text/vtt",
    ".webm": "video/webm",
    ".webp": "image/webp",
}
_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def reader(services: Services) -> Router:
    """Return the routes of the page and its assets. Without the demo's course the page is not found.

    The page opens a read transaction of its own: it belongs to no contract, whose routes would.
    """
    page = Template((FOLDER / "reader.html").read_text())
    texts = {name.removesuffix("_id"): demo_content.text_of(slug) or "" for name, slug in _UNITS.items()}
    assets = {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in FOLDER.iterdir() if path.suffix in _TYPES}

    @get("/reader", opt={"public": True}, include_in_schema=False)
    async def show() -> Response[str]:
        async with services.database.read() as tx:
            course = await services.courses.find_by_slug(tx, COURSE_SLUG)
        slugs = {} if course is None else {unit.slug: unit.id for unit in course.units}
        if course is None or not slugs.keys() >= set(_UNITS.values()):
            raise NotFoundException
        ids = {name: slugs[slug] for name, slug in _UNITS.items()}
        text = page.substitute(texts, **ids, course_id=course.id, email=LEARNER_EMAIL, password=PASSWORD)
        # Not `no-store`, with which browsers keep a page out of the back/forward cache.
        headers = {"Content-Security-Policy": _CONTENT_SECURITY_POLICY, "Cache-Control": "no-cache"}
        return Response(text, media_type="text/html", headers=headers)

    @get([f"/{name}" for name in assets], opt={"public": True}, include_in_schema=False)
    async def asset(request: Request[Any, Any, Any]) -> Response[bytes]:
        content, media_type = assets[request.url.path.rpartition("/")[2]]
        return _respond(content, media_type, request)

    return Router("/demo", route_handlers=[show, asset])


def _respond(content: bytes, media_type: str, request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return an asset, or the part of it that a player asks for (RFC 9110, section 14): players seek by ranges."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    answered = {"ETag": tag, "Cache-Control": "no-cache", "Accept-Ranges": "bytes"}
    if is_known(request.scope, tag):
        return Response(b"", status_code=304, headers=answered)
    headers = request.headers
    asked = _RANGE.fullmatch(headers.get("range", "")) if headers.get("if-range", tag) == tag else None
    if asked is None or asked[0] == "bytes=-":
        return Response(content, media_type=media_type, headers=answered)
    first, last = _range(asked[1], asked[2], len(content))
    if first > last:
        return Response(b"", status_code=416, headers={**answered, "Content-Range": f"bytes */{len(content)}"})
    answered["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], status_code=206, media_type=media_type, headers=answered)


def _range(first: str, last: str, size: int) -> tuple[int, int]:
    """Return the first and the last byte of a range; the last one is smaller where there is no such byte."""
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1
