"""Importing logs in tests, and what became of them."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from headway import schema
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.db.database import Database
from headway.identity import Role
from headway.importers.date_texts import DateForm
from headway.importers.log_files import LogFile, MoodleReader, OpenEdxReader
from headway.importers.log_import import ImportOptions, LogImport, Reader
from headway.importers.log_report import ImportReport
from headway.importers.log_site import Site
from headway.learning.tables import learner_activity_logs as logged
from headway.services import make_checks
from headway.verify import Verify
from tests.unit.moodle_lines import SITE
from tests.unit.openedx_lines import COURSE, PROBLEM, SEQUENTIAL, VERTICAL, VIDEO, encode
from tests.world import World

BERLIN = DateForm(ZoneInfo("Europe/Berlin"))


QUIZ = f"{SITE}/mod/quiz/view.php?id=51"


MOODLE_COURSE = f"{SITE}/course/view.php?id=8"
VIEWED = "The user with id '31' viewed the 'quiz' activity with course module id '51'."
NOTHING = ImportOptions()


BOOKKEEPING = {"alembic_version", "revisions", "account_changes", "audit_entries", "audit_head"}


STORED = [table for table in schema.metadata.sorted_tables if table.name not in BOOKKEEPING]


async def course(world: World, name: str, units: Sequence[tuple[str, Rule, float | None]]) -> CourseTree:
    owner = await world.user(Role.INSTRUCTOR)
    made = tuple(NewUnit(each, completion=Completion(rule, threshold), external_id=each) for each, rule, threshold in units)
    new = NewCourse("Cells", external_id=name, modules=(NewModule("All", units=made),))
    return await world.write(world.services.course_editing.create, new, owner_id=owner.id)


async def open_edx_course(world: World, *, with_problems: bool = True) -> CourseTree:
    problems = [(PROBLEM, Rule.QUIZ, 50), (VIDEO, Rule.VIDEO, 90)] if with_problems else []
    return await course(world, COURSE, [*problems, (VERTICAL, Rule.QUIZ, 50), (SEQUENTIAL, Rule.QUIZ, 50)])


async def moodle_course(world: World) -> CourseTree:
    units = [(f"{SITE}/mod/{module}/view.php?id=51", Rule.VIEWED, None) for module in ("book", "lesson")]
    return await course(world, MOODLE_COURSE, [(QUIZ, Rule.QUIZ, 50), *units])


async def learner(world: World, of: CourseTree, external_id: str) -> int:
    user = await world.user(external_id=external_id)
    await world.write(world.services.enrollments.enroll, user.id, of.id)
    return user.id


def write(path: Path, lines: Sequence[dict[str, Any]]) -> LogFile:
    content = b"\n".join(encode(line) for line in lines)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return LogFile(path)


async def imported(
    world: World, reader: Reader, *files: LogFile, options: ImportOptions = NOTHING, advanced: list[int] | None = None
) -> ImportReport:
    counts: list[int] = [] if advanced is None else advanced
    return await LogImport(world.services, reader, options).run(files, counts.append)


def open_edx(**site: Any) -> OpenEdxReader:
    return OpenEdxReader(Site(**site))


def moodle(source: str | None = SITE, course: str | None = None, encoding: str | None = None) -> MoodleReader:
    return MoodleReader(Site(source, course), BERLIN, encoding)


async def everything(world: World) -> dict[str, list[tuple[Any, ...]]]:
    return {table.name: sorted(await world.rows(select(table)), key=repr) for table in STORED}


async def stored_types(world: World) -> list[str]:
    return sorted(kind for (kind,) in await world.rows(select(logged.c.activity_type)))


def reasons(report: ImportReport) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in report.not_taken:
        found[each.reason] = found.get(each.reason, 0) + each.count
    return found


async def differences(database: Database) -> list[Any]:
    return list((await Verify(database, make_checks()).run()).differences)
