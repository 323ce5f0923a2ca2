"""Lists for staff are sorted by name and by last activity, by number and by cursor, also of those with a name."""

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import select

from headway.accounts.model import User
from headway.courses.model import NewAssessment, NewCourse, NewModule, NewUnit
from headway.enrollments.tables import enrollments
from headway.identity import Caller, Role
from headway.learning.model import ActivityType, Event, Report
from headway.words import fold
from tests.world import World

NAMES = ("Émile", "ada", "Zoë Ada", "Ada", "Boole", "ÅDA", "ada")
WORK = "https://github.com/a/b"
Key = Callable[[dict[str, Any]], Any]


class Listing(NamedTuple):
    """A list, the parameters that sort it, and how its rows are named and identified."""

    path: str
    sort: str
    keys: dict[str, str]
    name: str
    learner: str


class School:
    """A course whose learners were active at different times or not at all, and handed in in another order."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.world, self.client = world, client

    async def build(self) -> "School":
        world = self.world
        owner = await world.user(Role.INSTRUCTOR)
        new = NewCourse("Course", modules=(NewModule("M", units=(NewUnit("U"),)),), assessments=(NewAssessment("Task"),))
        course = await world.write(world.services.course_editing.create_for, Caller(owner.id, owner.role), new)
        learners: list[User] = []
        for name in NAMES:
            learners.append(await world.write(world.services.accounts.create, role=Role.PARTICIPANT, name=name))
            await world.write(world.services.enrollments.enroll, learners[-1].id, course.id)
        for number in (5, 0, 2, 6, 3):
            world.clock.advance(seconds=60 if number != 6 else 0)
            view = Event("view", ActivityType.UNIT_VIEW, course.id, unit_id=course.units[0].id)
            report = Report(learners[number].id, world.clock(), (view,))
            await world.write(world.services.tracking.record, [report], world.clock())
        for number in (4, 1, 6, 0):
            world.clock.advance(seconds=60)
            caller = Caller(learners[number].id, Role.PARTICIPANT)
            await world.write(world.services.assessments.submit, caller, course.assessments[0].id, WORK)
        self.headers = world.bearer(owner)
        active = select(enrollments.c.user_id, enrollments.c.last_activity_at)
        self.active: dict[int, int | None] = dict(await world.rows(active))
        sorts = {"name": "name", "last": "lastActivity", "id": "id"}
        self.lists = [
            Listing(f"/api/v1/courses/{course.id}/enrollments", "sort", sorts, "name", "learnerId"),
            Listing(
                f"/api/v1/assessments/{course.assessments[0].id}/submissions",
                "sort",
                {"name": "name", "id": "id", "submitted": "submittedAt"},
                "learnerName",
                "learnerId",
            ),
        ]
        return self

    async def page(self, listing: Listing, **query: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        answer = await self.client.get(listing.path, params=query, headers=self.headers)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return body["data"], body["metadata"]

    async def walk(self, listing: Listing, **query: Any) -> list[int]:
        """Return the learners of all pages, by cursor."""
        found: list[int] = []
        while True:
            rows, paging = await self.page(listing, **query)
            found += [int(row[listing.learner]) for row in rows]
            if paging["nextCursor"] is None:
                return found
            query["cursor"] = paging["nextCursor"]

    def expected(self, listing: Listing, rows: list[dict[str, Any]], key: str, *, is_descending: bool) -> list[int]:
        keys: dict[str, Key] = {
            "name": lambda row: fold(row[listing.name]),
            "last": lambda row: self.active[int(row[listing.learner])],
            "id": lambda row: 0,
            "submitted": lambda row: row.get("submittedAt"),
        }
        known = [row for row in rows if keys[key](row) is not None]
        unknown = [int(row[listing.learner]) for row in rows if keys[key](row) is None]
        ordered = sorted(known, key=lambda row: (keys[key](row), int(row[listing.learner])), reverse=is_descending)
        return [int(row[listing.learner]) for row in ordered] + sorted(unknown, reverse=is_descending)


@pytest.fixture
async def school(world: World, client: httpx.AsyncClient) -> School:
    return await School(world, client).build()


async def test_lists_are_sorted_by_name_and_last_activity(school: School, subtests: pytest.Subtests) -> None:
    for listing in school.lists:
        for key, word in listing.keys.items():
            for order in ("asc", "desc"):
                for named in ({}, {"q": "ada"}):
                    with subtests.test(f"{listing.path} {word} {order} {named}"):
                        query = {listing.sort: word, "order": order, **named}
                        rows, paging = await school.page(listing, **named, limit=100)
                        expected = school.expected(listing, rows, key, is_descending=order == "desc")

                        assert len(expected) > 1
                        assert paging["total"] == len(expected)
                        assert await school.walk(listing, **query, limit=2) == expected
                        by_number = [await school.page(listing, **query, limit=3, page=number) for number in (1, 2, 3)]
                        assert [int(row[listing.learner]) for rows, _ in by_number for row in rows] == expected
                        assert {paging["total"] for _, paging in by_number} == {len(expected)}


async def test_nobody_is_skipped_who_moves_while_somebody_walks(school: School) -> None:
    listing = school.lists[0]
    rows, _ = await school.page(listing, limit=100)
    first, paging = await school.page(listing, sort="lastActivity", order="desc", limit=2)
    ids = {int(row["learnerId"]) for row in rows}
    last = min(ids - {int(row["learnerId"]) for row in first})
    school.world.clock.advance(seconds=600)
    course_id = int(listing.path.split("/")[4])
    event = Event("later", ActivityType.COURSE_VIEW, course_id)
    await school.world.write(
        school.world.services.tracking.record, [Report(last, school.world.clock(), (event,))], school.world.clock()
    )

    rest = await school.walk(listing, sort="lastActivity", order="desc", limit=2, cursor=paging["nextCursor"])
    assert rest[0] == last
    assert sorted([*(int(row["learnerId"]) for row in first), *rest]) == sorted(ids)


async def test_another_order_is_refused(school: School) -> None:
    for listing in school.lists:
        answer = await school.client.get(listing.path, params={listing.sort: "email"}, headers=school.headers)
        assert answer.status_code == 400
        assert listing.sort in answer.text
