"""Importing rosters: people, courses and who is in them, as often as the school office sends them."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select

from headway.audit.tables import audit_entries
from headway.courses.tables import courses
from headway.db.database import Database
from headway.enrollments.tables import enrollments
from headway.identity import Caller, Role
from headway.rosters.model import Options
from headway.rosters.reading import Reading, open_path
from headway.rosters.tables import roster_places
from tests.integration.audit_log import faults
from tests.integration.roster_imports import (
    NOTHING,
    bring,
    differences,
    everything,
    reasons,
    staff,
    statuses,
    summary,
    user_id,
)
from tests.roster_inputs import OneRosterFiles
from tests.world import World


async def test_a_roster_comes_in_whole_and_a_second_import_changes_nothing(
    world: World, database: Database, tmp_path: Path
) -> None:
    advanced: list[int] = []
    files = OneRosterFiles(500)
    files.person("p-1", "Anne", "Parent", "guardian")
    roster = open_path(files.write(tmp_path / "roster"), Reading(), world.clock)

    first = await world.services.rosters.run(roster, NOTHING, advanced.append)
    stored = await everything(world)
    world.clock.advance(seconds=3600)
    second = await bring(world, tmp_path, files)

    assert summary(first) == {
        "user": {"created": 501},
        "course": {"created": 1},
        "enrollment": {"created": 500},
        "staff": {"unchanged": 1},
    }
    assert first.left_out == {"people who are guardian": 1}
    assert first.not_taken == []
    assert summary(second) == {
        "user": {"unchanged": 501},
        "course": {"unchanged": 1},
        "enrollment": {"unchanged": 500},
        "staff": {"unchanged": 1},
    }
    assert not second.has_changes
    assert await everything(world) == stored
    assert set((await statuses(world)).values()) == {"ENROLLED"}
    assert await staff(world) == {"t-1": "owner"}
    recorded = dict(await world.rows(select(audit_entries.c.action, func.count()).group_by(audit_entries.c.action)))
    assert recorded == {"CREATE_USER": 501, "CREATE_COURSE": 1, "ENROLL_LEARNER": 500, "IMPORT_DATA": 1}
    assert await faults(world) == []
    assert await differences(database) == []


async def test_a_dry_run_tells_the_same_and_changes_nothing(world: World, tmp_path: Path) -> None:
    files = OneRosterFiles(20)
    before = await everything(world)

    expected = await bring(world, tmp_path, files, Options(is_dry_run=True))
    unchanged = await everything(world)
    actual = await bring(world, tmp_path, files)

    assert unchanged == before
    assert summary(expected) == summary(actual)
    assert [(each.kind, each.did, each.name, each.course) for each in expected.changes] == [
        (each.kind, each.did, each.name, each.course) for each in actual.changes
    ]


async def test_a_changed_roster_changes_what_it_says_and_no_more(world: World, database: Database, tmp_path: Path) -> None:
    files = OneRosterFiles(4)
    await bring(world, tmp_path, files)
    files.row("users", "s-1").update(familyName="Married", email="new@school.example")
    files.row("classes", "class-1").update(title="Algebra 8b", termSourcedIds="autumn")
    files.remove_enrollment("s-2")
    files.row("users", "s-3")["enabledUser"] = "false"
    files.person("s-5", "Late", "Comer", "student")
    files.enroll("s-5")
    files.person("t-2", "Alan", "Turing", "teacher")
    files.enroll("t-2", role="teacher")

    expected = await bring(world, tmp_path, files, Options(is_dry_run=True))
    actual = await bring(world, tmp_path, files)
    stored = await everything(world)
    again = await bring(world, tmp_path, files)

    assert summary(expected) == summary(actual)
    assert summary(actual) == {
        "user": {"created": 2, "changed": 1, "unchanged": 3},
        "course": {"changed": 1},
        "enrollment": {"created": 1, "dropped": 2, "unchanged": 2},
        "staff": {"created": 1, "unchanged": 1},
    }
    changed = {each.kind: dict(each.fields) for each in actual.changes if each.did == "changed"}
    assert changed == {
        "user": {
            "name": ("Learner 1 Example", "Learner 1 Married"),
            "email": ("s-1@school.example", "new@school.example"),
        },
        "course": {
            "title": ("Algebra 7b", "Algebra 8b"),
            "ends_at": ("2027-03-27T00:00:00.000Z", "2026-12-19T00:00:00.000Z"),
        },
    }
    dropped = {each.name for each in actual.changes if each.did == "dropped"}
    assert dropped == {"s-2", "s-3"}
    assert await statuses(world) == {
        "s-1": "ENROLLED",
        "s-2": "DROPPED",
        "s-3": "DROPPED",
        "s-4": "ENROLLED",
        "s-5": "ENROLLED",
    }
    assert await staff(world) == {"t-1": "owner", "t-2": "instructor"}
    assert not again.has_changes
    assert await everything(world) == stored
    assert await faults(world) == []
    assert await differences(database) == []


async def test_whoever_comes_back_goes_on_with_what_was_earned(world: World, tmp_path: Path) -> None:
    files = OneRosterFiles(2)
    await bring(world, tmp_path, files)
    files.row("enrollments", "e-class-1-s-1")["endDate"] = "2025-12-31"
    await bring(world, tmp_path, files)
    left = await statuses(world)
    files.enroll("s-1", sourcedId="e-again")

    report = await bring(world, tmp_path, files)
    again = await bring(world, tmp_path, files)

    assert left["s-1"] == "DROPPED"
    assert summary(report)["enrollment"] == {"created": 1, "unchanged": 1}
    assert (await statuses(world))["s-1"] == "ENROLLED"
    assert not again.has_changes


async def test_a_delta_changes_what_it_names(world: World, database: Database, tmp_path: Path) -> None:
    await bring(world, tmp_path, OneRosterFiles(4))
    delta = OneRosterFiles(0, mode="delta")
    delta.tables["users"] = []
    delta.tables["enrollments"] = []
    delta.person("s-2", "Learner 2", "Example", "student", status="tobedeleted")
    delta.enroll("s-1", status="tobedeleted")
    delta.enroll("s-4", status="active")
    delta.person("s-9", "New", "Here", "student", status="active")
    delta.enroll("s-9", status="active")

    report = await bring(world, tmp_path, delta)
    again = await bring(world, tmp_path, delta)

    assert await statuses(world) == {
        "s-1": "DROPPED",
        "s-2": "DROPPED",
        "s-3": "ENROLLED",
        "s-4": "ENROLLED",
        "s-9": "ENROLLED",
    }
    assert summary(report)["enrollment"] == {"created": 1, "dropped": 2, "unchanged": 1}
    assert not again.has_changes
    assert await differences(database) == []


async def test_a_class_that_is_deleted_is_left_by_all_and_stays(world: World, tmp_path: Path) -> None:
    await bring(world, tmp_path, OneRosterFiles(2))
    delta = OneRosterFiles(0, mode="delta")
    delta.tables["users"] = delta.tables["enrollments"] = []
    delta.row("classes", "class-1")["status"] = "tobedeleted"

    report = await bring(world, tmp_path, delta)

    assert set((await statuses(world)).values()) == {"DROPPED"}
    assert len(await world.rows(select(courses.c.id))) == 1
    # A course keeps its last owner.
    assert await staff(world) == {"t-1": "owner"}
    assert [each.reason.partition(":")[0] for each in report.not_taken] == ["t-1 stays in the staff of the course"]


async def test_a_truncated_file_lets_nobody_leave_until_somebody_says_that_it_is_right(world: World, tmp_path: Path) -> None:
    await bring(world, tmp_path, OneRosterFiles(30))
    truncated = OneRosterFiles(5)

    held = await bring(world, tmp_path, truncated)
    kept = await statuses(world)
    allowed = await bring(world, tmp_path, truncated, Options(allows_drops=True))

    assert reasons(held) == [
        ("enrollments", 0, "25 of the 31 people whom this source brought would leave: say that this is right")
    ]
    assert set(kept.values()) == {"ENROLLED"}
    assert summary(allowed)["enrollment"] == {"dropped": 25, "unchanged": 5}


async def test_nobody_is_missing_in_a_file_with_rows_that_cannot_be_read(world: World, tmp_path: Path) -> None:
    files = OneRosterFiles(4)
    await bring(world, tmp_path, files)
    files.row("enrollments", "e-class-1-s-2")["userSourcedId"] = ""

    report = await bring(world, tmp_path, files)

    assert [reason for _, _, reason in reasons(report)] == [
        "userSourcedId is missing",
        "some rows cannot be read, so nobody is missing for certain: nobody left for being missing",
    ]
    assert set((await statuses(world)).values()) == {"ENROLLED"}


async def test_who_enrolled_without_the_roster_stays(world: World, tmp_path: Path) -> None:
    files = OneRosterFiles(2)
    await bring(world, tmp_path, files)
    other = await world.user(external_id="guest")
    ((course_id,),) = await world.rows(select(courses.c.id))
    await world.write(world.services.enrollments.enroll, other.id, course_id, at=world.clock())

    report = await bring(world, tmp_path, files)

    assert not report.has_changes
    assert (await statuses(world))["guest"] == "ENROLLED"


async def test_an_account_is_found_by_its_address_unless_somebody_else_has_it(world: World, tmp_path: Path) -> None:
    found = await world.user(email="S-1@School.example")
    await world.user(email="s-2@school.example", external_id="somebody-else")
    admin = await world.user(Role.ADMIN, email="t-1@school.example")
    files = OneRosterFiles(2)

    report = await bring(world, tmp_path, files)
    again = await bring(world, tmp_path, files)

    assert await user_id(world, "s-1") == found.id
    (refused_user, refused_place) = reasons(report)
    assert refused_user[:2] == ("users.csv", 4)
    assert refused_user[2].endswith("which has another external id")
    assert refused_place == ("enrollments.csv", 4, "s-2 has no account that this roster could find or create")
    stored = await world.find_user(admin.id)
    assert (stored.role, stored.name, stored.external_id) == (Role.ADMIN, admin.name, None)
    assert await staff(world) == {None: "owner"}
    assert not again.has_changes


async def test_two_people_with_one_address_are_not_made_one(world: World, tmp_path: Path) -> None:
    files = OneRosterFiles(2)
    files.row("users", "s-2")["email"] = "s-1@school.example"

    report = await bring(world, tmp_path, files)

    assert reasons(report)[0] == ("users.csv", 4, "the address is in the file twice, for two people")
    assert set(await statuses(world)) == {"s-1"}


async def test_a_learner_who_teaches_may_teach_from_now_on(world: World, tmp_path: Path) -> None:
    await bring(world, tmp_path, OneRosterFiles(2))
    files = OneRosterFiles(2)
    files.tables["classes"].append({"sourcedId": "club", "title": "Chess club"})
    files.enroll("s-1", "club", role="teacher")

    report = await bring(world, tmp_path, files)

    assert (await world.find_user(await user_id(world, "s-1"))).role is Role.INSTRUCTOR
    assert await staff(world) == {"t-1": "owner", "s-1": "owner"}
    assert [dict(each.fields) for each in report.changes if each.did == "changed"] == [{"role": ("PARTICIPANT", "INSTRUCTOR")}]


async def test_a_class_without_a_teacher_needs_an_owner(world: World, tmp_path: Path) -> None:
    files = OneRosterFiles(2)
    files.remove_enrollment("t-1")
    tutor = await world.user(Role.INSTRUCTOR)

    refused = await bring(world, tmp_path, files)
    report = await bring(world, tmp_path, files, Options(owner_id=tutor.id))

    assert reasons(refused)[0][:2] == ("classes.csv", 2)
    assert "has no teacher who could own the course" in reasons(refused)[0][2]
    assert reasons(refused)[1:] == [
        ("enrollments.csv", 2, "there is no course class-1"),
        ("enrollments.csv", 3, "there is no course class-1"),
    ]
    assert summary(report)["enrollment"] == {"created": 2}


async def test_who_imports_stands_in_the_log(world: World, tmp_path: Path) -> None:
    admin = await world.user(Role.ADMIN)
    caller = Caller(admin.id, admin.role, name=admin.name)

    await bring(world, tmp_path, OneRosterFiles(1), Options(caller))

    actors = await world.rows(select(audit_entries.c.action, audit_entries.c.actor_id))
    assert {actor for _, actor in actors} == {str(admin.id)}
    assert {action for action, _ in actors} == {"CREATE_USER", "CREATE_COURSE", "ENROLL_LEARNER", "IMPORT_DATA"}


async def test_an_import_that_was_cut_off_is_completed_by_a_repetition(
    world: World, database: Database, tmp_path: Path
) -> None:
    files = OneRosterFiles(600)
    roster = open_path(files.write(tmp_path / "roster"), Reading(), world.clock)
    done = 0

    def fail_half_way(rows: int) -> None:
        nonlocal done
        done += rows
        if done > 1_100:
            raise RuntimeError("the power went off")

    with pytest.raises(RuntimeError, match="power"):
        await world.services.rosters.run(roster, NOTHING, fail_half_way)
    partly = len(await statuses(world))
    report = await bring(world, tmp_path, files)

    assert 0 < partly < 600
    assert summary(report)["enrollment"] == {"created": 600 - partly, "unchanged": partly}
    assert len(await world.rows(select(roster_places))) == 601
    assert await differences(database) == []


async def test_a_certified_learner_stays(world: World, tmp_path: Path) -> None:
    files = OneRosterFiles(2)
    await bring(world, tmp_path, files)
    async with world.database.write() as tx:
        await tx.run(enrollments.update().values(status="CERTIFIED"))
    files.remove_enrollment("s-1")

    report = await bring(world, tmp_path, files)

    assert set((await statuses(world)).values()) == {"CERTIFIED"}
    assert not report.has_changes


async def test_one_roster_in_two_imports_at_once_comes_in_once(world: World, database: Database, tmp_path: Path) -> None:
    files = OneRosterFiles(30)

    await asyncio.gather(bring(world, tmp_path, files), bring(world, tmp_path, files))
    again = await bring(world, tmp_path, files)

    assert not again.has_changes
    assert len(await statuses(world)) == 30
    assert await differences(database) == []
    assert await faults(world) == []
