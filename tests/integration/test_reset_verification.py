"""What `verify` says of resets, and of what they left, that was changed behind its back."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import Table, delete, select, update

from headway.courses.completion import Completion, Rule
from headway.db.dialects import Statement
from headway.enrollments.tables import enrollments
from headway.instants import DAY, SECOND
from headway.learning.reset_model import ResetRequest
from headway.learning.tables import earlier_progress, resets, set_aside_days, study_days, unit_progress
from tests.integration.concurrency import differences
from tests.integration.test_resets import CERTIFICATE, VIEWED, desk
from tests.world import NOON, World


def _changed(table: Table, **values: Any) -> Statement:
    return update(table).values(**values)


TAMPERED = [
    (delete(resets), "enrollments"),
    (_changed(resets, unit_ids="[1]"), "resets"),
    (_changed(resets, unit_ids="{"), "resets"),
    (_changed(resets, unit_id=1), "resets"),
    (_changed(resets, is_attempt=True, module_id=1, unit_ids="[]"), "resets"),
    (_changed(resets, reset_at=NOON + DAY), "resets"),
    (_changed(resets, undone_by=1), "resets"),
    (_changed(resets, before="{}"), "resets"),
    (_changed(resets, counts_from=1), "enrollments"),
    (_changed(resets, keeps_study=True), "enrollments"),
    (_changed(enrollments, counts_from=None), "enrollments"),
    (delete(earlier_progress), "earlier_progress"),
    (_changed(earlier_progress, metadata="{}"), "earlier_progress"),
    (_changed(earlier_progress, status="COMPLETED"), "earlier_progress"),
    (_changed(earlier_progress, reset_id=77), "earlier_progress"),
    (delete(set_aside_days), "set_aside_days"),
    (_changed(set_aside_days, spans='{"99":[[0,86400000]]}'), "set_aside_days"),
    (_changed(unit_progress, percent=100), "unit_progress"),
    (delete(study_days), "study_days"),
]


@pytest.mark.parametrize("number", range(len(TAMPERED)))
async def test_verify_names_what_was_changed_behind_its_back(world: World, number: int) -> None:
    statement, table = TAMPERED[number]
    at = await desk(world, Completion(Rule.SCROLL, 80))
    await at.room.record(at.room.scroll(0, 40), at.studied("before", 60))
    await at.reset(ResetRequest(keeps_study=False))
    await at.room.record(at.studied("after", 60))
    assert await differences(world) == []

    async with world.database.write() as tx:
        await tx.run(statement)
    assert table in {each.table for each in await differences(world)}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", "ENROLLED"),
        ("status", "COMPLETED"),
        ("percent", 9_999),
        ("percent", 20_000),
        ("study_ms", 61 * SECOND),
        ("completed_revision", 1),
        ("completed_at", NOON),
        ("required_units", 2),
        ("completed_units", 1),
        ("evidence", {"engagement_metrics": {"scroll_depth": 41.0}}),
        ("evidence", {}),
        ("renewed_at", NOON),
        ("certificate_url", CERTIFICATE),
    ],
)
async def test_verify_names_what_a_reset_says_of_before_that_was_not_so(world: World, column: str, value: Any) -> None:
    at = await desk(world, Completion(Rule.SCROLL, 80))
    await at.room.record(at.room.scroll(0, 40), at.studied("before", 60))
    await at.reset(ResetRequest(keeps_study=False))
    await at.room.record(at.room.scroll(0, 60))
    assert await differences(world) == []

    ((before,),) = await world.rows(select(resets.c.before))
    changed = msgspec.json.encode(msgspec.json.decode(before) | {column: value}).decode()
    async with world.database.write() as tx:
        await tx.run(update(resets).values(before=changed))
    found = {(each.table, each.column.removeprefix("before.")) for each in await differences(world)}
    named = {"required_units": "percent", "completed_units": "percent", "completed_at": "status"}.get(column, column)
    assert ("enrollments" if column == "certificate_url" else "resets", named) in found


async def test_verify_names_a_completion_of_before_of_units_that_were_not_complete(world: World) -> None:
    at = await desk(world, VIEWED)
    await at.room.record(at.room.view(0))
    await at.reset()
    async with world.database.write() as tx:
        await tx.run(update(earlier_progress).values(status="IN_PROGRESS", percent=0, met_rule=None))
    assert "before.completed_revision" in {each.column for each in await differences(world)}
