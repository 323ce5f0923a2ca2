"""Reading request bodies and writing answers."""

from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

_encoder = msgspec.json.Encoder()


async def json_body(request: Request[Any, Any, Any]) -> bytes:
    """Read the body, which must be JSON if it says what it is. Raises HTTPException 413, 415."""
    kind = request.headers.get("content-type", "")
    media_type = kind.partition(";")[0].strip().lower()
    if media_type not in {"", "application/json"} and not media_type.endswith("+json"):
        raise HTTPException(status_code=415, detail="The body must be application/json.")
    return await request.body()


def json_answer(answer: msgspec.Struct, status: int) -> Response[bytes]:
    """Make an answer of a wire struct."""
    return Response(_encoder.encode(answer), status_code=status, media_type="application/json")
