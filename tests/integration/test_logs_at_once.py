"""Logs that are imported while others write: nothing is lost, and nothing counts twice."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from headway.accounts.tables import users
from headway.db.database import Database
from headway.enrollments.tables import enrollments
from headway.errors import Raced, Unavailable
from headway.importers.log_import import ImportOptions
from headway.importers.log_report import ImportReport
from headway.learning.model import ActivityType, Event, Outcome, Report
from headway.learning.tables import learner_activity_logs as logged
from tests.integration.audit_log import faults
from tests.integration.log_imports import differences, imported, open_edx, open_edx_course, reasons, write
from tests.unit.openedx_lines import PROBLEM, server_line
from tests.world import World

LEARNERS, LINES = 30, 1_600
EVERYTHING = ImportOptions(creates_users=True, creates_enrollments=True)


def lines(start: int, stop: int) -> list[dict[str, Any]]:
    found = []
    for number in range(start, stop):
        line = server_line(
            "edx.grades.problem.submitted", {"problem_id": PROBLEM, "weighted_earned": number % 7, "weighted_possible": 7}
        )
        line["timestamp"] = f"2025-11-05T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}+00:00"
        who = number % LEARNERS
        line["context"] |= {"user_id": 100 + who, "username": f"learner{who}"}
        found.append(line)
    return found


async def count(world: World, column: Any) -> int:
    ((found,),) = await world.rows(select(func.count(column)))
    return int(found)


async def import_at_once(world: World, folder: Path, *parts: tuple[int, int]) -> list[ImportReport]:
    files = [write(folder / f"tracking-{number}.log", lines(*part)) for number, part in enumerate(parts)]
    return await asyncio.gather(*(imported(world, open_edx(source="north"), file, options=EVERYTHING) for file in files))


@pytest.mark.parametrize(
    "parts", [[(0, LINES), (0, LINES)], [(0, LINES), (LINES // 4, LINES + 400)]], ids=["same", "overlapping"]
)
async def test_two_imports_at_once_store_each_line_once(
    world: World, database: Database, tmp_path: Path, parts: list[tuple[int, int]]
) -> None:
    await open_edx_course(world)
    before = await count(world, users.c.id)
    total = max(stop for _, stop in parts)

    reports = await import_at_once(world, tmp_path, *parts)

    assert [reasons(report) for report in reports] == [{}, {}]
    assert sum(report.events for report in reports) == await count(world, logged.c.event_id) == total
    assert sum(report.events + report.duplicates for report in reports) == sum(stop - start for start, stop in parts)
    assert sum(report.new_users for report in reports) == await count(world, users.c.id) - before == LEARNERS
    assert sum(report.new_enrollments for report in reports) == await count(world, enrollments.c.user_id) == LEARNERS
    assert await differences(database) == []
    assert await faults(world) == []


async def test_an_import_beside_a_server_keeps_what_both_are_told(world: World, database: Database, tmp_path: Path) -> None:
    course = await open_edx_course(world)
    await import_at_once(world, tmp_path, (0, LEARNERS))
    learners = [user_id for (user_id,) in await world.rows(select(enrollments.c.user_id))]
    unit = next(each.id for each in course.units if each.external_id == PROBLEM)
    outcomes = Counter[Outcome]()

    async def report_live() -> None:
        for number in range(40):
            event = Event(f"live-{number}", ActivityType.UNIT_VIEW, course.id, unit_id=unit)
            reports = [Report(user_id, world.clock(), (event,)) for user_id in learners]
            for verdicts in await world.services.ingest.record_all(reports):
                outcomes.update(verdict.outcome for verdict in verdicts)

    (report,), _ = await asyncio.gather(import_at_once(world, tmp_path, (LEARNERS, LINES)), report_live())

    assert (report.events, reasons(report)) == (LINES - LEARNERS, {})
    assert outcomes == {Outcome.ACCEPTED: 40 * LEARNERS}
    assert await count(world, logged.c.event_id) == LINES + 40 * LEARNERS
    assert await differences(database) == []


@pytest.mark.parametrize("error", [Raced("another was first"), Unavailable("deadlock")], ids=["raced", "unavailable"])
async def test_a_part_that_fails_for_a_moment_is_taken_again(
    world: World, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Unavailable
) -> None:
    await open_edx_course(world)
    tracking, failures = world.services.tracking, [error, error]
    record = tracking.record_in_locked_courses

    async def fail_twice(*arguments: Any) -> Any:
        verdicts = await record(*arguments)
        if failures:
            raise failures.pop()
        return verdicts

    monkeypatch.setattr(tracking, "record_in_locked_courses", fail_twice)
    (report,) = await import_at_once(world, tmp_path, (0, 700))

    assert failures == []
    assert (report.events, report.duplicates, reasons(report)) == (700, 0, {})
    assert await count(world, logged.c.event_id) == 700
    assert await differences(database) == []


async def test_a_database_that_stays_away_ends_the_import(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_edx_course(world)
    attempts: list[int] = []

    async def fail(*_: Any) -> Any:
        attempts.append(1)
        raise Raced("again and again")

    monkeypatch.setattr(world.services.tracking, "record_in_locked_courses", fail)

    with pytest.raises(Raced):
        await import_at_once(world, tmp_path, (0, 10))
    assert 2 < len(attempts) < 20
