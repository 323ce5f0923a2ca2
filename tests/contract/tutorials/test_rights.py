"""Whose tutorials who may read, move and reset: every route, asked by everybody, about themselves and others."""

import httpx
import pytest

from headway.identity import Caller, Role
from headway.tutorials.model import ChapterReport
from tests.contract.rights.conftest import School
from tests.contract.rights.test_rights import Access, assert_rights, routes_under
from tests.contract.tutorials.scene import SCENE
from tests.world import World

ONE = "/{tutorial_id}"
OWN = {"learner": 200, "admin": 200, "system": 200}
NOBODY = {"admin": 404, "system": 404}
CHAPTER = '{"chapterId": "b", "watchTime": 1'
QUIZ = '{"quizId": "a", "score": 1, "maxScore": 1, "passed": true'
OF_LEARNER = ', "userId": "{learner_id}"}'
OF_NOBODY = ', "userId": "999999"}'

MATRIX = [
    Access(f"GET {ONE}", {}, "/done", else_=200),
    Access(f"GET {ONE}", OWN, "/done?userId={learner_id}"),
    Access(f"GET {ONE}", NOBODY, "/done?userId=999999"),
    Access(f"POST {ONE}/chapter", {}, "/done/chapter", CHAPTER + "}", else_=200),
    Access(f"POST {ONE}/chapter", OWN, "/done/chapter", CHAPTER + OF_LEARNER),
    Access(f"POST {ONE}/chapter", NOBODY, "/done/chapter", CHAPTER + OF_NOBODY),
    Access(f"POST {ONE}/quiz", {}, "/done/quiz", QUIZ + "}", else_=200),
    Access(f"POST {ONE}/quiz", OWN, "/done/quiz", QUIZ + OF_LEARNER),
    Access(f"POST {ONE}/quiz", NOBODY, "/done/quiz", QUIZ + OF_NOBODY),
    Access(f"POST {ONE}/complete", {"learner": 200}, "/done/complete", else_=404),
    Access(f"POST {ONE}/complete", OWN, "/done/complete", '{"userId": "{learner_id}"}'),
    Access(f"POST {ONE}/complete", NOBODY, "/done/complete", '{"userId": "999999"}'),
    Access(f"PATCH {ONE}/chapters", {"admin": 200, "system": 200}, "/done/chapters", '{"totalChapters": 3}'),
    Access(f"PATCH {ONE}/chapters", {"admin": 200, "system": 200}, "/done/chapters", '{"retiredChapters": ["a"]}'),
    Access(f"DELETE {ONE}", {}, "/done", else_=200),
    Access(f"DELETE {ONE}", OWN, "/done?userId={learner_id}"),
    Access(f"DELETE {ONE}", NOBODY, "/done?userId=999999"),
]


@pytest.fixture
async def school(world: World, client: httpx.AsyncClient) -> School:
    """A school whose learner has completed a tutorial, but for the certificate."""
    built = School(world, client)
    await built.build()
    report = ChapterReport(id="a", watch_time=1, is_completed=True, total_chapters=1)
    await world.write(
        world.services.tutorials.report_chapter, Caller(built.people["learner"].id, Role.PARTICIPANT), "done", None, report
    )
    return built


@pytest.mark.parametrize("access", MATRIX, ids=lambda access: f"{access} {access.body or ''}".strip())
async def test_everybody_gets_what_is_theirs_and_is_refused_what_is_not(school: School, access: Access) -> None:
    is_write = not access.route.startswith("GET")
    await assert_rights(school, SCENE.prefix, access, is_refusal=lambda answer: set(answer) == {"error"}, is_write=is_write)


async def test_every_route_of_the_contract_is_asked(school: School) -> None:
    assert {access.route for access in MATRIX} == await routes_under(school, "Tutorials", SCENE.prefix)
