"""The gradebook: who handed in what, page by page, and its figures, each counted again from the rows."""

import asyncio
from collections import Counter
from statistics import fmean, median
from typing import Any

import pytest
from sqlalchemy import select

from headway.accounts.model import User
from headway.assessments.gradebook import WorkPage
from headway.assessments.model import GradedResult, NewGrade, SeenGrade, Submission, Work, WorkStage
from headway.assessments.tables import submissions
from headway.courses.model import Assessment, CourseTree, NewAssessment
from headway.enrollments.tables import enrollments
from headway.errors import Conflict, Forbidden, NotFound
from headway.identity import Caller, Role
from headway.paging.service import Walk
from tests.counting_database import CountingDatabase
from tests.integration.course_edits import unchanged_course
from tests.world import NOON, World

WORK = "https://github.com/ada/work"
DUE = NOON + 100_000


class Class:
    """A course with an assessment that is due, and learners at every stage of it."""

    def __init__(self, world: World, course: CourseTree) -> None:
        self.world, self.course = world, course
        self.staff = Caller(course.owner_id, Role.INSTRUCTOR)
        self.task: Assessment = course.assessments[0]
        self.learners: list[User] = []

    async def join(self, count: int) -> None:
        self.learners += [await self.world.learner(self.course) for _ in range(count)]

    async def submit(self, number: int) -> Submission:
        self.world.clock.advance(seconds=1)
        caller = Caller(self.learners[number].id, Role.PARTICIPANT)
        return (await self.world.write(self.world.services.assessments.submit, caller, self.task.id, WORK))[0]

    async def grade(self, submission: Submission, grade: float, seen: SeenGrade | None = None) -> Submission:
        grading = self.world.services.assessments.grade
        return (await self.world.write(grading, self.staff, submission.id, NewGrade(grade, seen=seen)))[0]

    async def leave(self, number: int) -> None:
        await self.world.write(self.world.services.enrollments.leave, self.learners[number].id, self.course.id)

    async def page(self, walk: Walk | None = None, **given: Any) -> WorkPage:
        walk = walk or Walk(100, 1)
        return await self.world.read(self.world.services.gradebook.list_work, self.staff, self.task.id, walk, **given)

    async def listed(self, **given: Any) -> list[int]:
        """Give the positions of the learners that are listed."""
        ids = [learner.id for learner in self.learners]
        return [ids.index(each.user_id) for each in (await self.page(**given)).learners]

    async def walk(self, limit: int, **given: Any) -> list[int]:
        """Give the learners of all pages."""
        found: list[int] = []
        cursor: str | None = None
        while True:
            walk = self.world.services.paging.walk(self.staff.user_id, (given,), cursor=cursor, page=1, limit=limit)
            found += [each.user_id for each in (await self.page(walk, **given)).learners]
            cursor = walk.next_cursor
            if cursor is None:
                return found


@pytest.fixture
async def lesson(world: World) -> Class:
    course = await world.course()
    with_tasks = unchanged_course(
        course, assessments=(NewAssessment("Essay", due_at=DUE, max_grade=20), NewAssessment("Later"))
    )
    staff = Caller(course.owner_id, Role.INSTRUCTOR)
    return Class(world, await world.write(world.services.course_editing.change, staff, course.id, lambda _: with_tasks))


@pytest.fixture
async def mixed(lesson: Class) -> Class:
    """0, 1: nothing; 2: graded; 3: graded, and left; 4: late; 5: twice, in time; 6: late, graded; 7: left without work."""
    await lesson.join(8)
    await lesson.grade(await lesson.submit(2), 13.5)
    await lesson.grade(await lesson.submit(3), 20)
    await lesson.leave(3)
    await lesson.leave(7)
    await lesson.submit(5)
    lesson.world.clock.advance(seconds=40)
    await lesson.submit(5)
    lesson.world.clock.advance(seconds=60)
    await lesson.submit(4)
    await lesson.grade(await lesson.submit(6), 4)
    return lesson


async def test_what_is_to_be_graded_comes_first_the_longest_waiting_at_the_top(mixed: Class) -> None:
    assert await mixed.listed() == [5, 4, 0, 1, 2, 3, 6]
    assert await mixed.listed(work=Work.TO_GRADE) == [5, 4]
    assert await mixed.listed(work=Work.MISSING) == [0, 1]
    assert await mixed.listed(work=Work.GRADED) == [2, 3, 6]
    assert await mixed.listed(work=Work.LATE) == [4, 6]
    assert await mixed.listed(name=f"{mixed.learners[4].name.lower().split()[1]} participant") == [4]
    assert await mixed.listed(name="nobody") == []

    page = await mixed.page()
    assert [each.is_enrolled for each in page.learners] == [True, True, True, True, True, False, True]
    assert [each.name for each in page.learners][:2] == [mixed.learners[5].name, mixed.learners[4].name]


async def test_every_figure_is_the_one_that_the_rows_have(mixed: Class) -> None:
    world = mixed.world
    stored = await world.rows(
        select(submissions.c.user_id, submissions.c.submitted_at, submissions.c.graded_at, submissions.c.grade)
        .where(submissions.c.assessment_id == mixed.task.id)
        .order_by(submissions.c.submitted_at)
    )
    newest = {user_id: (submitted_at, graded_at, grade) for user_id, submitted_at, graded_at, grade in stored}
    open_ids = {
        user_id
        for user_id, status in await world.rows(select(enrollments.c.user_id, enrollments.c.status))
        if status != "DROPPED"
    }
    grades = [grade for _, graded_at, grade in newest.values() if graded_at is not None]

    summary = (await mixed.page()).summary

    assert len(stored) == len(newest) + 1
    assert summary.to_grade == sum(graded_at is None for _, graded_at, _ in newest.values()) == 2
    assert summary.graded == len(grades) == 3
    assert summary.late == sum(at > DUE for at, _, _ in newest.values()) == 2
    assert summary.missing == len(open_ids - newest.keys()) == 2
    assert summary.grades.mean == pytest.approx(fmean(grades))
    assert summary.grades.median == median(grades)
    assert dict(enumerate(summary.grades.bins)) == {n: Counter(min(int(g / 2), 9) for g in grades)[n] for n in range(10)}


async def test_the_assessments_of_a_course_have_the_same_figures(mixed: Class) -> None:
    gradebook = mixed.world.services.gradebook
    essay, later = await mixed.world.read(gradebook.list_assessments, mixed.staff, mixed.course.id)

    assert (essay.assessment, essay.summary) == (mixed.task, (await mixed.page()).summary)
    assert (later.assessment.title, later.summary.missing, later.summary.handed_in) == ("Later", 6, 0)

    without = unchanged_course(mixed.course, assessments=())
    await mixed.world.write(mixed.world.services.course_editing.change, mixed.staff, mixed.course.id, lambda _: without)
    (only,) = await mixed.world.read(gradebook.list_assessments, mixed.staff, mixed.course.id)
    assert (only.assessment.title, only.assessment.is_retired) == ("Essay", True), "a retired one without work is gone"


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_by_cursor_hold_everybody_once(mixed: Class, limit: int) -> None:
    whole = [each.user_id for each in (await mixed.page()).learners]
    assert await mixed.walk(limit) == whole
    for work in Work:
        assert await mixed.walk(limit, work=work) == [each.user_id for each in (await mixed.page(work=work)).learners]
    by_number = [each.user_id for page in (1, 2, 3, 4) for each in (await mixed.page(Walk(2, page))).learners]
    assert by_number == whole


async def test_grading_between_two_pages_skips_nobody(lesson: Class) -> None:
    await lesson.join(6)
    handed_in = [await lesson.submit(number) for number in range(6)]
    paging = lesson.world.services.paging
    first = paging.walk(lesson.staff.user_id, (), cursor=None, page=1, limit=2)
    assert len((await lesson.page(first, work=Work.TO_GRADE)).learners) == 2
    for each in handed_in[:3]:
        await lesson.grade(each, 10)

    second = paging.walk(lesson.staff.user_id, (), cursor=first.next_cursor, page=1, limit=10)
    found = (await lesson.page(second, work=Work.TO_GRADE)).learners

    assert [each.user_id for each in found] == [learner.id for learner in lesson.learners[3:]]


async def test_results_from_elsewhere_without_a_number_are_graded(lesson: Class) -> None:
    await lesson.join(1)
    results = [GradedResult(lesson.learners[0].id, f"result {n}", lesson.task.id, None, NOON + n) for n in range(2)]
    await lesson.world.write(lesson.world.services.assessments.store_results, results)

    page = await lesson.page()

    assert [(each.stage, each.submission and each.submission.id) for each in page.learners] == [(WorkStage.GRADED, "result 1")]
    assert (page.summary.graded, page.summary.grades.total, page.summary.missing) == (1, 0, 0)


async def test_nothing_of_it_is_for_others_and_the_number_of_statements_is_fixed(mixed: Class) -> None:
    gradebook, stranger = mixed.world.services.gradebook, await mixed.world.user(Role.INSTRUCTOR)
    for caller in (Caller(mixed.learners[0].id, Role.PARTICIPANT), Caller(stranger.id, Role.INSTRUCTOR)):
        with pytest.raises(Forbidden):
            await mixed.world.read(gradebook.list_work, caller, mixed.task.id, Walk(10, 1))
        with pytest.raises(Forbidden):
            await mixed.world.read(gradebook.list_assessments, caller, mixed.course.id)
    with pytest.raises(NotFound):
        await mixed.world.read(gradebook.list_work, mixed.staff, 10**6, Walk(10, 1))

    counted = CountingDatabase(mixed.world.database)
    async with counted.read() as tx:
        await gradebook.list_work(tx, mixed.staff, mixed.task.id, Walk(100, 1))
    assert counted.statements == 8
    counted.statements = 0
    async with counted.read() as tx:
        await gradebook.list_assessments(tx, mixed.staff, mixed.course.id)
    assert counted.statements == 5


async def test_a_grade_is_not_lost_to_somebody_who_has_not_seen_it(lesson: Class) -> None:
    await lesson.join(1)
    work = await lesson.submit(0)

    graded = await lesson.grade(work, 11, seen=SeenGrade(None))
    with pytest.raises(Conflict) as refused:
        await lesson.grade(work, 5, seen=SeenGrade(None))
    assert refused.value.kind == "GRADE_CHANGED"
    assert (await lesson.page()).learners[0].submission == graded

    lesson.world.clock.advance(seconds=1)
    again = await lesson.grade(work, 12, seen=SeenGrade(graded.graded_at))
    with pytest.raises(Conflict):
        await lesson.grade(work, 11, seen=SeenGrade(graded.graded_at))
    assert (await lesson.page()).learners[0].submission == again
    assert (await lesson.grade(work, 13)).grade == 13, "without a precondition the last one wins, as before"


async def test_of_two_who_grade_at_once_one_is_told(lesson: Class) -> None:
    await lesson.join(1)
    work = await lesson.submit(0)

    ends = await asyncio.gather(*(lesson.grade(work, grade, seen=SeenGrade(None)) for grade in (1, 2)), return_exceptions=True)

    assert sorted(type(end).__name__ for end in ends) == ["Conflict", "Submission"]


async def test_newer_work_is_not_graded_by_the_grade_of_older_work(lesson: Class) -> None:
    await lesson.join(1)
    older = await lesson.submit(0)
    await lesson.submit(0)

    with pytest.raises(Conflict) as refused:
        await lesson.grade(older, 5, seen=SeenGrade(None))

    assert refused.value.kind == "SUBMISSION_REPLACED"
    assert (await lesson.page()).summary.graded == 0
