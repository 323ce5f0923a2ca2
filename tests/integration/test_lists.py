"""Lists: the same number of statements however much is listed, the right rows on the right pages."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest

from headway.courses.model import CourseSearch, CourseTree, NewAssessment, NewCourse, NewModule, NewUnit
from headway.db.database import Database
from headway.enrollments.authorization import known_among, read_access
from headway.identity import Caller, Role
from headway.learning.learner_courses import LearnerCourses
from headway.learning.store import CourseStructures
from headway.paging.service import Walk
from tests.counting_database import CountingDatabase
from tests.world import World

Reader = Callable[[CountingDatabase, int, int], Awaitable[tuple[Sequence[Any], int]]]


class School:
    """A tutor with courses, and learners who are in all of them, hand in work and write to the first one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.courses: list[CourseTree] = []
        self.learners: list[Caller] = []
        self.tutor = Caller(0, Role.INSTRUCTOR)

    async def grow(self, courses: int, learners: int) -> None:
        world, services = self.world, self.world.services
        if not self.tutor.user_id:
            self.tutor = Caller((await self.world.user(Role.INSTRUCTOR)).id, Role.INSTRUCTOR)
        for _ in range(courses):
            new = NewCourse(
                f"Course {len(self.courses)}",
                modules=(NewModule("Module", units=(NewUnit("Unit"),)),),
                assessments=(NewAssessment("Task"),),
                prerequisites=(),
            )
            self.courses.append(await world.write(services.course_editing.create_for, self.tutor, new))
        for _ in range(learners):
            self.learners.append(Caller((await self.world.user()).id, Role.PARTICIPANT))
        for learner in self.learners:
            for course in self.courses:
                if await world.read(services.enrollments.find, learner.user_id, course.id) is None:
                    await world.write(services.enrollments.enroll, learner.user_id, course.id)
        first, *others = self.learners
        for learner in others:
            self.world.clock.advance(seconds=1)
            task = self.courses[0].assessments[0].id
            await self.world.write(services.assessments.submit, learner, task, "https://github.com/a/b")
            await self.world.write(services.messaging.send, learner.user_id, first.user_id, "Hello")

    def readers(self) -> dict[str, Reader]:
        world, services, first = self.world, self.world.services, self.learners[0]

        def on(database: CountingDatabase) -> Database:
            return cast("Database", database)

        async def courses(database: CountingDatabase, page: int, limit: int) -> tuple[Sequence[Any], int]:
            search = CourseSearch(q="course", tutor="instructor")
            async with database.read() as tx:
                found = await services.courses.search(tx, first, search, walk=Walk(limit, page))
            return found.courses, found.total

        async def progress(database: CountingDatabase, page: int, limit: int) -> tuple[Sequence[Any], int]:
            async with database.read() as tx:
                learning = LearnerCourses(world.clock, CourseStructures())
                return await learning.progress(tx, first.user_id, walk=Walk(limit, page))

        async def learners(database: CountingDatabase, page: int, limit: int) -> tuple[Sequence[Any], int]:
            learning = LearnerCourses(world.clock, CourseStructures())
            async with database.read() as tx:
                return await learning.list_enrollments(tx, self.tutor, self.courses[0].id, walk=Walk(limit, page))

        async def submissions(database: CountingDatabase, page: int, limit: int) -> tuple[Sequence[Any], int]:
            task = self.courses[0].assessments[0].id
            async with database.read() as tx:
                found, _ = await services.assessments.list_submissions(tx, self.tutor, task, walk=Walk(limit, page))
            return found.submissions, found.total

        async def peers(database: CountingDatabase, page: int, limit: int) -> tuple[Sequence[Any], int]:
            async with database.read() as tx:
                return await services.messaging.list_peers(tx, first.user_id, walk=Walk(limit, page))

        async def messages(database: CountingDatabase, page: int, limit: int) -> tuple[Sequence[Any], int]:
            async with database.read() as tx:
                return await services.messaging.list_messages(tx, first.user_id, peer_id=None, walk=Walk(limit, page))

        async def conversations(database: CountingDatabase, page: int, limit: int) -> tuple[Sequence[Any], int]:
            async with database.read() as tx:
                found = await services.messaging.list_conversations(tx, first.user_id, walk=Walk(limit, page))
            return found.conversations, found.total

        return {
            "courses": courses,
            "progress": progress,
            "learners": learners,
            "submissions": submissions,
            "peers": peers,
            "messages": messages,
            "conversations": conversations,
        }


@pytest.fixture
def school(world: World) -> School:
    return School(world)


async def test_the_number_of_statements_does_not_grow_with_what_is_listed(school: School) -> None:
    counts: list[dict[str, int]] = []
    lengths: list[dict[str, int]] = []
    for courses, learners in ((2, 3), (6, 10)):
        await school.grow(courses, learners)
        counts.append({})
        lengths.append({})
        for name, read in school.readers().items():
            counted = CountingDatabase(school.world.database)
            found, _total = await read(counted, 1, 100)
            counts[-1][name], lengths[-1][name] = counted.statements, len(found)

    assert counts[0] == counts[1]
    assert all(lengths[0][name] < lengths[1][name] for name in lengths[0])


async def test_pages_hold_everything_once_and_say_how_much_there_is(school: School, subtests: pytest.Subtests) -> None:
    await school.grow(5, 6)

    for name, read in school.readers().items():
        with subtests.test(name):
            counted = CountingDatabase(school.world.database)
            whole, total = await read(counted, 1, 100)
            pages = [(await read(counted, page, 2))[0] for page in range(1, total // 2 + 2)]

            assert total == len(whole) > 2
            assert [row for page in pages for row in page] == list(whole)
            assert (await read(counted, total, 2))[0] in ([], whole[2 * total - 2 :])


async def test_courses_are_found_by_what_is_asked_for(school: School) -> None:
    await school.grow(1, 1)
    world, courses = school.world, school.world.services.courses
    special = NewCourse("Ärger 50%_off", subject="Größe", level="Hard", is_published=False, description="About x\\y")
    hidden = await world.write(world.services.course_editing.create_for, school.tutor, special)

    async def found(caller: Caller | None, **given: Any) -> list[int]:
        page = await world.read(courses.search, caller, CourseSearch(**given), walk=Walk(10, 1))
        assert page.total == len(page.courses)
        return [course.id for course in page.courses]

    plain = school.courses[0].id
    assert await found(None) == [plain]
    assert await found(school.learners[0]) == [plain]
    assert await found(school.tutor) == [hidden.id, plain]
    assert await found(Caller(10**6, Role.ADMIN)) == [hidden.id, plain]
    assert await found(school.tutor, q="ÄRGER") == [hidden.id]
    assert await found(school.tutor, q="50%_") == [hidden.id]
    assert await found(school.tutor, q="_%") == []
    assert await found(school.tutor, q="x\\Y") == [hidden.id]
    assert await found(school.tutor, subject="GRÖSS") == []
    assert await found(school.tutor, subject="GRÖSSE", level="HARD") == [hidden.id]
    assert await found(None, tutor=str(school.tutor.user_id)) == [plain]
    assert await found(None, tutor=str(school.learners[0].user_id)) == []
    assert await found(None, tutor="instruc") == [plain]


async def test_courses_are_known_at_once_as_each_of_them_is(world: World) -> None:
    learner, tutor = await world.user(), await world.user(Role.INSTRUCTOR)
    editing, enrolling = world.services.course_editing, world.services.enrollments

    async def course(owner_id: int, *, is_published: bool) -> int:
        return (await world.write(editing.create, NewCourse("Course", is_published=is_published), owner_id=owner_id)).id

    other = await world.user(Role.INSTRUCTOR)
    public, own_draft = await course(other.id, is_published=True), await course(tutor.id, is_published=False)
    draft, joined = await course(other.id, is_published=False), await course(other.id, is_published=True)
    await world.write(enrolling.enroll, learner.id, joined)
    hide = NewCourse("Course", is_published=False)
    await world.write(editing.change, Caller(other.id, Role.INSTRUCTOR), joined, lambda _stored: hide)
    missing = joined + 1
    all_ids = [missing, joined, draft, own_draft, public]

    for caller, known in (
        (Caller(learner.id, Role.PARTICIPANT), {public, joined}),
        (Caller(tutor.id, Role.INSTRUCTOR), {public, own_draft}),
        (Caller(tutor.id, Role.PARTICIPANT), {public}),
        (Caller(0, Role.ADMIN), {public, own_draft, draft, joined}),
    ):
        counted = CountingDatabase(world.database)
        async with counted.read() as tx:
            assert await known_among(tx, caller, all_ids) == known
            assert counted.statements == 1
            assert {i for i in all_ids if (await read_access(tx, caller, i)).knows_course} == known
