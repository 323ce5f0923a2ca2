"""Units with times, and hidden ones, as learners and staff see them: in the viewer's time zone."""

from typing import Any

import pytest

from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewUnit
from headway.courses.times import Times
from headway.instants import HOUR
from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.pages.test_learning import make_course, study
from tests.world import NOON, FakeClock, World

OPENS, CLOSES = NOON + HOUR // 2, NOON + 3 * HOUR // 4
UNITS = (
    NewUnit("Now", completion=Completion(Rule.VIEWED)),
    NewUnit("Later", times=Times(OPENS, CLOSES)),
    NewUnit("Over", times=Times(closes_at=NOON)),
    NewUnit("Secret", is_hidden=True),
)


@pytest.fixture
async def course(school: School, world: World) -> CourseTree:
    made = await make_course(world, *UNITS, owner=school.people["tutor"])
    await world.write(world.services.enrollments.enroll, school.people["learner"].id, made.id)
    return made


def unit_path(course: CourseTree, unit: int, of: str = "learning") -> str:
    return f"/app/{of}/{course.id}/units/{course.units[unit].id}"


async def berlin(visit: Visit, role: str) -> Any:
    visitor = visit(role)
    visitor.client.cookies.set("headway-zone", "Europe/Berlin", domain="headway.test")
    return visitor


async def test_a_course_says_when_units_open_and_have_closed_and_hides_what_is_hidden(visit: Visit, course: CourseTree) -> None:
    shown = await (await berlin(visit, "learner")).open(f"/app/learning/{course.id}")

    assert "Secret" not in shown.text
    rows = [" ".join(row.get_text(" ").split()) for row in shown.soup.select(".unit-row")]
    assert len(rows) == 3
    assert "opens Jan 1, 2026, 1:30" in rows[1]
    assert "This unit opens on Jan 1, 2026, 1:30" in rows[1]
    assert "This unit closed on Jan 1, 2026, 1:00" in rows[2]
    assert "locked" in rows[1]
    assert [link["href"] for link in shown.soup.select(".unit-title a")] == [unit_path(course, 0)]


async def test_a_locked_unit_says_why_and_is_not_marked(visit: Visit, course: CourseTree, clock: FakeClock) -> None:
    visitor = visit("learner")
    shown = await visitor.open(unit_path(course, 1))
    assert "This unit opens on" in shown.text
    assert shown.soup.find("form", action=f"{unit_path(course, 1)}/complete") is None
    assert (await visitor.submit(f"{unit_path(course, 1)}/complete")).status == 409
    assert (await visitor.open(unit_path(course, 3))).status == 404

    clock.now = OPENS
    assert (await visitor.submit(f"{unit_path(course, 1)}/complete")).status == 200
    shown = await visitor.open(unit_path(course, 1))
    assert "This unit is complete." in shown.text


async def test_a_unit_that_was_begun_and_has_closed_takes_no_mark(visit: Visit, school: School, world: World) -> None:
    course = await make_course(world, NewUnit("Closing", times=Times(closes_at=OPENS)))
    await world.write(world.services.enrollments.enroll, school.people["learner"].id, course.id)
    await study(world, school.people["learner"], course, end=NOON, minutes=5)
    visitor, action = visit("learner"), f"{unit_path(course, 0)}/complete"
    assert (await visitor.open(unit_path(course, 0))).soup.find("form", action=action) is not None

    world.clock.now = OPENS
    shown = await visitor.open(unit_path(course, 0))

    assert "what is done in it now does not count" in shown.text
    assert shown.soup.find("form", action=action) is None
    assert (await visitor.submit(action)).status == 409


async def test_what_opens_next_is_named_where_nothing_else_is_left(
    visit: Visit, school: School, course: CourseTree, world: World
) -> None:
    await study(world, school.people["learner"], course, end=NOON, minutes=5)

    for path in ("/app/learning", f"/app/learning/{course.id}"):
        shown = await visit("learner").open(path)
        assert "Next: “Later”, which opens on Jan 1, 2026" in shown.text
        assert "You have completed every unit." not in shown.text


async def test_study_outside_of_the_times_is_told_apart(visit: Visit, school: School, world: World) -> None:
    course = await make_course(
        world, NewUnit("Study", completion=Completion(Rule.TIME, 600), times=Times(closes_at=NOON - 2 * 60_000))
    )
    await world.write(world.services.enrollments.enroll, school.people["learner"].id, course.id)
    await study(world, school.people["learner"], course, end=NOON, minutes=5)

    shown = await visit("learner").open(f"/app/learning/{course.id}")

    assert "3 min of 10 min have been studied." in shown.text
    assert "(2 min of it outside of the times of the unit, which does not count for it)" in shown.text


async def test_staff_see_times_and_what_is_hidden(visit: Visit, course: CourseTree) -> None:
    tutor = await berlin(visit, "tutor")

    shown = await tutor.open(f"/app/courses/{course.id}/settings")
    assert "Open from Jan 1, 2026, 1:30" in shown.text
    rows = shown.rows("#structure tbody tr")
    assert [row[1] for row in rows] == ["required", "required", "required", "does not count"]
    assert "hidden" in rows[3][0]

    shown = await tutor.open(f"/app/courses/{course.id}/units")
    assert "hidden" in shown.rows()[3][0]
    assert "Open from Jan 1, 2026" in shown.rows()[1][0]
    shown = await tutor.open(unit_path(course, 3, "courses"))
    assert shown.soup.select_one(".page-head .badge").get_text() == "hidden"
    shown = await tutor.open(f"/app/learning/{course.id}")
    assert "hidden from learners" in shown.text
    assert (await tutor.open(unit_path(course, 3))).status == 200


async def test_somebody_who_may_enroll_sees_the_times_and_nothing_hidden(visit: Visit, course: CourseTree) -> None:
    shown = await visit("stranger").open(f"/app/learning/{course.id}")

    assert "Open from Jan 1, 2026" in shown.text
    assert "Secret" not in shown.text
