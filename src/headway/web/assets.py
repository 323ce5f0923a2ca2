"""`/app/static`: the style sheet and the scripts of the pages. A URL with the file's hash may be kept for ever."""

from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from headway.web.files import IMMUTABLE, REVALIDATED, File

_FOLDER = Path(__file__).parent / "static" / "app"
_SHOWN = {".css", ".js", ".svg"}


class Assets:
    """The files of the pages, and the URLs at which they are."""

    def __init__(self) -> None:
        self._files = {path.name: File(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _SHOWN}

    def url(self, name: str) -> str:
        """Return the URL of a file, which changes with its content. Raises KeyError."""
        return f"/app/static/{name}?v={self._files[name].hash}"

    def route(self) -> HTTPRouteHandler:
        """Return the route of the files."""

        @get("/app/static/{name:str}", opt={"public": True}, include_in_schema=False)
        async def file(request: Request[Any, Any, Any]) -> Response[bytes]:
            found = self._files.get(request.path_params["name"])
            if found is None:
                raise NotFoundException
            is_named = request.scope["query_string"] == f"v={found.hash}".encode()
            return found.respond(request.scope, {"Cache-Control": IMMUTABLE if is_named else REVALIDATED})

        return file
