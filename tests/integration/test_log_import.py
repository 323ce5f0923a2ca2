"""Importing logs of other platforms: every line once, and what is not taken is named."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from headway.accounts.tables import users
from headway.audit.tables import audit_entries
from headway.courses.completion import Rule
from headway.db.database import Database
from headway.errors import Invalid
from headway.identity import Role
from headway.importers.log_files import LogFile
from headway.importers.log_import import ImportOptions
from headway.instants import parse
from headway.learning.tables import learner_activity_logs as logged
from headway.learning.tables import unit_progress
from tests.integration.log_imports import (
    MOODLE_COURSE,
    VIEWED,
    course,
    differences,
    everything,
    imported,
    learner,
    moodle,
    moodle_course,
    open_edx,
    open_edx_course,
    reasons,
    stored_types,
    write,
)
from tests.unit import openedx_lines
from tests.unit.moodle_lines import report_row, row, statement
from tests.unit.openedx_lines import AT, COURSE, PROBLEM, VIDEO, encode, server_line, video_line
from tests.world import World


@pytest.fixture(autouse=True)
def afterwards(world: World) -> None:
    world.clock.now = parse("2026-12-01T12:00:00Z")


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
