"""`/sdk`: the files of the browser tracker, for pages of any origin.

Each file that a page loads also has a name with the hash of its content, which `integrity.json` tells: what has such a name may
be kept forever.
"""

import gzip
import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from headway.http.middleware import RESPONSE_HEADERS
from headway.http.request import accepts_gzip, is_known

_FOLDER = Path(__file__).parent / "static" / "sdk"
_INTEGRITY = "integrity.json"
_MEDIA_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".map": "application/json", ".json": "application/json"}
_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATED = "public, no-cache"


class _Integrity(msgspec.Struct):
    hashed: str
    integrity: str


class _File:
    """A file in memory; it is compressed when the first client wants it so."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.content = path.read_bytes()
        self.media_type = _MEDIA_TYPES[path.suffix]
        self.etag = f'W/"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    @cached_property
    def compressed(self) -> bytes:
        return gzip.compress(self.content, mtime=0)


def tracker() -> HTTPRouteHandler:
    """Return the route of the files."""
    files = {path.name: _File(path) for path in _FOLDER.iterdir()}
    hashes = msgspec.json.decode(files[_INTEGRITY].content, type=dict[str, _Integrity])
    hashed = {each.hashed: files[name] for name, each in hashes.items()}

    @get("/sdk/{name:str}", opt={"public": True}, include_in_schema=False)
    async def file(request: Request[Any, Any, Any]) -> Response[bytes]:
        name = request.path_params["name"]
        found = hashed.get(name) or files.get(name)
        if found is None:
            raise NotFoundException
        # Added last: Litestar replaces `Vary` where it allows an origin.
        request.scope[RESPONSE_HEADERS].append((b"vary", b"Accept-Encoding"))  # type: ignore[literal-required]
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": _IMMUTABLE if name in hashed else _REVALIDATED,
            "Cross-Origin-Resource-Policy": "cross-origin",
            "ETag": found.etag,
        }
        if f"{found.name}.map" in files:
            headers["SourceMap"] = f"{found.name}.map"
        if is_known(request.scope, found.etag):
            return Response(b"", status_code=304, headers=headers)
        if not accepts_gzip(request.scope):
            return Response(found.content, media_type=found.media_type, headers=headers)
        return Response(found.compressed, media_type=found.media_type, headers={**headers, "Content-Encoding": "gzip"})

    return file
