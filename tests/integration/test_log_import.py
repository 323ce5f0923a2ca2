"""Importing logs of other platforms: every line once, and what is not taken is named."""

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from headway import schema
from headway.accounts.tables import users
from headway.audit.tables import audit_entries
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.db.database import Database
from headway.errors import Invalid
from headway.identity import Role
from headway.importers.date_texts import DateForm
from headway.importers.log_files import LogFile, MoodleReader, OpenEdxReader
from headway.importers.log_import import ImportOptions, LogImport, Reader
from headway.importers.log_report import ImportReport
from headway.importers.log_site import Site
from headway.instants import parse
from headway.learning.tables import learner_activity_logs as logged
from headway.learning.tables import unit_progress
from headway.services import make_checks
from headway.verify import Verify
from tests.unit import moodle_lines, openedx_lines
from tests.unit.moodle_lines import HEADER, SITE, report_row, row, statement
from tests.unit.openedx_lines import AT, COURSE, PROBLEM, SEQUENTIAL, VERTICAL, VIDEO, encode, server_line, video_line
from tests.world import World

BERLIN = DateForm(ZoneInfo("Europe/Berlin"))
QUIZ = f"{SITE}/mod/quiz/view.php?id=51"
NOTHING = ImportOptions()
BOOKKEEPING = {"alembic_version", "revisions", "account_changes", "audit_entries", "audit_head"}
STORED = [table for table in schema.metadata.sorted_tables if table.name not in BOOKKEEPING]


@pytest.fixture(autouse=True)
def afterwards(world: World) -> None:
    world.clock.now = parse("2026-12-01T12:00:00Z")


async def course(world: World, name: str, units: Sequence[tuple[str, Rule, float | None]]) -> CourseTree:
    owner = await world.user(Role.INSTRUCTOR)
    made = tuple(NewUnit(each, completion=Completion(rule, threshold), external_id=each) for each, rule, threshold in units)
    new = NewCourse("Cells", external_id=name, modules=(NewModule("All", units=made),))
    return await world.write(world.services.course_editing.create, new, owner_id=owner.id)


async def open_edx_course(world: World, *, with_problems: bool = True) -> CourseTree:
    problems = [(PROBLEM, Rule.QUIZ, 50), (VIDEO, Rule.VIDEO, 90)] if with_problems else []
    return await course(world, COURSE, [*problems, (VERTICAL, Rule.QUIZ, 50), (SEQUENTIAL, Rule.QUIZ, 50)])


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


async def test_a_tracking_log_comes_in_once_whatever_file_it_is_in(world: World, database: Database, tmp_path: Path) -> None:
    await learner(world, await open_edx_course(world), "ines")
    lines = [line for line, _ in openedx_lines.TAKEN.values()]
    plain, packed = write(tmp_path / "tracking.log", lines), write(tmp_path / "tracking.log-1.gz", lines[10:] + lines[:20])
    advanced: list[int] = []

    first = await imported(world, open_edx(), plain, packed, advanced=advanced)
    stored = await everything(world)
    world.clock.advance(seconds=3600)
    second = await imported(world, open_edx(), packed, plain)

    assert first.not_taken == []
    assert (first.lines, first.events, first.duplicates) == (2 * len(lines) + 10, len(lines), len(lines) + 10)
    assert first.by_type == {kind: (await stored_types(world)).count(kind) for kind in set(await stored_types(world))}
    assert (second.events, second.duplicates) == (0, first.lines)
    assert await everything(world) == stored
    assert sum(advanced) == plain.size_bytes + packed.size_bytes
    assert await differences(database) == []


async def test_what_a_learner_did_moves_the_units_that_it_is_of(world: World, tmp_path: Path) -> None:
    made = await open_edx_course(world)
    user = await learner(world, made, "ines")
    watched = [
        video_line("play_video", currentTime=0) | {"time": "2026-11-05T09:00:00Z"},
        video_line("pause_video", currentTime=150) | {"time": "2026-11-05T09:02:30Z"},
    ]
    answered = server_line("problem_check", {"problem_id": PROBLEM, "grade": 3, "max_grade": 4})

    report = await imported(world, open_edx(), write(tmp_path / "a.log", [*watched, answered]))

    columns = [unit_progress.c[name] for name in ("unit_id", "user_id", "status", "percent", "study_ms")]
    reached = {found[0]: found[1:] for found in await world.rows(select(*columns))}
    ids = {unit.external_id: unit.id for unit in made.units}
    assert report.by_type == {"video_play": 1, "video_progress": 1, "video_pause": 1, "quiz_submit": 1}
    assert reached == {
        ids[PROBLEM]: (user, "COMPLETED", 10_000, 0),
        ids[VIDEO]: (user, "IN_PROGRESS", 7_500 * 10_000 // 9_000, 150_000),
    }


async def test_the_score_of_a_part_is_not_that_of_the_whole(world: World, tmp_path: Path) -> None:
    made = await open_edx_course(world, with_problems=False)
    await learner(world, made, "ines")
    lines = [
        server_line("problem_check", {"problem_id": PROBLEM, "grade": 4, "max_grade": 4}),
        video_line("play_video", currentTime=0) | {"time": "2026-11-05T09:00:00Z"},
        video_line("complete_video") | {"time": "2026-11-05T09:03:19Z"},
        video_line("pause_video", currentTime=200) | {"time": "2026-11-05T09:03:20Z"},
    ]

    report = await imported(world, open_edx(), write(tmp_path / "a.log", lines))

    assert report.by_type == {
        "openedx.problem_check": 1, "video_play": 1, "openedx.complete_video": 1, "openedx.video_played": 1, "video_pause": 1,
    }  # fmt: skip
    assert await world.rows(select(unit_progress.c.status, unit_progress.c.percent)) == [("IN_PROGRESS", 0)]
    ((metadata,),) = await world.rows(select(logged.c.metadata).where(logged.c.activity_type == "openedx.problem_check"))
    assert json.loads(metadata) == {"type": "problem_check", "block": PROBLEM, "part_score": 4, "part_max_score": 4}


async def test_every_line_that_is_not_taken_is_named_with_its_place(world: World, tmp_path: Path) -> None:
    made = await open_edx_course(world, with_problems=False)
    await learner(world, made, "ines")
    await world.user(external_id="ben")
    other_block = PROBLEM.replace("cells", "roots")
    lines = [
        *[line for line, _ in openedx_lines.NOT_TAKEN.values()],
        server_line("showanswer", {"problem_id": other_block}) | {"context": {"username": "ines", "course_id": COURSE}},
        video_line("load_video") | {"username": "nobody"},
        video_line("load_video") | {"username": "ben"},
        video_line("load_video") | {"time": "2027-01-01T00:00:00Z"},
        video_line("load_video") | {"context": {"user_id": 31, "course_id": "course-v1:NorthU+BIO2+2026"}},
    ]
    file = write(tmp_path / "a.log", lines)
    with file.path.open("ab") as opened:
        opened.write(b"\n{broken\n" + encode(video_line("load_video")))

    report = await imported(world, open_edx(), file)

    assert (report.lines, report.events) == (len(lines) + 2, 1)
    assert report.count_not_taken == len(lines) + 1
    named = {(each.type, each.reason): each for each in report.not_taken}
    assert named["load_video", "is of a user who has no account here"].details == ["nobody"]
    assert named["load_video", "is of a learner who is not enrolled in the course"].lines == [f"a.log:{len(lines) - 2}"]
    assert named["load_video", "lies in the future"].count == 1
    assert named["load_video", "is of a course that is not here"].details == ["course-v1:NorthU+BIO2+2026"]
    assert named["showanswer", "is of content that is no unit here"].details == [other_block]
    assert named["?", "cannot be read"].lines == [f"a.log:{len(lines) + 1}"]


async def test_a_dry_run_says_what_would_change_and_changes_nothing(world: World, tmp_path: Path) -> None:
    await open_edx_course(world)
    lines = [line for line, _ in openedx_lines.TAKEN.values()]
    many = [*lines, *[video_line("load_video") | {"time": f"2026-11-05T10:00:00.{n:03}Z"} for n in range(600)], *lines]
    file = write(tmp_path / "a.log", many)
    options = ImportOptions(is_dry_run=True, creates_users=True, creates_enrollments=True)
    before, entries = await everything(world), await world.rows(select(audit_entries.c.seq))

    foretold = await imported(world, open_edx(source="north"), file, options=options)
    after, later_entries = await everything(world), await world.rows(select(audit_entries.c.seq))
    done = await imported(world, open_edx(source="north"), file, options=options._replace(is_dry_run=False))

    assert (after, later_entries) == (before, entries)
    assert foretold.is_dry_run
    assert foretold.events == len(lines) + 600
    assert (foretold.new_users, foretold.new_enrollments) == (1, 1)
    foretold.is_dry_run = False
    assert foretold == done


async def test_accounts_and_enrollments_are_made_if_that_is_wanted(world: World, tmp_path: Path) -> None:
    made = await open_edx_course(world)
    file = write(tmp_path / "a.log", [video_line("load_video"), video_line("play_video") | {"username": "ben@north.example"}])
    options = ImportOptions(creates_users=True, creates_enrollments=True)

    report = await imported(world, open_edx(source="north"), file, options=options)

    assert (report.new_users, report.new_enrollments, report.events) == (2, 2, 2)
    names = await world.rows(select(users.c.external_id).where(users.c.role == Role.PARTICIPANT))
    assert sorted(names) == [("north:ben@north.example",), ("north:ines",)]
    ben = await world.read(world.services.accounts.find_by_email, "ben@north.example")
    enrollment = await world.read(world.services.enrollments.find, ben.id, made.id)
    assert enrollment is not None
    assert enrollment.enrolled_at == parse(AT)
    actions = [action for (action,) in await world.rows(select(audit_entries.c.action).order_by(audit_entries.c.seq))]
    assert actions[-5:] == ["CREATE_USER", "CREATE_USER", "ENROLL_LEARNER", "ENROLL_LEARNER", "IMPORT_DATA"]


async def test_who_left_a_course_is_not_enrolled_again(world: World, tmp_path: Path) -> None:
    made = await open_edx_course(world)
    user = await learner(world, made, "ines")
    await world.write(world.services.enrollments.leave, user, made.id)
    file = write(tmp_path / "a.log", [video_line("load_video")])

    report = await imported(world, open_edx(), file, options=ImportOptions(creates_enrollments=True))

    enrollment = await world.read(world.services.enrollments.find, user, made.id)
    assert enrollment is not None
    assert enrollment.status == "DROPPED"
    assert report.new_enrollments == 0


async def test_content_that_is_no_unit_is_stored_in_the_course_if_that_is_wanted(world: World, tmp_path: Path) -> None:
    await learner(world, await course(world, COURSE, [("other", Rule.MANUAL, None)]), "ines")
    file = write(
        tmp_path / "a.log", [openedx_lines.TAKEN["problem_check"][0], openedx_lines.TAKEN["edx.forum.thread.viewed"][0]]
    )

    refused = await imported(world, open_edx(), file)
    taken = await imported(world, open_edx(), file, options=ImportOptions(needs_no_units=True))

    assert (refused.by_type, reasons(refused)) == ({"discussion_view": 1}, {"is of content that is no unit here": 1})
    assert (taken.by_type, taken.duplicates) == ({"openedx.problem_check": 1}, 1)
    assert await world.rows(select(unit_progress.c.unit_id)) == []


MOODLE_COURSE = f"{SITE}/course/view.php?id=8"


async def moodle_course(world: World) -> CourseTree:
    units = [(f"{SITE}/mod/{module}/view.php?id=51", Rule.VIEWED, None) for module in ("book", "lesson")]
    return await course(world, MOODLE_COURSE, [(QUIZ, Rule.QUIZ, 50), *units])


@pytest.mark.parametrize("form", ["rows a line", "rows in an array", "rows in a table", "statements", "statements a line"])
async def test_a_log_of_moodle_comes_in_once_in_every_form(world: World, database: Database, tmp_path: Path, form: str) -> None:
    made = await course(
        world,
        MOODLE_COURSE,
        [(f"{SITE}/mod/{module}/view.php?id=51", Rule.VIEWED, None) for module in [*moodle_lines.MODULES, "bigbluebuttonbn"]],
    )
    await learner(world, made, "31")
    names = [*moodle_lines.TAKEN, *moodle_lines.NOT_TAKEN]
    names = [name for name in names if not name.startswith(("core_h5p", "core\\course_module_completion"))]
    records = [
        statement(name, id=f"s{n}") if form.startswith("statements") else row(name, id=n) for n, name in enumerate(names)
    ]
    path = tmp_path / "log.json"
    if form == "rows in a table":
        path = tmp_path / "log.csv"
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(records[0]), delimiter=";")
            writer.writeheader()
            writer.writerows(records)
    elif form in {"rows a line", "statements a line"}:
        path.write_text("\n".join(json.dumps(record) for record in records))
    else:
        path.write_text(json.dumps(records, indent=1))

    first = await imported(world, moodle(), LogFile(path))
    second = await imported(world, moodle(), LogFile(path))

    count = len(moodle_lines.TAKEN) - 2
    assert (first.lines, first.events, first.count_not_taken) == (len(names), count, len(moodle_lines.NOT_TAKEN))
    assert (second.events, second.duplicates) == (0, count)
    assert await differences(database) == []


VIEWED = "The user with id '31' viewed the 'quiz' activity with course module id '51'."
SUBMITTED = "The user with id '31' has submitted the attempt with id '4' for the quiz with course module id '51'."


@pytest.mark.parametrize("form", ["csv", "csv of a spreadsheet", "json", "json with names"])
async def test_a_report_of_moodle_is_read_as_people_save_it(world: World, tmp_path: Path, form: str) -> None:
    await learner(world, await moodle_course(world), "31")
    rows = [
        report_row("Course module viewed", VIEWED, time="5/11/26, 10:30"),
        report_row("Course module viewed", VIEWED, time="5/11/26, 10:30"),
        report_row("Tentative de test terminée", SUBMITTED, time="26/11/26, 10:30"),
    ]
    path = tmp_path / f"logs.{form[:4].strip()}"
    if form == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([HEADER, *rows])
    elif form == "csv of a spreadsheet":
        times = ["05/11/2026 10:30", "05/11/2026 10:30", "26/11/2026 10:30"]
        with path.open("w", newline="", encoding="cp1252") as file:
            csv.writer(file, delimiter=";").writerows(
                [HEADER, *([time, *cells[1:]] for time, cells in zip(times, rows, strict=True))]
            )
    else:
        value = rows if form == "json" else [dict(zip(HEADER, cells, strict=True)) for cells in rows]
        path.write_text(json.dumps([value], indent=4))

    first = await imported(world, moodle(course=MOODLE_COURSE), LogFile(path))
    second = await imported(world, moodle(course=MOODLE_COURSE), LogFile(path))

    assert (first.by_type, reasons(first)) == ({"unit_view": 2, "quiz_submit": 1}, {})
    assert (second.events, second.duplicates) == (0, 3)
    stored = await world.rows(select(logged.c.start_time).order_by(logged.c.start_time))
    assert stored == [(parse("2026-11-05T09:30:00Z"),)] * 2 + [(parse("2026-11-26T09:30:00Z"),)]
    assert any("Windows-1252" in note for note in first.notes) is (form == "csv of a spreadsheet")


async def test_dates_that_do_not_tell_the_day_from_the_month_are_named(world: World, tmp_path: Path) -> None:
    await learner(world, await moodle_course(world), "31")
    path = tmp_path / "logs.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, report_row("Course module viewed", VIEWED), ["only", "two"]])

    report = await imported(world, moodle(course=MOODLE_COURSE), LogFile(path))

    (undated, short) = sorted(report.not_taken, key=lambda each: each.lines)
    assert (undated.reason, undated.lines) == ("has no time that can be read", ["logs.csv:2"])
    assert "--dates" in undated.details[0]
    assert short.lines == ["logs.csv:3"]


async def test_a_damaged_file_is_named_and_what_came_before_stays(world: World, tmp_path: Path) -> None:
    await learner(world, await open_edx_course(world), "ines")
    path = tmp_path / "a.log.gz"
    lines = [video_line("load_video") | {"session": f"{n}"} for n in range(5000)]
    write(path, lines)
    path.write_bytes(path.read_bytes()[:-2000])

    with pytest.raises(Invalid) as refused:
        await imported(world, open_edx(), LogFile(path))

    assert refused.value.fields[0].field == "a.log.gz"
    assert len(await stored_types(world)) >= 500


STRANGE = ["\0", "\ud800", 10**30, 1e300, -1, True, None, [[]], {"a": {"b": "\ud800"}}, "x" * 5000, "\u0301"]


def variants(value: Any) -> Iterator[Any]:
    """Yield a record with each of its values replaced by strange ones, also within it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from (value | {key: each} for each in [*STRANGE, *variants(inner)])
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ([*value[:index], each, *value[index + 1 :]] for each in [*STRANGE, *variants(inner)])


@pytest.mark.parametrize("kind", ["tracking", "statements", "rows", "report"])
async def test_strange_values_cost_the_other_lines_nothing(world: World, database: Database, tmp_path: Path, kind: str) -> None:
    await learner(
        world,
        await (open_edx_course(world) if kind == "tracking" else moodle_course(world)),
        "ines" if kind == "tracking" else "31",
    )
    result = {"score": {"raw": 1, "max": 2}, "duration": "P99999999D"}
    good: Any = {
        "tracking": server_line(
            "problem_check", {"problem_id": PROBLEM, "grade": 1, "max_grade": 2, "currentTime": 5, "duration": 9}
        ),
        "statements": statement("mod_quiz\\attempt_submitted", "completed", result=result, actor={"account": {"name": "31"}}),
        "rows": row("mod_quiz\\attempt_started"),
        "report": report_row("Course module viewed", VIEWED, time="26/11/26, 10:30"),
    }[kind]
    strange = [good, *variants(good)]
    path = tmp_path / "log.json"
    if kind == "tracking":
        path.write_text("\n".join(json.dumps(each) for each in strange))
    else:
        path.write_text(json.dumps([strange]))

    report = await imported(world, open_edx() if kind == "tracking" else moodle(course=MOODLE_COURSE), LogFile(path))

    assert report.lines == len(strange)
    assert report.events >= 1
    assert report.events + report.duplicates + report.count_not_taken == report.lines
    assert await differences(database) == []
