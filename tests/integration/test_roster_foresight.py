"""A dry run tells what the import does: for random rosters, in random states of the school, on both databases."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

import msgspec
import pytest

from headway.accounts.store import find_by_external_ids
from headway.courses.model import CourseTree, NewCourse
from headway.db.database import Database, ReadTransaction
from headway.enrollments.enrolling_model import Wanted
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.errors import HeadwayError
from headway.identity import Caller, CourseRole, Role
from headway.rosters.model import Mode, Options, Report
from headway.rosters.reading import Reading
from headway.rosters.store import find_courses
from tests.integration.roster_imports import bring, bring_csv, differences, everything, user_id
from tests.roster_inputs import OneRosterFiles, Row
from tests.world import World

PEOPLE = [f"p-{n}" for n in range(14)]
CLASSES = [f"class-{n}" for n in range(4)]
ADDRESSES = [f"{name}@school.example" for name in (*PEOPLE, "x-1", "x-2", "x-3")]


class School:
    """A school whose people do what they like between two rosters."""

    def __init__(self, world: World, random: Random) -> None:
        self.world, self.random = world, random
        self.services = world.services
        self.operator = Caller(0, Role.ADMIN)

    async def disturb(self) -> None:
        """Change something, as people or staff do; what they may not do changes nothing."""
        courses = await self.world.read(find_courses, CLASSES)
        users = await self.world.read(self._find_users)
        acts = [self.invite, self.limit, self.publish, self.end, self.new_account]
        acts += [self.seat, self.leave, self.certify, self.disable, self.own, self.change_role, self.change_address]
        act = self.random.choice(acts)
        self.course_id = self.random.choice([each.id for each in courses.values()] or [0])
        self.user_id = self.random.choice(users or [0])
        with suppress(HeadwayError):
            await act()

    async def _find_users(self, tx: ReadTransaction) -> list[int]:
        return [user.id for user in (await find_by_external_ids(tx, PEOPLE)).values()]

    async def invite(self) -> None:
        items = [Wanted(f"email:{self.random.choice(ADDRESSES)}")]
        await self.world.write(self.services.enrolling.enroll, None, self.course_id, items)

    async def limit(self) -> None:
        await self._edit(lambda tree: {"capacity": self.random.choice([None, *range(tree.seats_taken, tree.seats_taken + 3)])})

    async def publish(self) -> None:
        await self._edit(lambda tree: {"is_published": self.random.random() < 0.7})

    async def end(self) -> None:
        at = self.world.clock() + self.random.choice([-1, 1]) * 86_400_000
        await self._edit(lambda tree: {"starts_at": None, "ends_at": at, "enroll_until": None})

    async def _edit(self, fields: object) -> None:
        def edit(tree: CourseTree) -> NewCourse:
            return msgspec.structs.replace(tree.unchanged, **fields(tree))  # type: ignore[operator]

        await self.world.write(self.services.course_editing.change, None, self.course_id, edit)

    async def new_account(self) -> None:
        await self.world.user(self.random.choice(list(Role)), email=self.random.choice(ADDRESSES))

    async def seat(self) -> None:
        await self._edit(lambda tree: {"enroll_until": None, "ends_at": None})
        await self.world.write(self.services.enrollments.enroll_or_wait, self.user_id, self.course_id)

    async def leave(self) -> None:
        await self.world.write(self.services.enrollments.leave, self.user_id, self.course_id)

    async def certify(self) -> None:
        change = StatusChange(self.random.choice([EnrollmentStatus.CERTIFIED, EnrollmentStatus.EXPIRED]))
        await self.world.write(self.services.enrollments.set_status, self.operator, self.course_id, self.user_id, change)

    async def disable(self) -> None:
        is_disabled = self.random.random() < 0.6
        await self.world.write(partial(self.services.accounts.set_disabled, is_disabled=is_disabled), self.user_id)

    async def own(self) -> None:
        role = self.random.choice(list(CourseRole))
        await self.world.write(self.services.course_staff.set_role, None, self.course_id, self.user_id, role)

    async def change_role(self) -> None:
        role = self.random.choice([Role.PARTICIPANT, Role.INSTRUCTOR, Role.ADMIN])
        await self.world.write(partial(self.services.accounts.change, role=role), self.user_id)

    async def change_address(self) -> None:
        email = self.random.choice(ADDRESSES)
        await self.world.write(partial(self.services.accounts.change, email=email), self.user_id)


def random_files(random: Random) -> OneRosterFiles:
    """Files of some people and classes, with rows that repeat, contradict each other, or name nobody."""
    files = OneRosterFiles(0, mode=random.choice(["bulk", "delta"]))
    for table in ("classes", "users", "enrollments"):
        files.tables[table] = []
    for key in random.sample(CLASSES, random.randint(1, len(CLASSES))):
        terms = random.choice(["autumn", "autumn,spring", "", "old"])
        row: Row = {"sourcedId": key, "title": f"{key} {random.randint(1, 2)}", "termSourcedIds": terms}
        files.tables["classes"].append(row | {"status": random.choice(["", "", "", "tobedeleted"])})
    files.tables["academicSessions"].append(
        {"sourcedId": "old", "title": "Old", "startDate": "2024-01-01", "endDate": "2024-06-30"}
    )
    addresses = random.sample(ADDRESSES, len(ADDRESSES)) if random.random() < 0.3 else ADDRESSES
    for number, key in enumerate(PEOPLE):
        if random.random() < 0.8:
            role = "teacher" if number < 4 else "student"
            row = files.person(key, key, random.choice(["Old", "New"]), role, email=addresses[number])
            odd: list[Row] = [{}, {}, {}, {}, {"enabledUser": "false"}, {"status": "tobedeleted"}, {"email": ""}]
            row |= random.choice(odd)
    for key in CLASSES:
        for number, person in enumerate(PEOPLE):
            if random.random() < 0.4:
                role = "teacher" if number < 4 else random.choice(["student"] * 9 + ["teacher"])
                row = files.enroll(person, key, role=role)
                row |= random.choice([*[Row()] * 6, {"status": "tobedeleted"}, {"endDate": "2025-01-01"}])
    random.shuffle(files.tables["enrollments"])
    if random.random() < 0.2:
        files.tables["enrollments"] += random.sample(files.tables["enrollments"], 1) if files.tables["enrollments"] else []
    return files


def random_csv(random: Random) -> str:
    lines = ["email,name,course,role"]
    for _ in range(random.randint(1, 12)):
        name, role = random.choice(["Ada", ""]), random.choice(["student", "student", "teacher"])
        lines.append(f"{random.choice(ADDRESSES)},{name},{random.choice([*CLASSES, 'nowhere'])},{role}")
    return "\n".join(lines) + "\n"


def told(report: Report) -> dict[str, object]:
    """All that a report tells, but for ids, which a dry run does not know."""
    changes = [(each.kind, each.did, each.name, each.external_id, each.course, dict(each.fields)) for each in report.changes]
    faults = [(each.file, each.line, each.reason) for each in report.not_taken]
    return {"counts": report.counts, "changes": changes, "not taken": faults, "left out": report.left_out}


@pytest.mark.parametrize("seed", range(8))
async def test_a_dry_run_tells_all_that_an_import_changes_and_refuses(
    world: World, database: Database, tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    school = School(world, random)
    owner = await world.user(Role.INSTRUCTOR, email="owner@school.example")
    for step in range(10):
        world.clock.advance(seconds=60)
        for _ in range(random.randint(0, 8)):
            await school.disturb()
        files, text = random_files(random), random_csv(random)
        mode = random.choice(list(Mode))
        options = Options(owner_id=random.choice([None, owner.id]), allows_drops=random.random() < 0.7)

        async def run(options: Options, *, is_csv: bool = step % 3 == 2) -> Report:
            if is_csv:
                return await bring_csv(world, text, Reading(mode=mode), options)  # noqa: B023 - called at once
            return await bring(world, tmp_path, files, options)  # noqa: B023 - called at once

        before = await everything(world)
        foreseen = await run(options._replace(is_dry_run=True))
        assert await everything(world) == before, f"step {step}"
        done = await run(options)

        assert told(foreseen) == told(done), f"step {step}"
    assert await differences(database) == []


async def test_seats_are_counted_over_all_parts_of_a_long_roster(world: World, tmp_path: Path) -> None:
    files = OneRosterFiles(0)
    await bring(world, tmp_path, files)
    (course,) = (await world.read(find_courses, ["class-1"])).values()

    def limit(tree: CourseTree) -> NewCourse:
        return msgspec.structs.replace(tree.unchanged, capacity=550)

    await world.write(world.services.course_editing.change, None, course.id, limit)
    for n in range(600):
        files.person(f"s-{n}", f"Learner {n}", "Example", "student")
        files.enroll(f"s-{n}")

    foreseen = await bring(world, tmp_path, files, Options(is_dry_run=True))
    done = await bring(world, tmp_path, files)

    assert (done.counts["enrollment"]["created"], done.not_taken_count) == (550, 50)
    assert {fault.reason for fault in done.not_taken} == {"Every seat of this course is taken."}
    assert told(foreseen) == told(done)


async def test_who_waits_for_a_seat_goes_on_waiting_and_is_no_change(world: World, tmp_path: Path) -> None:
    course = await world.course(capacity=1, external_id="class-1")
    files = OneRosterFiles(2)
    files.tables["classes"], files.tables["enrollments"] = [], []
    await bring(world, tmp_path, files)
    files.enroll("s-1")
    files.enroll("s-2")
    await world.learner(course)
    waiting = await user_id(world, "s-1")
    await world.write(world.services.enrollments.enroll_or_wait, waiting, course.id)

    foreseen = await bring(world, tmp_path, files, Options(is_dry_run=True))
    done = await bring(world, tmp_path, files)

    assert [fault.reason for fault in done.not_taken] == ["Every seat of this course is taken."] * 2
    assert not done.has_changes
    assert told(foreseen) == told(done)
