"""Who may do what in the course room: every route, asked by everybody, about what is theirs and what is not."""

from typing import Any

import httpx
import pytest

from tests.contract.course_room.scene import SCENE
from tests.contract.rights.conftest import School
from tests.contract.rights.test_rights import STAFF, Access, assert_rights, routes_under
from tests.world import World

OWN = {"learner": 200, **STAFF}
HIDDEN_STAFF = {"other tutor": 200, "admin": 200, "system": 200}
ONE = "GET /{course_id}/{user_id}"
ACTIVITIES = "GET /{course_id}/{user_id}/activities"
UNIT = '"courseId": {course}, "courseContentId": {unit}'

MATRIX = [
    Access(ONE, OWN, "/{course}/{learner_id}"),
    Access(ONE, OWN, "/{course}/{learner_id}?include=all"),
    Access(ONE, {"stranger": 200, **STAFF}, "/{course}/{stranger_id}"),
    Access(ONE, STAFF, "/{course}/{tutor_id}"),
    Access(ONE, {"tutor": 404, "admin": 404, "system": 404}, "/{course}/999999"),
    Access(ONE, HIDDEN_STAFF, "/{hidden}/{learner_id}", else_=404),
    Access(ONE, {}, "/999999/{learner_id}", else_=404),
    Access(ACTIVITIES, OWN, "/{course}/{learner_id}/activities"),
    Access(ACTIVITIES, {"stranger": 200, **STAFF}, "/{course}/{stranger_id}/activities"),
    Access(ACTIVITIES, HIDDEN_STAFF, "/{hidden}/{learner_id}/activities", else_=404),
    Access("GET /course/{course_id}/all", STAFF, "/course/{course}/all"),
    Access("GET /course/{course_id}/all", HIDDEN_STAFF, "/course/{hidden}/all", else_=404),
    Access("GET /course/{course_id}/analytics", STAFF, "/course/{course}/analytics"),
    Access("GET /course/{course_id}/analytics", HIDDEN_STAFF, "/course/{hidden}/analytics", else_=404),
    Access("POST /bulk", OWN, body='{"courseId": {course}, "userIds": [{learner_id}]}'),
    Access("POST /bulk", STAFF, body='{"courseId": {course}, "userIds": [{learner_id}, {peer_id}]}'),
    Access("POST /bulk", HIDDEN_STAFF, body='{"courseId": {hidden}, "userIds": [{learner_id}]}', else_=404),
    Access("POST /update", {"learner": 200, "peer": 200}, body="{" + UNIT + "}"),
    Access("POST /update", {"learner": 200, "admin": 200, "system": 200}, body="{" + UNIT + ', "userId": {learner_id}}'),
    Access("POST /update", {}, body="{" + UNIT + ', "userId": {stranger_id}}'),
    Access("POST /update", {"admin": 404, "system": 404}, body="{" + UNIT + ', "userId": 999999}'),
    Access(
        "POST /update",
        {"other tutor": 403, "admin": 403, "system": 403},
        body='{"courseId": {hidden}, "courseContentId": 1}',
        else_=404,
    ),
]


@pytest.fixture
async def school(world: World, client: httpx.AsyncClient) -> School:
    built = School(world, client)
    await built.build()
    return built


@pytest.mark.parametrize("access", MATRIX, ids=lambda access: f"{access} {access.body or ''}".strip())
async def test_everybody_gets_what_is_theirs_and_is_refused_what_is_not(school: School, access: Access) -> None:
    def is_refusal(answer: Any) -> bool:
        return set(answer) == {"success", "message", "requestId"} and answer["success"] is False

    await assert_rights(school, SCENE.prefix, access, is_refusal=is_refusal, is_write=access.route == "POST /update")


async def test_every_route_of_the_contract_is_asked(school: School) -> None:
    assert {access.route for access in MATRIX} == await routes_under(school, "Course room", SCENE.prefix)


async def test_a_tutor_is_a_learner_like_any_other_in_the_courses_of_others(school: School) -> None:
    await school.world.write(
        school.world.services.enrollments.enroll, school.people["other tutor"].id, int(school.ids["course"])
    )

    async def status(path: str) -> int:
        return (await school.ask("other tutor", "GET", SCENE.prefix + path)).status_code

    assert await status("/{course}/{other_tutor_id}") == 200
    assert await status("/{course}/{learner_id}") == 403
    assert await status("/course/{course}/all") == 403
