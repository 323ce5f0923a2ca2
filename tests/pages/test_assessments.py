"""The assessments of a course as its staff sees them without scripts: lists, figures, grading in place, and CSV."""

import csv
from io import StringIO
from typing import Any

import pytest

from headway.assessments.model import NewGrade
from headway.courses.model import NewAssessment
from headway.identity import Caller, CourseRole
from tests.contract.rights.conftest import School
from tests.integration.course_edits import unchanged_course
from tests.pages.conftest import Visit
from tests.pages.visitor import Shown, Visitor
from tests.world import NOON, World

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}"


@pytest.fixture
def path(school: School) -> str:
    return str(school.filled("/app/courses/{course}/assessments/{assessment}"))


@pytest.fixture
def grading(path: str, school: School) -> str:
    return f"{path}/submissions/{school.ids['submission']}/grade"


def caller_of(school: School, role: str) -> Caller:
    return Caller(school.people[role].id, school.people[role].role)


async def submit(world: World, school: School, role: str) -> str:
    """Hand in work; return its id."""
    world.clock.advance(seconds=60)
    task = int(school.ids["assessment"])
    submitted = await world.write(
        world.services.assessments.submit, caller_of(school, role), task, f"https://github.com/{role}/work"
    )
    return submitted[0].id


async def grade(world: World, school: School, submission_id: str, value: float) -> None:
    await world.write(world.services.assessments.grade, caller_of(school, "tutor"), submission_id, NewGrade(value))


def names(shown: Shown) -> list[str]:
    return [each.get_text() for each in shown.soup.select(".gradebook .who a")]


def csv_rows(visited: Any) -> list[list[str]]:
    assert visited.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.reader(StringIO(visited.text.removeprefix("\ufeff"))))


async def test_a_grade_is_given_in_place_and_the_next_work_has_the_focus(
    visit: Visit, school: School, world: World, path: str, grading: str
) -> None:
    await submit(world, school, "peer")
    tutor = visit("tutor")
    page = await tutor.open(f"{path}?show=to-grade")
    assert names(page) == [school.people["learner"].name, school.people["peer"].name]

    shown = await tutor.fill(page, f"{grading}?show=to-grade", grade="7.5", feedback="Well argued")

    assert "The grade is saved." in shown.text
    assert names(shown) == [school.people["peer"].name]
    focused = shown.soup.select("[autofocus]")
    assert [each["name"] for each in focused] == ["grade"]
    assert focused[0]["aria-describedby"] == f"name-{school.people['peer'].id}"
    everybody = await tutor.open(path)
    assert everybody.values(f"{grading}?show=all") == {
        "seen": [str(world.clock.now)],
        "grade": ["7.5"],
        "feedback": ["Well argued"],
    }
    assert not everybody.soup.select("[autofocus]")


async def test_of_three_the_next_one_comes_after_the_one_that_was_graded(
    visit: Visit, school: School, world: World, path: str, grading: str
) -> None:
    second = await submit(world, school, "peer")
    await world.write(world.services.enrollments.enroll, school.people["stranger"].id, int(school.ids["course"]))
    await submit(world, school, "stranger")
    tutor = visit("tutor")

    shown = await tutor.submit(f"{path}/submissions/{second}/grade?show=to-grade", {"grade": "3", "seen": "0"})
    assert shown.soup.select("[autofocus]")[0]["aria-describedby"] == f"name-{school.people['stranger'].id}"


@pytest.mark.parametrize("typed", ["11", "-1", "many", "", "nan"])
async def test_a_refused_grade_keeps_what_was_typed(visit: Visit, path: str, grading: str, typed: str, school: School) -> None:
    tutor = visit("tutor")

    shown = await tutor.submit(f"{grading}?show=graded", {"grade": typed, "seen": "0", "feedback": HOSTILE})

    assert shown.status == 422
    assert names(shown) == [school.people["learner"].name], "the work stays in sight, though it is in another list"
    kept = shown.soup.select_one(".gradebook form")
    assert kept is not None
    assert kept.select_one("input[name=grade]")["value"] == typed  # type: ignore[index]
    assert kept.select_one("input[name=grade]")["aria-invalid"] == "true"  # type: ignore[index]
    assert kept.select_one("textarea").get_text() == HOSTILE  # type: ignore[union-attr]
    assert shown.soup.find("img") is None or shown.soup.find("img", src="x") is None


async def test_a_grade_that_somebody_else_gave_meanwhile_is_shown_and_not_overwritten(
    visit: Visit, school: School, world: World, path: str, grading: str
) -> None:
    page = await visit("tutor").open(f"{path}?show=to-grade")
    await grade(world, school, school.ids["submission"], 4)

    shown = await visit("tutor").fill(page, f"{grading}?show=to-grade", grade="9", feedback="Mine")

    assert shown.status == 409
    assert "Somebody else has graded this work meanwhile." in shown.text
    assert "The grade is 4 now" in shown.text
    values = shown.values(f"{grading}?show=to-grade")
    assert (values["grade"], values["feedback"]) == (["9"], ["Mine"])
    again = await visit("tutor").fill(shown, f"{grading}?show=to-grade")
    assert "The grade is saved." in again.text
    assert (await visit("tutor").open(path)).values(f"{grading}?show=all")["grade"] == ["9"]


async def test_work_that_was_replaced_is_not_graded(
    visit: Visit, school: School, world: World, path: str, grading: str
) -> None:
    page = await visit("tutor").open(path)
    newer = await submit(world, school, "learner")

    shown = await visit("tutor").fill(page, f"{grading}?show=all", grade="9")

    assert shown.status == 409
    assert "The learner has handed in newer work." in shown.text
    assert shown.soup.find("form", action=f"{path}/submissions/{newer}/grade?show=all") is not None
    assert "https://github.com/learner/work" in shown.html


async def test_the_lists_and_their_numbers_agree_with_csv(
    visit: Visit, school: School, world: World, path: str, subtests: pytest.Subtests
) -> None:
    course = await world.read(world.services.courses.find, int(school.ids["course"]))
    staff = caller_of(school, "tutor")
    task = NewAssessment("Task", due_at=NOON + 30_000, max_grade=10, id=course.assessments[0].id)
    edit = world.services.course_editing.change
    await world.write(edit, staff, course.id, lambda stored: unchanged_course(stored, assessments=(task,)))
    late = await submit(world, school, "peer")
    await grade(world, school, late, 5)
    await world.write(world.services.enrollments.enroll, school.people["stranger"].id, course.id)
    tutor = visit("tutor")
    page = await tutor.open(path)
    counts = [int(each.get_text()) for each in page.soup.select(".segments .count")]
    assert counts == [3, 1, 1, 1, 1]
    assert [each.get_text() for each in page.soup.select(".figure")] == ["1", "1", "1", "1", "5"]
    for show, count in zip(("all", "to-grade", "missing", "graded", "late"), counts, strict=True):
        with subtests.test(show):
            listed = await tutor.open(f"{path}?show={show}")
            header, *rows = csv_rows((await tutor.open(f"{path}.csv?show={show}")).response)
            assert [row[0] for row in rows] == names(listed)
            assert len(rows) == count
            assert header[:2] == ["Learner", "State"]
    whole = csv_rows((await tutor.open(f"{path}.csv")).response)[1:]
    assert [row[1] for row in whole] == ["To grade", "Missing", "Graded"]
    assert whole[2][3:6] == ["yes", "https://github.com/peer/work", "5.0"]

    table = (await tutor.open(f"/app/courses/{course.id}/assessments")).rows()
    as_csv = csv_rows((await tutor.open(f"/app/courses/{course.id}/assessments.csv")).response)
    assert [cell.split()[0] for cell in table[0][2:6]] == [as_csv[1][n] for n in (3, 4, 5, 6)] == ["1", "1", "1", "1"]


async def test_a_name_is_searched_for_and_pages_follow(visit: Visit, school: School, world: World, path: str) -> None:
    course = int(school.ids["course"])
    for _ in range(60):
        learner = await world.user()
        await world.write(world.services.enrollments.enroll, learner.id, course)
    tutor = visit("tutor")
    first = await tutor.open(f"{path}?show=missing")
    assert len(names(first)) == 50

    link = first.soup.find("a", string="Next page")
    assert link is not None
    second = await tutor.open(str(link["href"]))

    assert len(set(names(first) + names(second))) == 61
    found = await tutor.open(f"{path}?show=missing&q={school.people['peer'].name.split()[1]}")
    assert school.people["peer"].name in names(found)
    assert (await tutor.open(f"{path}?q=nobody-has-this")).text.count("Nobody of this name") == 1


async def test_names_titles_and_feedback_are_text(visit: Visit, school: School, world: World, path: str, grading: str) -> None:
    await world.write(world.services.accounts.change, school.people["learner"].id, name=HOSTILE)
    course = await world.read(world.services.courses.find, int(school.ids["course"]))
    task = NewAssessment(HOSTILE, max_grade=10, id=course.assessments[0].id)
    edit, staff = world.services.course_editing.change, caller_of(school, "tutor")
    await world.write(edit, staff, course.id, lambda stored: unchanged_course(stored, assessments=(task,), title=HOSTILE))
    tutor = visit("tutor")
    graded = await tutor.submit(grading, {"grade": "1", "seen": "0", "feedback": HOSTILE})

    for shown in (graded, await tutor.open(f"/app/courses/{course.id}/assessments"), await tutor.open(f"{path}?q={HOSTILE}")):
        assert shown.soup.find("script", string="alert(1)") is None
        assert shown.soup.find("img", src="x") is None
        assert "{{ 7*7 }}" in shown.html
        assert "49" not in shown.text
    listed = csv_rows((await tutor.open(f"{path}.csv")).response)
    assert [HOSTILE, HOSTILE] in [[row[0], row[7]] for row in listed]


async def test_a_colleague_may_grade_and_others_may_not(
    visit: Visit, school: School, world: World, path: str, grading: str
) -> None:
    fields = {"grade": "5", "seen": "0"}
    for role, status in (("learner", 403), ("peer", 403), ("other tutor", 403)):
        assert (await visit(role).submit(grading, fields)).status == status
    assert (await visit("nobody").submit(grading, fields)).path == "/app/sign-in"
    staff = world.services.course_staff
    await world.write(
        staff.set_role,
        caller_of(school, "tutor"),
        int(school.ids["course"]),
        school.people["other tutor"].id,
        CourseRole.INSTRUCTOR,
    )

    assert "The grade is saved." in (await visit("other tutor").submit(grading, fields)).text


async def test_an_assessment_of_another_course_is_not_there(visit: Visit, school: School) -> None:
    visitor: Visitor = visit("admin")
    assert (await visitor.open(school.filled("/app/courses/{hidden}/assessments/{assessment}"))).status == 404
    assert (await visitor.open(school.filled("/app/courses/{course}/assessments/999999"))).status == 404
    assert (await visitor.open(school.filled("/app/courses/{course}/assessments/{assessment}?show=nonsense"))).status == 400
