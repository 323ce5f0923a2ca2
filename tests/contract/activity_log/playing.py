"""Playing the activity log's case files: its envelopes and entries in short, and time that passes between requests.

Beside what every case file knows, a `request` may say `at: TIME` for the time at which it and those after it are sent; a case
begins at `${now}`. A `path` is what follows `/api/v1/activities`, unless it begins with `/api`.

A `response` may say

- `entry: {…}` for the envelope of one entry, of which only what differs from `_entry` is written;
- `entries: [{…}, …]` for a page of such, with the `cursor` of the next page if there is one;
- `numbered: [2, 1]` for a page of the entries that the case kept as `made_2` and `made_1`;
- `error: CODE` for the envelope of an error;
- `invalid: [field, …]` for that of a `VALIDATION_ERROR` that names these fields and no others.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from headway.instants import from_datetime
from tests.contract import cases
from tests.contract.activity_log.conftest import Stage
from tests.contract.cases import AnyText, Case

PREFIX = "/api/v1/activities"
ENTRY_ID = AnyText("[0-9a-f]{24}")
_SHORT = ("entry", "entries", "numbered", "error", "invalid")
_MESSAGES = {200: "Activity retrieved successfully", 201: "Activity created successfully"}


class EntryOf:
    """Equals the entry that has an id."""

    def __init__(self, entry_id: str) -> None:
        self._entry_id = entry_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and other.get("_id") == self._entry_id

    def __hash__(self) -> int:
        return hash(self._entry_id)

    def __repr__(self) -> str:
        return f"<the entry {self._entry_id}>"


async def play(case: Case, stage: Stage) -> None:
    """Go through a case, with people of its own."""

    def prepare(request: dict[str, Any]) -> None:
        path = request.get("path", "")
        request["path"] = path if path.startswith("/api") else PREFIX + path
        if "at" in request:
            stage.world.clock.now = from_datetime(datetime.fromisoformat(request["at"]))

    await cases.play(case, stage.client, PREFIX, await stage.names(), written=_written, before=prepare)


def _written(response: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    short = {name: cases.fill(response[name], known) for name in _SHORT if name in response}
    if "entry" in short:
        body = {"ok": True, "data": _entry(short["entry"]), "message": _MESSAGES[response["status"]]}
    elif "entries" in short:
        body = _page([_entry(each) for each in short["entries"]], response.get("cursor"))
    elif "numbered" in short:
        body = _page([EntryOf(known[f"made_{number}"]) for number in short["numbered"]])
    elif "error" in short:
        body = failure(short["error"], AnyText())
    elif "invalid" in short:
        body = _invalid(short["invalid"])
    else:
        return response
    return {**response, "body": body}


def _page(entries: list[Any], cursor: str | None = None) -> dict[str, Any]:
    return {"ok": True, "data": entries, "nextCursor": cursor, "message": "Activities retrieved successfully"}


def _entry(differs: dict[str, Any]) -> dict[str, Any]:
    """Write an entry out: by the learner, now, of something that is not named, unless it is said otherwise."""
    at = differs.get("performedAt", "${now}")
    whole: dict[str, Any] = {
        "_id": ENTRY_ID,
        "action": "ACT",
        "actor": {
            "userId": "${learner}",
            "name": "${name_of_learner}",
            "email": "${email_of_learner}",
            "role": "PARTICIPANT",
        },
        "target": {"type": "OTHER", "id": None, "model": None, "name": None},
        "context": {"description": None, "source": None, "additionalInfo": {}},
        "metadata": {},
        "status": "SUCCESS",
        "performedAt": at,
        "ipAddress": "127.0.0.1",
        "userAgent": AnyText("python-httpx/.+"),
        "createdAt": at,
        "updatedAt": at,
        "recordedBy": {"userId": "${learner}", "role": "PARTICIPANT"},
        "actorVerified": True,
    }
    assert differs.keys() <= whole.keys()
    parts = ("actor", "target", "context", "recordedBy")
    return {**whole, **differs, **{name: {**whole[name], **differs.get(name, {})} for name in parts}}


def failure(code: str, message: Any, details: Any = None, **more: Any) -> dict[str, Any]:
    """Write the envelope of an error out."""
    return {"ok": False, "error": {"code": code, "message": message, "details": details, **more}}


def _invalid(fields: list[str]) -> dict[str, Any]:
    named = "; ".join(f"{re.escape(field if '.' in field else field[:1].upper() + field[1:])} [^;]+" for field in fields)
    details = [{"field": field, "message": AnyText()} for field in fields] if len(fields) > 1 else None
    return failure("VALIDATION_ERROR", AnyText(named), details)
