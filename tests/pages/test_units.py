"""Units whose content comes with the demo: texts with the tracker, and a quiz."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from headway.cli.courses import load_course
from headway.courses.model import CourseTree
from headway.identity import Role
from headway.importers import oulad
from headway.learning.tables import learner_activity_logs, unit_progress
from headway.settings import Settings
from headway.web import reader
from headway.web.demo_content import quiz_of
from tests.contract.rights.conftest import School
from tests.integration.concurrency import differences
from tests.pages.conftest import Visit
from tests.pages.visitor import Shown
from tests.world import World

RIGHT = {f"answer{number}": str(asked.right) for number, asked in enumerate(quiz_of("six-questions").questions)}  # type: ignore[union-attr]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, demo=True)


@pytest.fixture
async def course(school: School, world: World) -> CourseTree:
    """The course of the demo, in which the learner is enrolled."""
    await world.user(Role.INSTRUCTOR, email=oulad.OWNER_EMAIL)
    async with world.database.write() as tx:
        loaded = await load_course(reader.COURSE_FILE, world.services, tx)
    await world.write(world.services.enrollments.enroll, school.people["learner"].id, loaded.id)
    return loaded


def path_of(course: CourseTree, slug: str) -> str:
    unit_id = next(unit.id for unit in course.units if unit.slug == slug)
    return f"/app/learning/{course.id}/units/{unit_id}"


def tracked(shown: Shown) -> dict[str, Any]:
    return {name: value for name, value in shown.soup.select_one("#reading").attrs.items() if name.startswith("data-")}  # type: ignore[union-attr]


def notice_classes(shown: Shown) -> list[str]:
    return list(shown.soup.select_one("[role=status].notice")["class"])  # type: ignore[index]


async def test_a_text_is_shown_with_the_tracker_at_work(visit: Visit, school: School, course: CourseTree) -> None:
    path = path_of(course, "an-hour-of-study")

    shown = await visit("learner").open(path)

    assert "A page can be open for an hour while nobody looks at it." in shown.text
    assert tracked(shown)["data-course"] == str(course.id)
    assert tracked(shown)["data-unit"] == path.rpartition("/")[2]
    assert tracked(shown)["data-user"] == school.ids["learner_id"]
    assert shown.soup.select_one("script[src^='/app/static/unit.js']") is not None
    assert [each for each in shown.soup.find_all("script") if not each.get("src")] == []


async def test_staff_read_a_text_without_the_tracker(visit: Visit, course: CourseTree) -> None:
    shown = await visit("admin").open(path_of(course, "an-hour-of-study"))

    assert "A page can be open for an hour" in shown.text
    assert tracked(shown) == {}
    assert shown.soup.select_one("script[src^='/app/static/unit.js']") is None


async def test_who_is_not_enrolled_reads_nothing(visit: Visit, course: CourseTree) -> None:
    assert (await visit("stranger").open(path_of(course, "an-hour-of-study"))).status == 404


async def test_the_best_score_of_a_quiz_counts(visit: Visit, world: World, course: CourseTree) -> None:
    path, visitor = path_of(course, "six-questions"), visit("learner")
    wrong = {**RIGHT, "answer0": "0", "answer2": "1"}
    del wrong["answer5"]

    tried = await visitor.submit(f"{path}/answers", wrong)
    assert "3 of 6 answers are right." in tried.text
    assert notice_classes(tried) == ["notice", "warn"], "that is not enough"
    assert [each.get_text()[:6] for each in tried.soup.select(".question p")] == [
        "Not ri",
        "Right.",
        "Not ri",
        "Right.",
        "Right.",
        "Not ri",
    ]
    assert tried.values(f"{path}/answers") == {name: [value] for name, value in wrong.items()}
    assert "The best score is 50%; 60% are needed." in tried.text
    passed = await visitor.submit(f"{path}/answers", RIGHT)
    await visitor.submit(f"{path}/answers", {})

    assert "6 of 6 answers are right." in passed.text
    assert notice_classes(passed) == ["notice"]
    stored = select(unit_progress.c.status, unit_progress.c.percent, unit_progress.c.met_rule)
    assert await world.rows(stored) == [("COMPLETED", 10_000, "quiz")]
    events = select(learner_activity_logs.c.metadata).order_by(learner_activity_logs.c.event_id)
    scores = sorted(msgspec.json.decode(row[0])["score"] for row in await world.rows(events))
    assert scores == [0, 3, 6]
    assert await differences(world) == []


@pytest.mark.parametrize("fields", [{"answer0": "3"}, {"answer0": "-1"}, {"answer0": "x"}, {"answer0": "1" * 40}])
async def test_an_answer_that_does_not_exist_is_refused(
    visit: Visit, world: World, course: CourseTree, fields: dict[str, str]
) -> None:
    path = path_of(course, "six-questions")

    shown = await visit("learner").submit(f"{path}/answers", {**RIGHT, **fields})

    assert shown.status == 422
    assert shown.values(f"{path}/answers") == {name: [value] for name, value in RIGHT.items() if name != "answer0"}
    assert await world.rows(select(unit_progress.c.unit_id)) == []


@pytest.mark.parametrize("answers", ["", "1", "1.1.1.1.1.1.1", "9.9.9.9.9.9", "x.-.<script>.1.1.1", "." * 5_000])
async def test_any_answers_in_a_url_are_shown_or_left_out(visit: Visit, course: CourseTree, answers: str) -> None:
    path = path_of(course, "six-questions")

    shown = await visit("learner").open(f"{path}?answers={answers}")

    assert shown.status == 200
    assert len(shown.soup.select(".question")) == 6
    assert "<script>" not in shown.html


async def test_a_unit_that_is_no_quiz_takes_no_answers(visit: Visit, course: CourseTree) -> None:
    assert (await visit("learner").submit(f"{path_of(course, 'what-is-kept')}/answers", {})).status == 409
    assert (await visit("admin").submit(f"{path_of(course, 'six-questions')}/answers", RIGHT)).status == 403
