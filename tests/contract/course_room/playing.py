"""Playing the course room's case files: its envelope of errors in short, and time that passes between requests.

Beside what every case file knows, a `request` may say `at: TIME` for the time at which it and those after it are sent; a case
begins at `${now}`. A `response` may say `error: WORD` for the envelope of an error whose message has that word, and
`invalid: [field, …]` for that of one whose message names these fields and no others. 204 and 304 have no body.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from headway.domain.instants import from_datetime
from tests.contract import cases
from tests.contract.cases import AnyText, Case
from tests.contract.course_room.conftest import Stage

PREFIX = "/user-progress"


async def play(case: Case, stage: Stage) -> None:
    """Go through a case, with people and a course of its own."""

    def let_time_pass(request: dict[str, Any]) -> None:
        if "at" in request:
            stage.world.clock.now = from_datetime(datetime.fromisoformat(request["at"]))

    await cases.play(case, stage.client, PREFIX, await stage.names(), written=_written, before=let_time_pass)


def _written(response: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    if response["status"] in {204, 304}:
        return {**response, "body": None, "headers": {"content-type": None, **response.get("headers", {})}}
    if "error" not in response and "invalid" not in response:
        return response
    told = cases.fill({name: response.get(name) for name in ("error", "invalid")}, known)
    faults = [f"{re.escape(field)} [^;]+" for field in told["invalid"] or ()]
    message = AnyText("; ".join(faults) if faults else rf"(?i).*\b{told['error']}\b.*")
    return {**response, "body": {"success": False, "message": message, "requestId": "${request_id}"}}
