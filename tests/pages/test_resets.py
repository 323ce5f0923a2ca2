"""Resetting on the pages: what is lost is shown before, the record has the undo, and learners see it with earlier attempts."""

import pytest

from headway.learning.model import ActivityType, Event, Report
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
    assert "There is no progress here to reset." in (await tutor.open(f"{record}/reset?what=unit-999999")).text
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
    assert "with 10 min of study" in on_record.text
