"""`/sdk`: the files of the browser tracker, for pages of any origin.

Each file that a page loads also has a name with the hash of its content, which `integrity.json` tells: what has such a name may
be kept forever.
"""

from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from headway.web.files import IMMUTABLE, REVALIDATED, File

_FOLDER = Path(__file__).parent / "static" / "sdk"
_INTEGRITY = "integrity.json"


class _Integrity(msgspec.Struct):
    hashed: str
    integrity: str


def tracker() -> HTTPRouteHandler:
    """Return the route of the files."""
    files = {path.name: File(path) for path in _FOLDER.iterdir()}
    hashes = msgspec.json.decode(files[_INTEGRITY].content, type=dict[str, _Integrity])
    hashed = {each.hashed: files[name] for name, each in hashes.items()}

    @get("/sdk/{name:str}", opt={"public": True}, include_in_schema=False)
    async def file(request: Request[Any, Any, Any]) -> Response[bytes]:
        name = request.path_params["name"]
        found = hashed.get(name) or files.get(name)
        if found is None:
            raise NotFoundException
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": IMMUTABLE if name in hashed else REVALIDATED,
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if f"{found.name}.map" in files:
            headers["SourceMap"] = f"{found.name}.map"
        return found.respond(request.scope, headers)

    return file
