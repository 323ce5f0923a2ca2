"""Every write happens as a whole or not at all, whichever of its statements is the last one."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from headway.db.postgres import PostgresWriteTransaction
from headway.db.sqlite import SqliteWriteTransaction
from headway.errors import Unavailable
from headway.webhooks.sender import WebhookSender
from tests.contract.rights.conftest import School
from tests.contract.rights.test_audited import OWN_WORK, PRIVILEGED, TRACKING, Deed, actions, prepare, request
from tests.contract.rights.test_rights import stored

WRITES = [*PRIVILEGED, *(Deed(route, "", path, body, "learner") for route, (path, body) in OWN_WORK.items())]


class Interruption:
    """Lets a write transaction get no further than a number of statements."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: float = float("inf")
        for kind in (SqliteWriteTransaction, PostgresWriteTransaction):
            for name in ("all", "run", "write_rows", "insert_new"):
                monkeypatch.setattr(kind, name, self._counted(getattr(kind, name)))

    @property
    def has_come(self) -> bool:
        return self.left < 0

    def _counted(self, statement: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*given: Any, **named: Any) -> Any:
            if _is_sender():
                return await statement(*given, **named)
            self.left -= 1
            if self.has_come:
                raise Unavailable("the power failed")
            return await statement(*given, **named)

        return counted


def _is_sender() -> bool:
    """Return whether webhooks are being sent, which the commit of a request begins and no request waits for."""
    task = asyncio.current_task()
    return task is not None and getattr(task.get_coro(), "__qualname__", "") == WebhookSender.run.__qualname__


@pytest.fixture
def interruption(monkeypatch: pytest.MonkeyPatch) -> Interruption:
    return Interruption(monkeypatch)


@pytest.mark.parametrize("deed", WRITES, ids=lambda deed: f"{deed.role} {deed.route}")
async def test_a_write_that_is_interrupted_after_any_statement_does_not_happen(
    school: School, deed: Deed, interruption: Interruption
) -> None:
    school.ids["open"] = str((await school.world.course()).id)
    # Without an unread message, reading a conversation changes nothing.
    sender, receiver = school.people["peer"].id, school.people["learner"].id
    await school.world.write(school.world.services.messaging.send, sender, receiver, "Hello")
    await prepare(school, deed)
    # The server reads the course once; a heartbeat that is not active changes nothing.
    beat = {"course_id": "{course}", "timestamp": "2026-01-01T12:00:00Z", "is_active": False}
    assert (await request(school, "learner", "POST", f"{TRACKING}/heartbeat", beat)).is_success
    before = await everything(school)

    for statements in range(100):
        # Refused requests count against the limits of routes.
        school.world.clock.advance(seconds=61)
        interruption.left = statements
        answer = await request(school, deed.role, deed.route.partition(" ")[0], deed.path, deed.body)
        if answer.is_success:
            break
        assert (answer.status_code, interruption.has_come) == (503, True)
        assert await everything(school) == before

    # Nothing is left to be done after the response either.
    await asyncio.sleep(0.05)
    assert not interruption.has_come
    assert interruption.left == 0 < statements
    assert await everything(school) != before


async def everything(school: School) -> tuple[object, object]:
    return await stored(school), await school.world.rows(actions)
