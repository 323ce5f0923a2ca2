"""Importing rosters in tests, and what became of them."""

from pathlib import Path
from typing import Any

from sqlalchemy import select

from headway import schema
from headway.accounts.tables import users
from headway.courses.tables import course_staff
from headway.db.database import Database
from headway.enrollments.tables import enrollments
from headway.rosters.model import Options, Report
from headway.rosters.reading import Reading, open_path, open_upload
from headway.services import make_checks
from headway.verify import Verify
from tests.roster_inputs import OneRosterFiles
from tests.world import World

BOOKKEEPING = {"alembic_version"}


STORED = [table for table in schema.metadata.sorted_tables if table.name not in BOOKKEEPING]


NOTHING = Options()


async def bring(world: World, folder: Path, files: OneRosterFiles, options: Options = NOTHING) -> Report:
    roster = open_path(files.write(folder / "roster"), Reading(), world.clock)
    return await world.services.rosters.run(roster, options)


async def bring_csv(world: World, text: str, reading: Reading = Reading(), options: Options = NOTHING) -> Report:  # noqa: B008
    return await world.services.rosters.run(open_upload("people.csv", text.encode(), reading, world.clock), options)


async def everything(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    return {table.name: sorted(await world.rows(select(table)), key=repr) for table in STORED}


async def differences(database: Database) -> list[Any]:
    return list((await Verify(database, make_checks()).run()).differences)


async def statuses(world: World) -> dict[str, str]:
    """The statuses of enrollments, by the external ids of learners."""
    joined = select(users.c.external_id, enrollments.c.status).join(users, users.c.id == enrollments.c.user_id)
    return dict(await world.rows(joined))


async def staff(world: World) -> dict[str, str]:
    """The roles of the staff of all courses, by external ids."""
    joined = select(users.c.external_id, course_staff.c.role).join(users, users.c.id == course_staff.c.user_id)
    return dict(await world.rows(joined))


async def user_id(world: World, external_id: str) -> int:
    ((found,),) = await world.rows(select(users.c.id).where(users.c.external_id == external_id))
    return int(found)


def summary(report: Report) -> dict[str, dict[str, int]]:
    """What was not zero."""
    return {kind: {did: n for did, n in counts.items() if n} for kind, counts in report.counts.items()}


def reasons(report: Report) -> list[tuple[str, int, str]]:
    return [(fault.file, fault.line, fault.reason) for fault in report.not_taken]
