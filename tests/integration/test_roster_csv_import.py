"""Importing rosters of plain CSV files."""

from sqlalchemy import select

from headway.db.database import Database
from headway.enrollments.tables import enrollments, invitations
from headway.rosters.model import Mode, Options
from headway.rosters.reading import Reading
from tests.integration.roster_imports import bring_csv, differences, everything, reasons, summary
from tests.world import World


async def test_a_csv_file_enrolls_in_courses_by_any_of_their_names(world: World, database: Database) -> None:
    course = await world.course(slug="algebra", external_id="https://school.example/algebra")
    known = await world.user(email="known@example.org")
    text = (
        "email,name,course,role\n"
        f"known@example.org,Another Name,{course.id},student\n"
        "ada@example.org,Ada Lovelace,algebra,student\n"
        "grace@example.org,Grace Hopper,https://school.example/algebra,teacher\n"
        "nobody@example.org,,algebra,student\n"
        "bob@example.org,Bob,geometry,student\n"
    )

    dry = await bring_csv(world, text, options=Options(is_dry_run=True))
    report = await bring_csv(world, text)
    stored = await everything(world)
    again = await bring_csv(world, text)

    assert summary(dry) == summary(report)
    assert summary(report) == {
        "user": {"created": 3, "unchanged": 1},
        "enrollment": {"created": 2},
        "staff": {"created": 1},
        "invitation": {"created": 1},
    }
    assert reasons(report) == [("people.csv", 6, "there is no course geometry")]
    assert [each.name for each in report.changes if each.kind == "invitation"] == ["nobody@example.org"]
    assert len(await world.rows(select(invitations.c.id))) == 1
    assert (await world.find_user(known.id)).name == known.name
    assert not again.has_changes
    assert await everything(world) == stored
    assert await differences(database) == []


async def test_a_complete_csv_file_lets_those_leave_who_are_missing_in_its_courses(world: World) -> None:
    first, second = await world.course(slug="first"), await world.course(slug="second")
    rows = [f"{name}@example.org,{name},{course},student" for course in ("first", "second") for name in ("ada", "bob")]
    await bring_csv(world, "\n".join(["email,name,course,role", *rows]))

    report = await bring_csv(world, "email,name,course\nada@example.org,ada,first\n", Reading(mode=Mode.BULK))

    places = await world.rows(
        select(enrollments.c.course_id, enrollments.c.status).order_by(enrollments.c.course_id, enrollments.c.user_id)
    )
    assert places == [(first.id, "ENROLLED"), (first.id, "DROPPED"), (second.id, "ENROLLED"), (second.id, "ENROLLED")]
    assert summary(report)["enrollment"] == {"dropped": 1, "unchanged": 1}


async def test_seats_and_prerequisites_count_and_the_window_does_not(world: World) -> None:
    await world.course(slug="full", capacity=1, enroll_until=world.clock() - 1)
    rows = [f"{name}@example.org,{name},full,student" for name in ("ada", "bob")]

    report = await bring_csv(world, "\n".join(["email,name,course,role", *rows]))

    assert summary(report)["enrollment"] == {"created": 1}
    assert reasons(report) == [("people.csv", 3, "Every seat of this course is taken.")]


async def test_nobody_is_enrolled_with_a_disabled_account(world: World) -> None:
    await world.course(slug="algebra")
    disabled = await world.user(email="ada@example.org")
    await world.disable(disabled)

    report = await bring_csv(world, "email,course\nada@example.org,algebra\n")

    assert reasons(report) == [("people.csv", 2, "the account of ada@example.org is disabled")]
