"""Assessments of a learner: work that is handed in, and its grade, as a browser without scripts shows them."""

import pytest

from headway.assessments.model import NewGrade
from headway.identity import Caller, Role
from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.pages.test_account import HOSTILE
from tests.pages.test_learning import URL, make_course
from tests.world import World


async def test_work_is_handed_in_again_until_it_is_graded(visit: Visit, school: School, world: World) -> None:
    visitor, path = visit("peer"), f"/app/learning/{school.ids['course']}/assessments/{school.ids['assessment']}"

    page = await visitor.open(path)
    assert "You have not handed anything in yet." in page.text
    await visitor.fill(page, path, submission_url=f"{URL}/1")
    world.clock.advance(seconds=60)
    shown = await visitor.submit(path, {"submission_url": f"{URL}/2"})

    assert "Your work is handed in." in shown.text
    assert [row[1:] for row in shown.rows()] == [[f"{URL}/2", "counts"], [f"{URL}/1", "replaced"]]
    own = await world.read(world.services.assessments.list_own, school.people["peer"].id)
    newest, tutor = own[0].submissions[0], Caller(school.people["tutor"].id, Role.INSTRUCTOR)
    await world.write(world.services.assessments.grade, tutor, newest.id, NewGrade(8.5, "Well done"))

    graded = await visitor.open(path)
    assert "8.5 of 10" in graded.text
    assert "Well done" in graded.text
    assert graded.soup.select("main form") == []
    assert (await visitor.submit(path, {"submission_url": URL})).status == 409


@pytest.mark.parametrize("url", ["http://github.com/a", "https://example.org/x", "javascript:alert(1)", HOSTILE, ""])
async def test_a_link_that_is_refused_stays_in_the_form(visit: Visit, school: School, url: str) -> None:
    path = f"/app/learning/{school.ids['course']}/assessments/{school.ids['assessment']}"

    shown = await visit("peer").submit(path, {"submission_url": url})

    assert shown.status == 422
    assert shown.values(path)["submission_url"] == [url]
    assert shown.form(path).find("input", attrs={"aria-invalid": "true"}) is not None
    assert shown.soup.find("script", string="alert(1)") is None


async def test_an_assessment_of_another_course_is_not_found(visit: Visit, school: School, world: World) -> None:
    course, learner = await make_course(world), school.people["learner"]
    await world.write(world.services.enrollments.enroll, learner.id, course.id)

    path = f"/app/learning/{course.id}/assessments/{school.ids['assessment']}"

    assert (await visit("learner").open(path)).status == 404
    assert (await visit("learner").submit(path, {"submission_url": URL})).status == 404
