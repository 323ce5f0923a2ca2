"""Files that are served from memory: with an ETag, and compressed for clients that take it."""

import gzip
import hashlib
from functools import cached_property
from pathlib import Path

from litestar import Response
from litestar.types import Scope

from headway.http.middleware import RESPONSE_HEADERS
from headway.http.request import accepts_gzip, is_known

IMMUTABLE = "public, max-age=31536000, immutable"
"""For URLs that contain a hash of the content."""
REVALIDATED = "public, no-cache"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class File:
    """A file in memory; it is compressed when the first client wants it so."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.content = path.read_bytes()
        self.media_type = _MEDIA_TYPES[path.suffix]
        self.hash = hashlib.sha256(self.content).hexdigest()[:32]

    @cached_property
    def compressed(self) -> bytes:
        """The content in gzip."""
        return gzip.compress(self.content, mtime=0)

    def respond(self, scope: Scope, headers: dict[str, str]) -> Response[bytes]:
        """Return the response to a request, with these headers; 304 if the client has the file."""
        # Added last: Litestar replaces `Vary` where it allows an origin.
        scope[RESPONSE_HEADERS].append((b"vary", b"Accept-Encoding"))  # type: ignore[literal-required]
        etag = f'W/"{self.hash}"'
        headers = {**headers, "ETag": etag}
        if is_known(scope, etag):
            return Response(b"", status_code=304, headers=headers)
        if not accepts_gzip(scope):
            return Response(self.content, media_type=self.media_type, headers=headers)
        return Response(self.compressed, media_type=self.media_type, headers={**headers, "Content-Encoding": "gzip"})
