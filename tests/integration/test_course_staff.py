"""The staff of courses: owners who remove each other at once, and accounts that may not teach any more."""

import asyncio
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml

from headway.accounts.model import User
from headway.courses.model import CourseSearch, CourseTree
from headway.courses.staff import StaffMember
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.errors import Conflict, Forbidden
from headway.identity import Caller, CourseRole, Role
from headway.paging.service import Walk
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.concurrency import Request, open_world, run_servers, send_all
from tests.integration.course_edits import unchanged_course
from tests.integration.test_live_clients import follow, heard, heard_entry, live
from tests.processes import run_headway
from tests.world import World

OWNER, INSTRUCTOR = CourseRole.OWNER, CourseRole.INSTRUCTOR


def caller(user: User) -> Caller:
    return Caller(user.id, user.role)


async def owned(world: World, owners: int, **given: Any) -> tuple[CourseTree, list[User]]:
    """Make a course with several owners, in the order of their appointment."""
    course = await world.course(**given)
    people = [await world.find_user(course.owner_id), *[await world.user(Role.INSTRUCTOR) for _ in range(owners - 1)]]
    for user in people[1:]:
        world.clock.advance(seconds=1)
        await world.write(world.services.course_staff.set_role, caller(people[0]), course.id, user.id, OWNER)
    return course, people


async def members(world: World, course: CourseTree) -> list[StaffMember]:
    admin = Caller(0, Role.ADMIN)
    found, _ = await world.read(world.services.course_staff.list_members, admin, course.id, walk=Walk(100, 1))
    return found


async def tutor_of(world: World, course: CourseTree) -> int:
    (listed,) = (await world.read(world.services.courses.search, None, CourseSearch(), walk=Walk(10, 1))).courses
    assert listed.owner_id == (await world.read(world.services.courses.find, course.id)).owner_id
    return listed.owner_id


async def test_owners_who_remove_each_other_at_once_leave_one(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course, owners = await owned(world, 4)
        path = f"/api/v1/courses/{course.id}/staff"
        requests: list[Request] = []
        for one, other in permutations(owners, 2):
            requests.append(("DELETE", f"{path}/{other.id}", world.bearer(one), None))
            requests.append(("PUT", f"{path}/{other.id}", world.bearer(one), {"role": "instructor"}))
        with run_servers(settings, tmp_path) as urls:
            answers = await send_all(urls, requests)

        assert {answer.status_code for answer in answers} <= {200, 204, 403, 404, 409}
        assert [each.role for each in await members(world, course)].count(OWNER) >= 1


async def test_of_two_owners_who_leave_at_once_one_stays(world: World, settings: Settings) -> None:
    course, owners = await owned(world, 2)
    async with open_world(settings) as other:
        leaving = [
            each.write(each.services.course_staff.remove, caller(user), course.id, user.id)
            for each, user in zip((world, other), owners, strict=True)
        ]
        ended = await asyncio.gather(*leaving, return_exceptions=True)

    assert [type(each) for each in ended if each is not None] == [Conflict]
    assert len(await members(world, course)) == 1


@pytest.mark.parametrize("verb", ["change", "set_status"])
async def test_who_leaves_the_staff_while_waiting_for_the_course_is_refused(
    world: World, settings: Settings, verb: str
) -> None:
    course, (_, leaving) = await owned(world, 2)
    learner = await world.learner(course)
    async with open_world(settings) as other:

        async def act() -> None:
            services = other.services
            if verb == "change":
                await other.write(services.course_editing.change, caller(leaving), course.id, unchanged_course)
            else:
                dropped = StatusChange(EnrollmentStatus.DROPPED)
                await other.write(services.enrollments.set_status, caller(leaving), course.id, learner.id, dropped)

        async with world.database.write() as tx:
            await world.services.course_staff.remove(tx, None, course.id, leaving.id)
            acting = asyncio.create_task(act())
            await asyncio.sleep(0.3)
            assert not acting.done()

        with pytest.raises(Forbidden):
            await acting


async def test_the_tutor_is_the_first_owner_who_may_teach(world: World) -> None:
    course, owners = await owned(world, 3)
    first, second, third = owners
    services, admin = world.services, await world.user(Role.ADMIN)
    assert await tutor_of(world, course) == first.id

    await world.write(services.accounts.change, first.id, role=Role.PARTICIPANT)
    assert await tutor_of(world, course) == second.id
    await world.disable(second)
    assert await tutor_of(world, course) == third.id
    with pytest.raises(Conflict, match="another owner"):
        await world.write(services.course_staff.remove, caller(admin), course.id, third.id)
    await world.write(services.accounts.change, third.id, role=Role.PARTICIPANT)
    assert await tutor_of(world, course) == first.id

    # Nobody is left who may do anything; an administrator appoints somebody.
    await world.write(services.course_staff.set_role, caller(admin), course.id, admin.id, OWNER)
    assert await tutor_of(world, course) == admin.id
    for user in owners:
        await world.write(services.course_staff.remove, caller(admin), course.id, user.id)
    assert [each.user_id for each in await members(world, course)] == [admin.id]


@pytest.mark.parametrize("role", [Role.PARTICIPANT, Role.SYSTEM])
async def test_an_account_that_may_not_teach_any_more_has_no_rights_in_its_courses(
    world: World, client: httpx.AsyncClient, role: Role
) -> None:
    course, (owner,) = await owned(world, 1)
    hidden = await world.course(is_published=False)
    lecturer = await world.find_user(hidden.owner_id)
    learner = await world.learner(course)
    for user in (owner, lecturer):
        await world.write(world.services.accounts.change, user.id, role=role)
    world.clock.advance(seconds=2)
    bearers = [world.bearer(await world.find_user(user.id)) for user in (owner, lecturer)]

    async def status(method: str, path: str, body: Any = None, number: int = 0) -> int:
        answer = await client.request(method, path, json=body, headers=bearers[number])
        return answer.status_code

    allowed = role is Role.SYSTEM
    one = f"/api/v1/courses/{course.id}"
    assert await status("PATCH", one, {"description": "Changed"}) == (200 if allowed else 403)
    assert await status("GET", f"{one}/enrollments") == (200 if allowed else 403)
    assert await status("GET", f"/user-progress/{course.id}/{learner.id}") == (200 if allowed else 403)
    assert await status("GET", f"{one}/staff") == (200 if allowed else 403)
    assert await status("DELETE", f"{one}/staff/{owner.id}") == (409 if allowed else 403)
    assert await status("GET", f"/api/v1/courses/{hidden.id}", number=1) == (200 if allowed else 404)
    listed = (await client.get("/api/v1/courses", headers=bearers[1])).json()["data"]
    assert len(listed) == (2 if allowed else 1)
    for sender, receiver in ((await world.find_user(owner.id), learner), (learner, owner)):
        body = {"receiverId": str(receiver.id), "message": "Hello"}
        sent = await client.post("/api/v1/learner/messages", json=body, headers=world.bearer(sender))
        assert (sent.status_code, sent.json()["code"]) == (403, "NOT_A_PEER")


async def test_a_disabled_tutor_is_nobody_to_write_to(world: World, client: httpx.AsyncClient) -> None:
    course, (owner,) = await owned(world, 1)
    learner = await world.learner(course)
    body = {"receiverId": str(owner.id), "message": "Hello"}
    bearer = world.bearer(learner)
    assert (await client.post("/api/v1/learner/messages", json=body, headers=bearer)).status_code == 201

    await world.disable(owner)

    assert (await client.post("/api/v1/learner/messages", json=body, headers=bearer)).status_code == 403


async def test_an_account_that_may_teach_again_has_its_courses_again(world: World) -> None:
    course, (owner,) = await owned(world, 1)
    await world.write(world.services.accounts.change, owner.id, role=Role.PARTICIPANT)
    with pytest.raises(Forbidden):
        await world.read(world.services.course_staff.list_members, Caller(owner.id, Role.PARTICIPANT), course.id, Walk(1, 1))
    (member,) = await members(world, course)
    assert not member.counts

    await world.write(world.services.accounts.change, owner.id, role=Role.INSTRUCTOR)

    found, _ = await world.read(world.services.course_staff.list_members, caller(owner), course.id, walk=Walk(1, 1))
    assert [each.counts for each in found] == [True]


async def test_a_course_file_needs_an_owner_who_may_teach(settings: Settings, world: World, tmp_path: Path) -> None:
    await world.user(email="learner@example.org")
    file = tmp_path / "course.yaml"
    file.write_text(yaml.safe_dump({"title": "C", "owner": "learner@example.org", "modules": []}))

    refused = await run_headway("course", "import", str(file), "--database", settings.database_url, secret_key=SECRET_KEY)

    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "needs an INSTRUCTOR or ADMIN" in refused.stderr


async def test_operators_appoint_and_remove_by_the_same_rules(settings: Settings, world: World) -> None:
    course, (owner,) = await owned(world, 1)
    colleague, learner = await world.user(Role.INSTRUCTOR), await world.user()

    async def staff(verb: str, *arguments: object) -> tuple[int, str]:
        flags = ["--course", str(course.id), *map(str, arguments), "--database", settings.database_url]
        ended = await run_headway("course", "staff", verb, *flags, secret_key=SECRET_KEY)
        return ended.returncode, ended.stdout + ended.stderr

    assert await staff("remove", "--user", owner.id) == (1, "Error: The course needs another owner first.\n")
    assert (await staff("set", "--user", learner.id, "--role", "owner"))[0] == 1
    assert (await staff("set", "--user", colleague.id, "--role", "owner"))[0] == 0
    assert (await staff("remove", "--user", owner.id))[0] == 0
    status, listed = await staff("list")
    (member,) = msgspec.json.decode(listed)
    assert (status, member["userId"], member["role"], member["active"]) == (0, str(colleague.id), "owner", True)


async def test_who_leaves_the_staff_hears_no_more_of_the_course_on_any_server(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course, owners = await owned(world, 2)
        first, second = owners
        path = f"/api/v1/courses/{course.id}"
        with run_servers(settings, tmp_path) as urls:
            async with (
                live(urls[0], world, second) as here,
                live(urls[-1], world, second) as there,
                live(urls[-1], world, first) as stays,
            ):
                newest = [await follow(socket, f"course:{course.id}") for socket in (here, there, stays)]
                removal: Sequence[Request] = [("DELETE", f"{path}/staff/{second.id}", world.bearer(first), None)]
                assert [answer.status_code for answer in await send_all(urls[:1], removal)] == [204]
                learner = await world.user()
                enrolling: Sequence[Request] = [("POST", f"{path}/enroll", world.bearer(learner), None)]
                assert [answer.status_code for answer in await send_all(urls[:1], enrolling)] == [201]

                lost = await heard_entry(here)
                assert (lost["type"], lost["code"], lost["topic"]) == ("error", "FORBIDDEN", f"course:{course.id}")
                seen = [await heard_entry(stays) for _ in range(2)]
                assert [each["type"] for each in seen] == ["course.updated", "enrollment.updated"]
                assert [each["seq"] for each in seen] == [newest[2] + 1, newest[2] + 2]
                while (told := await heard_entry(there))["type"] != "error":
                    assert told["seq"] in {newest[1] + 1, newest[1] + 2}
                assert told["code"] == "FORBIDDEN"
                for socket in (here, there):
                    with pytest.raises(TimeoutError):
                        await heard(socket, seconds=1)
