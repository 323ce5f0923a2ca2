"""Cursors: whatever moves, comes and goes between the pages, each row that is there throughout is given exactly once."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import Update, bindparam, delete, func, select, update

from headway.accounts.model import User
from headway.courses.model import NewAssessment, NewCourse
from headway.enrollments import statistics_store
from headway.enrollments import store as enrollments_store
from headway.enrollments.statistics import StatisticsDelta
from headway.enrollments.tables import enrollments
from headway.identity import Caller, CourseRole, Role
from headway.messaging.tables import conversations
from headway.paging.store import KEPT, LIFETIME
from headway.paging.tables import list_orders
from headway.settings import Settings
from tests.app_server import open_server
from tests.integration.concurrency import open_world, run_servers
from tests.world import FakeClock, World

ROWS = 9
_set_enrollment = {
    column: update(enrollments)
    .where(enrollments.c.user_id == bindparam("of_user"), enrollments.c.course_id == bindparam("in_course"))
    .values({column: bindparam("to", type_=enrollments.c[column].type)})
    for column in ("percent", "enrolled_at", "completed_at", "status")
}


class School(NamedTuple):
    """A course with learners, one of whom is in many courses, writes with many people and has much in the log."""

    world: World
    client: httpx.AsyncClient
    chance: random.Random
    owner: User
    course_id: int
    assessment_id: int
    learners: list[User]

    @classmethod
    async def make(cls, world: World, client: httpx.AsyncClient, seed: int) -> "School":
        owner = await world.user(Role.INSTRUCTOR)
        new = NewCourse("Shared", assessments=(NewAssessment("Task"),))
        course = await world.write(world.services.course_editing.create_for, Caller(owner.id, owner.role), new)
        learners = [await world.learner(course) for _ in range(ROWS)]
        return cls(world, client, random.Random(seed), owner, course.id, course.assessments[0].id, learners)

    async def pages(self, path: str, user: User, between: Callable[[], Awaitable[object]], limit: int = 2) -> list[list[Any]]:
        """Walk through a list; `between` runs after each page."""
        found: list[list[Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {"limit": str(limit), **({"cursor": cursor} if cursor else {})}
            response = await self.client.get(path, params=query, headers=self.world.bearer(user))
            assert response.status_code == 200, response.text
            body = response.json()
            paging = body.get("metadata") or body.get("pagination") or body
            assert paging.get("page", len(found) + 1) == len(found) + 1
            found.append(body["results"] if "results" in body else body["data"])
            cursor = paging["nextCursor"]
            await between()
        assert len(found) > 2, "rows had no chance to move between pages"
        return found

    async def change(self, statement: Update, user_id: int, value: Any, course_id: int | None = None) -> None:
        in_course = self.course_id if course_id is None else course_id
        key, delta = (user_id, in_course), StatisticsDelta()
        async with self.world.database.write() as tx:
            before = (await enrollments_store.lock(tx, [key]))[key]
            await tx.run(statement, of_user=user_id, in_course=in_course, to=value)
            delta.replace(in_course, before, (await enrollments_store.lock(tx, [key]))[key])
            await statistics_store.write_statistics(tx, delta)


def not_given_once(pages: list[list[Any]], key: str, stayed: set[str]) -> set[str]:
    """Return the ids of rows that several pages have, and of those that stayed in the list and no page has."""
    given = Counter(str(row[key]) for page in pages for row in page)
    return {each for each, count in given.items() if count > 1} | (stayed - given.keys())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("sort", "column"), [("progress", "percent"), ("enrollmentDate", "enrolled_at"), ("completionDate", "completed_at")]
)
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_learners_who_move_in_the_course_room(
    settings: Settings, clock: FakeClock, seed: int, sort: str, column: str, order: str
) -> None:
    async with open_server(settings, clock) as (client, world):
        school = await School.make(world, client, seed)
        moving, (going, coming) = school.learners[:-1], (school.learners[-1], await world.user())

        async def move() -> None:
            for learner in school.chance.sample(moving, 4):
                value = school.chance.randrange(1, 10_000)
                await school.change(_set_enrollment[column], learner.id, value)
            await school.change(_set_enrollment["status"], going.id, "DROPPED")
            if not await world.read(world.services.enrollments.find, coming.id, school.course_id):
                await world.write(world.services.enrollments.enroll, coming.id, school.course_id)

        path = f"/user-progress/course/{school.course_id}/all?sortBy={sort}&order={order}&status=ENROLLED"
        await move()
        await school.change(_set_enrollment["status"], going.id, "ENROLLED")
        pages = await school.pages(path, school.owner, move)

        assert not_given_once(pages, "userId", {str(each.id) for each in moving}) == set()


@pytest.mark.parametrize("seed", range(2))
async def test_courses_whose_enrollment_is_renewed_and_conversations_that_go_on(
    settings: Settings, clock: FakeClock, seed: int
) -> None:
    async with open_server(settings, clock) as (client, world):
        school = await School.make(world, client, seed)
        learner, peers = school.learners[0], school.learners[1:]
        course_ids = [school.course_id]
        for _ in range(ROWS - 1):
            course = await world.course(())
            course_ids.append(course.id)
            await world.write(world.services.enrollments.enroll, learner.id, course.id)

        async def write(peer: User) -> None:
            clock.advance(seconds=1)
            await world.write(world.services.messaging.send, peer.id, learner.id, "Hello")

        for peer in peers:
            await write(peer)

        async def move() -> None:
            for peer in school.chance.sample(peers, 3):
                await write(peer)
            for course_id in school.chance.sample(course_ids, 3):
                value = school.chance.randrange(1, 10_000)
                await school.change(_set_enrollment["enrolled_at"], learner.id, value, course_id)

        await move()
        progress = await school.pages("/api/v1/learner/me/progress", learner, move)
        conversations_ = await school.pages("/api/v1/learner/conversations", learner, move)

        assert not_given_once(progress, "courseId", set(map(str, course_ids))) == set()
        assert not_given_once(conversations_, "userId", {str(peer.id) for peer in peers}) == set()


async def test_lists_in_an_order_that_stays(settings: Settings, clock: FakeClock, subtests: pytest.Subtests) -> None:
    async with open_server(settings, clock) as (client, world):
        school = await School.make(world, client, 1)
        services, learner = world.services, school.learners[0]
        for each in school.learners:
            await world.write(
                services.assessments.submit, Caller(each.id, each.role), school.assessment_id, "https://github.com/a/b"
            )
            await world.course(())
        for each in school.learners[1:]:
            await world.write(services.messaging.send, each.id, learner.id, "Hello")
        for number in range(ROWS):
            body = {"action": f"STEP_{number}", "target": {"type": "OTHER"}}
            await client.post("/api/v1/activities", json=body, headers=world.bearer(learner))
        one = f"/api/v1/courses/{school.course_id}"

        async def come_and_go() -> None:
            clock.advance(seconds=1)
            newcomer = await world.user()
            await world.write(services.enrollments.enroll, newcomer.id, school.course_id)
            as_newcomer = Caller(newcomer.id, newcomer.role)
            await world.write(services.assessments.submit, as_newcomer, school.assessment_id, "https://github.com/a/b")
            await world.course(())
            await world.write(services.messaging.send, newcomer.id, learner.id, "I am new")
            await client.post(
                "/api/v1/activities", json={"action": "MORE", "target": {"type": "OTHER"}}, headers=world.bearer(learner)
            )

        ids = {str(each.id) for each in school.learners}
        for path, user, key, stayed in (
            (f"{one}/enrollments", school.owner, "learnerId", ids),
            (f"{one}/enrollments?status=active", school.owner, "learnerId", ids),
            (f"/api/v1/assessments/{school.assessment_id}/submissions", school.owner, "learnerId", ids),
            ("/api/v1/learner/peers", learner, "userId", ids - {str(learner.id)}),
            ("/api/v1/learner/messages", learner, "id", {}),
            ("/api/v1/courses", learner, "id", {str(school.course_id)}),
            ("/api/v1/activities", learner, "_id", {}),
        ):
            with subtests.test(path):
                before = await client.get(path, params={"limit": "500"}, headers=world.bearer(user))
                everything = {str(row[key]) for row in before.json()["data"]}
                assert set(stayed) <= everything
                pages = await school.pages(path, user, come_and_go, limit=3)
                assert not_given_once(pages, key, everything) == set()


async def test_a_staff_whose_roles_change(settings: Settings, clock: FakeClock) -> None:
    async with open_server(settings, clock) as (client, world):
        school = await School.make(world, client, 1)
        owner = Caller(school.owner.id, school.owner.role)
        tutors = [await world.user(Role.INSTRUCTOR) for _ in range(6)]

        async def appoint(tutor: User, role: CourseRole) -> None:
            clock.advance(seconds=1)
            await world.write(world.services.course_staff.set_role, owner, school.course_id, tutor.id, role)

        for tutor in tutors:
            await appoint(tutor, CourseRole.INSTRUCTOR)

        async def move() -> None:
            for tutor in school.chance.sample(tutors, 2):
                await appoint(tutor, school.chance.choice(list(CourseRole)))

        pages = await school.pages(f"/api/v1/courses/{school.course_id}/staff", school.owner, move)

        assert not_given_once(pages, "userId", {str(each.id) for each in [school.owner, *tutors]}) == set()


async def test_a_cursor_of_another_list_and_one_that_was_changed_are_refused(
    settings: Settings, clock: FakeClock, subtests: pytest.Subtests
) -> None:
    async with open_server(settings, clock) as (client, world):
        school = await School.make(world, client, 1)
        other = await world.course(())
        await world.learner(other)
        admin = await world.user(Role.ADMIN)
        path = f"/user-progress/course/{school.course_id}/all"
        first = await client.get(f"{path}?limit=2", headers=world.bearer(admin))
        cursor = first.json()["pagination"]["nextCursor"]
        second = await client.get(f"{path}?limit=2&cursor={cursor}", headers=world.bearer(admin))
        stored = second.json()["pagination"]["nextCursor"]
        assert (first.json()["pagination"]["page"], second.json()["pagination"]["page"]) == (1, 2)

        for name, query, user in (
            ("another course", f"/user-progress/course/{other.id}/all?cursor={cursor}", admin),
            ("another order", f"{path}?order=desc&cursor={cursor}", admin),
            ("another sort", f"{path}?sortBy=progress&cursor={cursor}", admin),
            ("another filter", f"{path}?status=ENROLLED&cursor={stored}", admin),
            ("another contract", f"/api/v1/courses/{school.course_id}/enrollments?cursor={stored}", admin),
            ("somebody else's", f"{path}?cursor={stored}", school.owner),
            ("somebody else's second page", f"{path}?cursor={cursor}", school.owner),
            ("changed", f"{path}?cursor={cursor[:-1]}{'A' if cursor[-1] != 'A' else 'B'}", admin),
            ("cut", f"{path}?cursor={cursor[:-4]}", admin),
            ("extended", f"{path}?cursor={cursor}AAAA", admin),
            ("with a line", f"{path}?cursor={cursor}%0A", admin),
            ("none", f"{path}?cursor=", admin),
            ("not of letters", f"{path}?cursor=%F0%9F%98%80", admin),
            ("a number", f"{path}?cursor=5", admin),
            ("too long", f"{path}?cursor={'A' * 4_001}", admin),
        ):
            with subtests.test(name):
                refused = await client.get(query, headers=world.bearer(user))
                assert refused.status_code == 400
                assert "cursor" in refused.text

        # The same cursor gives the same page again, and another limit is allowed.
        again = await client.get(f"{path}?limit=2&cursor={stored}", headers=world.bearer(admin))
        larger = await client.get(f"{path}?limit=500&cursor={stored}", headers=world.bearer(admin))
        assert again.json()["results"] == larger.json()["results"][:2]
        assert larger.json()["pagination"]["nextCursor"] is None


async def test_a_walk_goes_on_at_any_server(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course = await world.course(())
        learners = [await world.learner(course) for _ in range(7)]
        headers = world.bearer(await world.find_user(course.owner_id))
        given: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            # On SQLite there is one server, which is started anew after each page.
            with run_servers(settings, tmp_path) as urls:
                for url in urls:
                    query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
                    page = httpx.get(f"{url}/user-progress/course/{course.id}/all", params=query, headers=headers).json()
                    given += [row["userId"] for row in page["results"]]
                    cursor = page["pagination"]["nextCursor"]
                    if cursor is None:
                        break

        assert sorted(given) == [learner.id for learner in learners]


async def test_stored_orders_are_few_and_expire(settings: Settings, clock: FakeClock) -> None:
    async with open_server(settings, clock) as (client, world):
        school = await School.make(world, client, 1)
        headers = world.bearer(school.owner)
        path = f"/user-progress/course/{school.course_id}/all?limit=2"
        cursor = (await client.get(path, headers=headers)).json()["pagination"]["nextCursor"]
        assert await world.rows(select(func.count()).select_from(list_orders)) == [(0,)]

        stored = []
        for _ in range(KEPT + 3):
            clock.advance(seconds=1)
            page = (await client.get(f"{path}&cursor={cursor}", headers=headers)).json()
            stored.append(page["pagination"]["nextCursor"])
        kept = [(await client.get(f"{path}&cursor={each}", headers=headers)).status_code for each in stored]
        assert kept == [400] * 3 + [200] * KEPT

        clock.advance(seconds=LIFETIME / 1000)
        assert (await client.get(f"{path}&cursor={stored[-2]}", headers=headers)).status_code in (200, 401)
        clock.advance(seconds=1)
        token = world.bearer(school.owner)
        expired = await client.get(f"{path}&cursor={stored[-1]}", headers=token)
        assert (expired.status_code, "cursor" in expired.json()["message"]) == (400, True)
        await client.get(f"{path}&cursor={cursor}", headers=token)
        assert await world.rows(select(func.count(list_orders.c.id.distinct()))) == [(1,)]


async def test_rows_that_go_away_are_left_out(settings: Settings, clock: FakeClock) -> None:
    async with open_server(settings, clock) as (client, world):
        school = await School.make(world, client, 1)
        learner, gone = school.learners[0], school.learners[4]
        for peer in school.learners[1:]:
            clock.advance(seconds=1)
            await world.write(world.services.messaging.send, peer.id, learner.id, "Hello")

        async def go() -> None:
            async with world.database.write() as tx:
                await tx.run(delete(conversations).where(conversations.c.peer_id == gone.id))

        # Which one is first is not known: they were sent at once.
        pages = await school.pages("/api/v1/learner/conversations", learner, go, limit=1)
        if pages[0][0]["userId"] == str(gone.id):
            pages = pages[1:]

        given = [row["userId"] for page in pages for row in page]
        assert sorted(given) == sorted(str(peer.id) for peer in school.learners[1:] if peer is not gone)
