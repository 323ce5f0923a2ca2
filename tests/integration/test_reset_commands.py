"""`headway progress`: operators reset and undo as staff do over HTTP, print what the calls return, and fail in one line."""

import json
from typing import Any

from sqlalchemy import select

from headway.audit.tables import audit_entries
from headway.courses.completion import Completion, Rule
from headway.disclosures.tables import disclosures
from headway.identity import Caller, Role
from headway.instants import system_clock
from headway.learning.reset_model import ResetRequest
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.classroom import Classroom, classroom
from tests.integration.concurrency import differences
from tests.processes import run_headway
from tests.world import World

VIEWED = Completion(Rule.VIEWED)


class Terminal:
    """An operator at the command line of a classroom."""

    def __init__(self, room: Classroom, settings: Settings) -> None:
        self.room, self._settings = room, settings

    async def run(self, *arguments: str) -> Any:
        where = ("--course", str(self.room.course.id), "--user", str(self.room.learner.id))
        flags = (*where, "--database", self._settings.database_url)
        return await run_headway("progress", *arguments, *flags, secret_key=SECRET_KEY)

    async def printed(self, *arguments: str) -> Any:
        ended = await self.run(*arguments)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    async def refusal(self, *arguments: str) -> str:
        ended = await self.run(*arguments)
        assert (ended.returncode, ended.stdout) == (1, "")
        (line,) = ended.stderr.splitlines()
        return str(line)


async def terminal(world: World, settings: Settings) -> Terminal:
    world.clock.now = system_clock()
    room = await classroom(world, VIEWED, VIEWED)
    await room.record(room.view(0), room.view(1))
    return Terminal(room, settings)


async def test_a_unit_is_reset_and_that_is_undone(world: World, settings: Settings) -> None:
    at = await terminal(world, settings)
    unit_id = str(at.room.course.units[0].id)

    made = await at.printed("reset", "--unit", unit_id, "--without-study-time", "--reason", "The wrong video was shown.")
    assert (made["scope"], made["unitId"], made["keepStudyTime"], made["newAttempt"]) == ("unit", unit_id, False, False)
    assert (made["resetBy"], made["before"]["status"]) == (None, "COMPLETED")
    assert await at.room.unit_percent(0) == (0, "NOT_STARTED")
    assert await at.room.unit_percent(1) == (10_000, "COMPLETED")

    undone = await at.printed("undo", made["id"])
    assert undone["undoneAt"] is not None
    assert undone["undoneBy"] is None
    assert await at.printed("resets") == [undone]
    assert await at.room.unit_percent(0) == (10_000, "COMPLETED")
    entries = await world.rows(select(audit_entries.c.action, audit_entries.c.actor_id).order_by(audit_entries.c.seq))
    assert entries[-2:] == [("RESET_PROGRESS", None), ("UNDO_RESET", None)]
    assert await differences(world) == []


async def test_a_new_attempt_keeps_the_one_before_readable(world: World, settings: Settings) -> None:
    at = await terminal(world, settings)
    made = await at.printed("retake", "--reason", "2027")
    assert (made["newAttempt"], made["keepStudyTime"], made["reason"]) == (True, False, "2027")

    second, first = await at.printed("attempts")
    assert (first["number"], first["completionPercentage"], first["resetId"]) == (1, 100.0, made["id"])
    assert (second["number"], second["completionPercentage"]) == (2, 0.0)
    shown = await world.rows(select(disclosures.c.kind, disclosures.c.channel, disclosures.c.learner_id))
    assert shown == [("PROGRESS", "COMMAND", at.room.learner.id)]


async def test_what_cannot_be_reset_or_undone_is_told_in_one_line(world: World, settings: Settings) -> None:
    at = await terminal(world, settings)
    module_id = str(at.room.course.modules[0].id)
    assert await at.refusal("reset", "--unit", "999") == "Error: There is no such unit in this course."
    assert await at.refusal("undo", "999") == "Error: There is no such reset."
    assert await at.refusal("reset", "--reason", "x" * 1001) == "Error: reason must not be longer than 1000 characters"
    made = await at.printed("reset", "--module", module_id)
    assert await at.refusal("retake") == "Error: There is no progress to reset."
    await at.printed("undo", made["id"])
    assert await at.refusal("undo", made["id"]) == "Error: The reset was undone already."
    at.room.learner = await world.user()
    assert await at.refusal("reset") == "Error: There is no such enrollment."
    assert await at.refusal("attempts") == "Error: There is no such enrollment."


async def test_staff_undo_what_an_operator_reset(world: World, settings: Settings) -> None:
    room = (await terminal(world, settings)).room
    where = room.course.id, room.learner.id
    made = await world.write(world.services.resetting.reset, None, *where, ResetRequest())
    staff = Caller(room.course.owner_id, Role.INSTRUCTOR)
    await world.write(world.services.resetting.undo, staff, *where, made.id)

    (shown,) = await world.read(world.services.resets.read_resets, staff, *where)
    assert (shown.reset_by, shown.undone_by) == (None, "INSTRUCTOR 1")
