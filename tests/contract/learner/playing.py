"""Playing the learner contract's case files: its envelope of errors in short.

Beside what every case file knows, a `response` may say `error: CODE` for the envelope of an error, and `invalid: [field, …]`
for that of a `VALIDATION_ERROR`. 204 and 304 have no body.
"""

from collections.abc import Mapping
from typing import Any

import httpx

from tests.contract import cases
from tests.contract.cases import AnyText, Case

PREFIX = "/api/v1"
TIME = "2026-01-01T12:00:00.000Z"


async def play(case: Case, client: httpx.AsyncClient, names: Mapping[str, Any]) -> None:
    """Go through a case."""
    await cases.play(case, client, PREFIX, names, written=_written)


def _written(response: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Write the envelope of an error out; what has no body has no content type."""
    headers = response.get("headers", {})
    if response["status"] in {204, 304}:
        return {**response, "body": None, "headers": {"content-type": None, **headers}}
    fields = cases.fill(response.get("invalid"), known)
    code = "VALIDATION_ERROR" if fields is not None else response.get("error")
    if code is None:
        return response
    body = {"status": "error", "code": code, "message": AnyText(), "timestamp": TIME, "requestId": "${request_id}"}
    if fields is not None:
        body["errors"] = [{"field": field, "message": AnyText()} for field in fields]
    return {**response, "body": body}
