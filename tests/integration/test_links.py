"""URLs that were stored before there was a rule for them are not handed to anybody as links."""

import httpx
import pytest
from sqlalchemy import update

from headway.assessments.tables import submissions
from headway.courses.model import NewAssessment, NewCourse
from headway.enrollments.tables import enrollments
from headway.identity import Role
from tests.world import World

SAFE, UNSAFE = "https://github.com/ada/engine", "javascript:alert(1)"


@pytest.mark.parametrize(("stored", "shown"), [(SAFE, SAFE), (UNSAFE, None), ("", None), ("http://github.com/ada", None)])
async def test_a_url_is_shown_if_it_is_safe(world: World, client: httpx.AsyncClient, stored: str, shown: str | None) -> None:
    tutor = await world.user(Role.INSTRUCTOR)
    new = NewCourse("Course", assessments=(NewAssessment("Task"),))
    course = await world.write(world.services.course_editing.create, new, owner_id=tutor.id)
    learner = await world.learner(course)
    task = course.assessments[0].id
    path = f"/api/v1/assessments/{task}"
    body = {"submissionUrl": SAFE}
    submitted = await client.post(f"{path}/submit", json=body, headers=world.bearer(learner))
    assert submitted.status_code == 201
    async with world.database.write() as tx:
        await tx.run(update(submissions).values(submission_url=stored))
        await tx.run(update(enrollments).values(certificate_url=stored))

    own = (await client.get(path, headers=world.bearer(learner))).json()
    graded = (await client.get(f"{path}/submissions", headers=world.bearer(tutor))).json()
    staff = (await client.get(f"/api/v1/courses/{course.id}/enrollments", headers=world.bearer(tutor))).json()
    room = (await client.get(f"/user-progress/{course.id}/{learner.id}", headers=world.bearer(learner))).json()

    assert own["data"]["submission"]["submissionUrl"] == shown
    assert [each["submissionUrl"] for each in graded["data"]] == [shown]
    assert [each["certificateUrl"] for each in staff["data"]] == [shown]
    assert room["results"]["enrollments"]["certificateUrl"] == shown
