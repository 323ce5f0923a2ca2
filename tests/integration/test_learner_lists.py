"""The list of a course's learners for its staff: the right rows in the right order, each once, and saved filters."""

from collections import defaultdict
from statistics import mean
from typing import Any

import pytest
from sqlalchemy import select

from headway.accounts.tables import users
from headway.assessments.tables import submissions
from headway.attention.learner_lists import LearnersPage
from headway.attention.learners import LearnerFilter, LearnerOrder, LearnerSort, SavedFilter
from headway.attention.model import RuleName
from headway.enrollments.status import EnrollmentStatus
from headway.enrollments.tables import enrollments
from headway.errors import Conflict, Forbidden, Invalid, NotFound
from headway.identity import Caller, Role
from headway.instants import DAY
from headway.paging.model import Place
from headway.paging.service import Walk, Walker
from tests.counting_database import CountingDatabase
from tests.integration.attention_class import AttentionClass, make_class, note_in
from tests.world import NOON, World

EVERYBODY = tuple(EnrollmentStatus)
BY_NAME = LearnerOrder()
NAMES = ("Zoë Ångström", "ada", "Bob Ärger", "bob arger", "Ørsted", "", "李小龙", "Ada Byron")


@pytest.fixture
async def course(world: World) -> AttentionClass:
    """A class of some weeks, whose learners have names that are hard to sort."""
    made = await make_class(world, starts_at=NOON - 10 * DAY, ends_at=NOON + 90 * DAY)
    everybody = await made.live(learners=20, days=20, seed=4)
    for user_id, name in zip(everybody, NAMES, strict=False):
        await world.write(world.services.accounts.change, user_id, name=name or "Nobody")
    for user_id in everybody[1:4]:
        await made.study(user_id, "time")
    made.pass_days(6)
    for user_id in everybody[1:4]:
        await made.study(user_id, "time")
    return made


async def rows_of(course: AttentionClass) -> dict[int, dict[str, Any]]:
    """Read what the list is made of, by learner."""
    names = ("status", "percent", "study_ms", "last_activity_at", "enrolled_at", "last_unit_id")
    columns = (enrollments.c.user_id, users.c.folded_name, *(enrollments.c[name] for name in names))
    found = await course.world.rows(select(*columns).join(users, users.c.id == enrollments.c.user_id))
    return {row[0]: dict(zip(("folded_name", *names), row[1:], strict=True)) for row in found}


async def page(
    course: AttentionClass, chosen: LearnerFilter, order: LearnerOrder = BY_NAME, *, walk: Walk | None = None
) -> LearnersPage:
    lists = course.world.services.learner_lists
    return await course.world.read(lists.page, course.tutor, course.course.id, chosen, order, walk or Walk(100, 1))


def ids(found: LearnersPage) -> list[int]:
    return [row.learner.enrollment.user_id for row in found.rows]


async def test_every_order_is_that_of_the_rows(course: AttentionClass) -> None:
    rows = await rows_of(course)
    keys = {
        LearnerSort.PERCENT: "percent",
        LearnerSort.STUDY_TIME: "study_ms",
        LearnerSort.LAST_SEEN: "last_activity_at",
        LearnerSort.ENROLLED: "enrolled_at",
    }
    for sort, column in keys.items():
        for is_descending in (False, True):
            found = ids(await page(course, LearnerFilter(EVERYBODY), LearnerOrder(sort, is_descending)))
            dated = sorted((i for i in rows if rows[i][column] is not None), key=lambda i: (rows[i][column], i))
            without = sorted(i for i in rows if rows[i][column] is None)
            assert found == [*(reversed(dated) if is_descending else dated), *(reversed(without) if is_descending else without)]
    ascending = ids(await page(course, LearnerFilter(EVERYBODY)))
    names = [rows[user_id]["folded_name"] for user_id in ascending]
    plain = [name for name in names if name.isascii()]
    assert plain == sorted(plain)
    assert ids(await page(course, LearnerFilter(EVERYBODY), LearnerOrder(is_descending=True))) == ascending[::-1]


async def test_filters_choose_what_the_rows_say(course: AttentionClass) -> None:
    rows = await rows_of(course)
    listed = (await course.find()).listed
    stuck = {user_id for user_id, values in listed.items() if values[2] >= 0}
    unit = course.units["quiz"]
    open_ = {"ENROLLED", "IN_PROGRESS", "COMPLETED", "CERTIFIED"}
    cases = [
        (LearnerFilter(), {i for i, row in rows.items() if row["status"] in open_}),
        (LearnerFilter(EVERYBODY), set(rows)),
        (LearnerFilter((EnrollmentStatus.DROPPED,)), {i for i, row in rows.items() if row["status"] == "DROPPED"}),
        (
            LearnerFilter(EVERYBODY, percent_from=1, percent_to=2_500),
            {i for i, row in rows.items() if 1 <= row["percent"] <= 2_500},
        ),
        (LearnerFilter(EVERYBODY, unit_id=unit), {i for i, row in rows.items() if row["last_unit_id"] == unit}),
        (LearnerFilter(EVERYBODY, name="ARGER bo"), {i for i, row in rows.items() if row["folded_name"] == "bob arger"}),
        (LearnerFilter(EVERYBODY, name="zoe angstrom"), {i for i, row in rows.items() if row["folded_name"] == "zoe angstrom"}),
        (LearnerFilter(EVERYBODY, name="%"), set()),
        (LearnerFilter(EVERYBODY, is_listed=True), set(listed)),
        (LearnerFilter(EVERYBODY, is_listed=True, rule=RuleName.STUCK), stuck),
        (LearnerFilter((EnrollmentStatus.DROPPED,), is_listed=True), set()),
        (
            LearnerFilter(EVERYBODY, unit_id=unit, is_listed=True, percent_to=2_500),
            {i for i in listed if rows[i]["last_unit_id"] == unit and rows[i]["percent"] <= 2_500},
        ),
    ]

    for chosen, expected in cases:
        found = await page(course, chosen)
        assert (set(ids(found)), found.total, len(found.rows)) == (expected, len(expected), len(expected)), chosen
        everything = await course.world.read(
            course.world.services.learner_lists.all, course.tutor, course.course.id, chosen, LearnerOrder()
        )
        assert everything.rows == found.rows
    assert sum(bool(expected) for _, expected in cases) >= 9


async def test_a_row_has_the_figures_of_the_learner(course: AttentionClass) -> None:
    rows = await rows_of(course)
    grades: defaultdict[int, dict[int, float]] = defaultdict(dict)
    names = ("user_id", "assessment_id", "grade", "submitted_at")
    found = await course.world.rows(select(*(submissions.c[name] for name in names)))
    for user_id, assessment_id, grade, _ in sorted(found, key=lambda row: row[3]):
        grades[user_id][assessment_id] = grade / 80 * 100
    values = (await course.find()).listed

    for row in (await page(course, LearnerFilter(EVERYBODY))).rows:
        enrolled = row.learner.enrollment
        stored = rows[enrolled.user_id]
        assert (enrolled.percent, enrolled.study_ms) == (stored["percent"], stored["study_ms"])
        assert (row.unit.id if row.unit else None) == stored["last_unit_id"]
        expected = grades[enrolled.user_id].values()
        assert row.grade == (pytest.approx(mean(expected)) if expected else None)
        listed = [value for value in values.get(enrolled.user_id, ()) if value >= 0]
        assert [finding.value for finding in row.learner.findings] == listed


@pytest.mark.parametrize("is_listed", [False, True])
async def test_pages_skip_and_repeat_nobody_while_rows_move(course: AttentionClass, is_listed: bool) -> None:
    world = course.world
    chosen, order = LearnerFilter(is_listed=is_listed), LearnerOrder(LearnerSort.LAST_SEEN)
    expected = ids(await page(course, chosen, order))
    places: list[Place] = []
    seen: list[int] = []

    def walk(place: Place | None) -> Walk:
        return Walk(3, 1, place, Walker(course.tutor.user_id, note_in(places), world.clock))

    current = walk(None)
    while True:
        found = await page(course, chosen, order, walk=current)
        seen += ids(found)
        if current.next_cursor is None:
            break
        if current.new_order is not None:
            await world.write(current.save)
        # The first of all becomes the last.
        await course.study(seen[0])
        current = walk(places[-1])

    assert seen == expected
    assert len(seen) > 9


async def test_statements_do_not_grow_with_learners(course: AttentionClass) -> None:
    counts = []
    for limit in (2, 12):
        counted = CountingDatabase(course.world.database)
        async with counted.read() as tx:
            lists = course.world.services.learner_lists
            found = await lists.page(tx, course.tutor, course.course.id, LearnerFilter(), LearnerOrder(), Walk(limit, 1))
        assert len(found.rows) == limit
        counts.append(counted.statements)

    assert counts[0] == counts[1]


async def test_filters_are_saved_by_name_for_oneself_in_a_course(course: AttentionClass, world: World) -> None:
    lists, course_id = world.services.learner_lists, course.course.id
    other = await make_class(world)
    administrator = Caller((await world.user(Role.ADMIN)).id, Role.ADMIN)

    async def saved(caller: Caller = course.tutor, of_course: int = course_id) -> list[SavedFilter]:
        return await world.read(lists.list_saved, caller, of_course)

    async def save(name: str, query: str) -> None:
        await world.write(lists.save, course.tutor, course_id, SavedFilter(name, query))

    await save("Stuck", "rule=stuck")
    await save("Late <b>", "rule=behind_plan&sort=percent")
    await save("Stuck", "rule=stuck&sort=last_seen")

    assert await saved() == [
        SavedFilter("Late <b>", "rule=behind_plan&sort=percent"),
        SavedFilter("Stuck", "rule=stuck&sort=last_seen"),
    ]
    assert await saved(administrator) == []
    assert await saved(other.tutor, other.course.id) == []
    await world.write(lists.delete_saved, administrator, course_id, "Stuck")
    assert len(await saved()) == 2
    await world.write(lists.delete_saved, course.tutor, course_id, "Late <b>")
    assert [each.name for each in await saved()] == ["Stuck"]
    for name in ("", " ", "x" * 101, "\0"):
        with pytest.raises(Invalid):
            await save(name, "")
    for number in range(19):
        await save(f"Filter {number}", "")
    with pytest.raises(Conflict):
        await save("One more", "")
    await save("Stuck", "")
    assert len(await saved()) == 20


async def test_only_the_staff_of_the_course_has_the_list(course: AttentionClass, world: World) -> None:
    lists, course_id = world.services.learner_lists, course.course.id
    learner = Caller(ids(await page(course, LearnerFilter()))[0], Role.PARTICIPANT)
    stranger = Caller((await world.user(Role.INSTRUCTOR)).id, Role.INSTRUCTOR)

    for caller in (learner, stranger):
        for chosen in (LearnerFilter(), LearnerFilter(is_listed=True)):
            with pytest.raises(Forbidden):
                await world.read(lists.page, caller, course_id, chosen, LearnerOrder(), Walk(10, 1))
            with pytest.raises(Forbidden):
                await world.read(lists.all, caller, course_id, chosen, LearnerOrder())
        with pytest.raises(Forbidden):
            await world.read(lists.list_saved, caller, course_id)
        with pytest.raises(Forbidden):
            await world.write(lists.save, caller, course_id, SavedFilter("Mine", ""))
        with pytest.raises(Forbidden):
            await world.write(lists.delete_saved, caller, course_id, "Mine")
    with pytest.raises(NotFound):
        await world.read(lists.page, course.tutor, course_id + 1, LearnerFilter(), LearnerOrder(), Walk(10, 1))
