"""Resetting progress in a real Chromium: what is lost, the undo on the record, and what the learner sees."""

import pytest

from headway.accounts.model import User
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.identity import Caller, Role
from headway.instants import DAY
from headway.learning.model import ActivityType, Event, Report
from headway.learning.reset_model import ResetRequest
from tests.browser.app.conftest import SIZES, App, OpenPage


async def make_course(app: App) -> tuple[CourseTree, User, User]:
    """A yearly training whose first attempt is a year old, with two of three units complete in the second one."""
    world = app.world
    tutor, learner = await world.user(Role.INSTRUCTOR), await world.user()
    units = tuple(NewUnit(title, completion=Completion(Rule.VIEWED)) for title in ("Fire", "First aid", "Data protection"))
    new = NewCourse("Safety at work", modules=(NewModule("Every year", units=units),))
    course = await world.write(world.services.course_editing.create, new, owner_id=tutor.id)
    now = app.now()
    world.clock.now = now - 400 * DAY
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    for year, count in ((400, 3), (10, 2)):
        for number, unit in enumerate(course.units[:count]):
            at = world.clock.now = now - (year - number) * DAY
            event = Event(
                f"{year} {number}", ActivityType.UNIT_VIEW, course.id, unit_id=unit.id, duration_seconds=900.0 + 300 * number
            )
            await world.write(world.services.tracking.record, [Report(learner.id, at, (event,))], at)
        if year == 400:
            world.clock.now = now - 20 * DAY
            request = ResetRequest(is_attempt=True, keeps_study=False, reason="Due again this year.")
            caller = Caller(tutor.id, Role.INSTRUCTOR)
            await world.write(world.services.resetting.reset, caller, course.id, learner.id, request)
    app.now()
    return course, tutor, learner


@pytest.mark.parametrize("size", SIZES)
async def test_a_unit_is_reset_and_the_reset_undone(app: App, open_page: OpenPage, size: str) -> None:
    course, tutor, learner = await make_course(app)
    record = f"/app/courses/{course.id}/learners/{learner.id}"
    window = await open_page(tutor, size)
    page = window.page
    await window.open(f"{record}/reset")
    await page.select_option("select[name=what]", label="Fire")
    await page.get_by_role("button", name="Show what is lost").click()
    await page.get_by_text("The course goes from 66% to 33%.").wait_for()
    assert await window.faults(f"reset-{size}") == []

    await page.get_by_label("Reason").fill("The film had no sound.")
    await page.get_by_role("button", name="Reset: Fire").click()
    await page.get_by_text("The progress is reset.").wait_for()
    assert await window.faults(f"record-with-reset-{size}") == []
    learners = await open_page(learner, size)
    await learners.open(f"/app/learning/{course.id}")
    await learners.page.locator(".notice").get_by_text("The film had no sound.").wait_for()
    assert await learners.faults(f"course-with-reset-{size}") == []

    await page.locator("#resets ~ .timeline").get_by_role("button", name="Undo").click()
    await page.get_by_text("The reset is undone.").wait_for()
    assert await page.get_by_text("66%", exact=True).count() > 0
