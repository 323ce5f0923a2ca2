"""Resetting on the pages: what is lost is shown before, the record has the undo, and learners see it with earlier attempts."""

import pytest

from headway.learning.model import ActivityType, Event, Report
from headway.learning.reset_model import ResetRequest
from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.world import World

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def record(world: World, school: School) -> str:
    """The path of the record of a learner who completed one of three units."""
    course_id, learner_id = int(school.ids["course"]), int(school.ids["learner_id"])
    now = world.clock()
    event = Event("done", ActivityType.UNIT_COMPLETE, course_id, unit_id=int(school.ids["unit"]), duration_seconds=600.0)
    await world.write(world.services.tracking.record, [Report(learner_id, now, (event,))], now)
    world.clock.advance(seconds=60)
    filled: str = school.filled("/app/courses/{course}/learners/{learner_id}")
    return filled


async def test_what_is_lost_is_shown_before_and_a_reset_can_be_undone(school: School, visit: Visit, record: str) -> None:
    tutor = visit("tutor")
    asked = await tutor.open(f"{record}/reset?what=unit-{school.ids['unit']}")
    assert asked.status == 200, asked.text
    assert "The course goes from 33% to 0%." in asked.text
    assert "What is lost: One" in asked.text
    assert "Reset: One" in asked.text
    assert [row[0] for row in asked.rows()] == ["One"]

    fields = {"what": f"unit-{school.ids['unit']}", "keeps_study": "true", "reason": HOSTILE}
    done = await tutor.submit(f"{record}/reset", fields)
    assert done.path == record
    assert "The progress is reset." in done.text
    assert "One was reset by" in done.text
    assert HOSTILE in done.text
    assert HOSTILE not in done.html

    (action,) = [form["action"] for form in done.soup.find_all("form") if str(form["action"]).endswith("/undo")]
    undone = await tutor.submit(str(action))
    assert "The reset is undone." in undone.text
    assert "undone by" in undone.text
    assert not [form for form in undone.soup.find_all("form") if str(form["action"]).endswith("/undo")]
    again = await tutor.submit(str(action))
    assert again.status == 409


async def test_nothing_is_reset_twice_or_by_a_choice_that_there_is_not(school: School, visit: Visit, record: str) -> None:
    tutor = visit("tutor")
    assert (await tutor.submit(f"{record}/reset", {"what": "course", "keeps_study": "true"})).status == 200
    assert (await tutor.submit(f"{record}/reset", {"what": "course", "keeps_study": "true"})).status == 409
    for query in ("", "?what=unit-999999", "?what=unit-x", "?what=everything"):
        chooser = await tutor.open(f"{record}/reset{query}")
        assert "Choose what to reset." in chooser.text, query
        assert not [
            form
            for form in chooser.soup.find_all("form")
            if str(form.get("action")) == f"{record}/reset" and form["method"] == "post"
        ]
    (idle,) = [option["value"] for option in chooser.soup.find_all("option") if option.text == "Two"]
    assert "There is no progress here to reset." in (await tutor.open(f"{record}/reset?what={idle}")).text
    assert (await tutor.submit(f"{record}/reset", {"keeps_study": "true"})).status == 422
    for what in ("unit", "unit-x", "everything", "course-1"):
        assert (await tutor.submit(f"{record}/reset", {"what": what})).status in {404, 422}, what


async def test_learners_see_what_was_reset_and_their_earlier_attempts(school: School, visit: Visit, record: str) -> None:
    tutor, learner = visit("tutor"), visit("learner")
    await tutor.submit(f"{record}/reset", {"what": "attempt", "reason": "2027"})

    shown = await learner.open(school.filled("/app/learning/{course}"))
    assert "A new attempt was begun by" in shown.text
    assert "Study time from before does not count." in shown.text
    assert "Attempt 1: 33%" in shown.text
    assert not [form for form in shown.soup.find_all("form") if "undo" in str(form.get("action"))]
    on_record = await tutor.open(record)
    assert "Attempt 1: 33%" in on_record.text
    assert "One 100% · 10 min · completed on" in on_record.text
    assert "with 10 min of study" in on_record.text


async def test_a_reset_is_told_above_the_progress_until_it_is_undone_and_stays_listed(
    world: World, school: School, visit: Visit, record: str
) -> None:
    tutor, learner = visit("tutor"), visit("learner")
    await tutor.submit(f"{record}/reset", {"what": f"unit-{school.ids['unit']}", "reason": "The wrong film."})
    course = school.filled("/app/learning/{course}")
    told = await learner.open(course)
    (notice,) = [each for each in told.soup.select(".notice") if "was reset by" in each.text]
    assert "The wrong film." in notice.text

    (action,) = [
        form["action"] for form in (await tutor.open(record)).soup.find_all("form") if str(form["action"]).endswith("/undo")
    ]
    await tutor.submit(str(action))
    undone = await learner.open(course)
    assert not [each for each in undone.soup.select(".notice") if "was reset by" in each.text]
    assert "undone by" in undone.text


async def test_what_an_operator_reset_names_nobody(world: World, school: School, visit: Visit, record: str) -> None:
    course_id, learner_id = int(school.ids["course"]), int(school.ids["learner_id"])
    await world.write(world.services.resetting.reset, None, course_id, learner_id, ResetRequest())
    assert "The whole course was reset by Operator." in (await visit("tutor").open(record)).text
