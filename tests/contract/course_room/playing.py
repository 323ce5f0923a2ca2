"""Playing the course room's case files: its envelope of errors in short (`cases.in_short`), and time that passes.

A `request` may say `at: TIME` for the time at which it and those after it are sent; a case begins at `${now}`.
"""

from collections.abc import Mapping
from typing import Any

from tests.contract import cases
from tests.contract.cases import Case
from tests.contract.course_room.conftest import Stage

PREFIX = "/user-progress"


async def play(case: Case, stage: Stage) -> None:
    """Go through a case, with people and a course of its own."""
    let_time_pass = stage.world.clock.pass_until
    await cases.play(case, stage.client, PREFIX, await stage.names(), written=_written, before=let_time_pass)


def _written(response: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return cases.in_short(response, known, lambda message: {"success": False, "message": message, "requestId": "${request_id}"})
