"""Playing the learner contract's case files: its envelope of errors in short, and answers that later steps need.

Beside what every case file knows, a `response` may say `error: CODE` for the envelope of an error, `invalid: [field, …]` for
that of a `VALIDATION_ERROR`, and `keep: {name: path.in.body}` for what later steps call `${name}`. Where a value of `each` is
a list, `${value_0}` is the first of it. In a response `${list}` stands for any list.
"""

from collections.abc import Mapping
from typing import Any

import httpx

from tests.contract import cases
from tests.contract.cases import AnyText, Case, Step

PREFIX = "/api/v1"
TIME = "2026-01-01T12:00:00.000Z"


class AnyList:
    """Equals any list."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list)

    def __hash__(self) -> int:
        return hash(AnyList)

    def __repr__(self) -> str:
        return "<any list>"


async def play(case: Case, client: httpx.AsyncClient, names: Mapping[str, Any]) -> None:
    """Go through a case, and remember between its steps what they say."""
    for index, value in enumerate(case.each):
        known = {**names, "index": index}
        known |= _taken_apart("value", cases.fill(value, known))
        for step in case.steps:
            known |= await _play_step(step, client, known)


def _taken_apart(name: str, value: Any) -> dict[str, Any]:
    """Name a value, and what is in it where it is a list."""
    parts = value if isinstance(value, list) else []
    within = [_taken_apart(f"{name}_{i}", part) for i, part in enumerate(parts)]
    return {name: value, **{inner: part for each in within for inner, part in each.items()}}


async def _play_step(step: Step, client: httpx.AsyncClient, known: Mapping[str, Any]) -> dict[str, Any]:
    response = await cases._send(client, PREFIX, cases.fill(step.request, known), known)
    cases._check(response, _expected(step.response, known), {**known, **cases.MARKS, "list": AnyList()})
    kept: dict[str, str] = step.response.get("keep", {})
    return {name: _found(response, path) for name, path in kept.items()}


def _expected(response: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
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


def _found(response: httpx.Response, path: str) -> Any:
    """Give what is at a path of the body, such as `data.0.id`, or a header's text for `header.NAME`."""
    if path.startswith("header."):
        return response.headers[path.removeprefix("header.")]
    value = response.json()
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value
