"""The page of one learner in a real Chromium: how it looks, stays up to date, and is printed."""

import math
import random
import re
from typing import NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import Locator

from headway.accounts.model import User
from headway.assessments.model import NewGrade
from headway.courses.completion import Completion, EngagementMetrics, Rule
from headway.courses.model import CourseTree, NewAssessment, NewCourse, NewModule, NewUnit
from headway.identity import Caller, Role
from headway.instants import DAY, HOUR, MINUTE
from headway.learning.model import ActivityType, Event, Outcome, Report
from tests.browser.app.conftest import SIZES, App, OpenPage
from tests.browser.school import becomes

TITLES = [
    "Welcome",
    "What is a fraction?",
    "Halves and quarters",
    "Practice: halves",
    "Comparing fractions",
    "A film: cutting cakes",
]
RULES = [
    Completion(Rule.VIEWED),
    Completion(Rule.SCROLL, 90),
    Completion(Rule.TIME, 1_800),
    Completion(Rule.QUIZ, 60),
    Completion(),
    Completion(Rule.VIDEO, 95),
]


class Followed(NamedTuple):
    """A learner who studied for weeks, and whoever follows them."""

    course: CourseTree
    tutor: User
    learner: User

    @property
    def path(self) -> str:
        return f"/app/courses/{self.course.id}/learners/{self.learner.id}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def followed(app: App) -> Followed:
    world, services, now = app.world, app.world.services, app.now()
    tutor = await world.user(Role.INSTRUCTOR)
    modules = tuple(
        NewModule(
            f"Module {m}",
            units=tuple(NewUnit(f"{m}. {title}", completion=rule) for title, rule in zip(TITLES, RULES, strict=True)),
        )
        for m in range(1, 4)
    )
    new = NewCourse(
        "Fractions",
        modules=modules,
        assessments=(NewAssessment("A cake for seven", due_at=now, max_grade=10), NewAssessment("Essay")),
    )
    course = await world.write(services.course_editing.create, new, owner_id=tutor.id)
    world.clock.now = now - 130 * DAY
    learner = await world.user(email=f"followed-{course.id}@example.org")
    await world.write(services.enrollments.enroll, learner.id, course.id)
    made = Followed(course, tutor, learner)
    chance = random.Random(5)
    for day in range(120):
        if chance.random() < 0.5:
            unit = course.units[min(len(course.units) - 1, day // 12)].id
            start = now - (130 - day) * DAY + chance.randrange(8) * HOUR
            await study(app, made, unit, start, minutes=math.ceil(chance.expovariate(1 / 40)))
    await work(app, made, now)
    app.now()
    return made


async def study(app: App, followed: Followed, unit_id: int, start: int, *, minutes: int) -> None:
    end = start + minutes * MINUTE
    app.world.clock.now = end
    metrics = EngagementMetrics(scroll_depth=min(100, minutes * 2), video_watch_percentage=min(100, minutes))
    event = Event(
        f"{unit_id} at {start}",
        ActivityType.UNIT_VIEW,
        followed.course.id,
        unit_id=unit_id,
        start_time=start,
        end_time=end,
        metrics=metrics,
    )
    report = Report(followed.learner.id, end, (event,))
    ((verdict,),) = await app.world.write(app.world.services.tracking.record, [report], end)
    assert verdict.outcome is Outcome.ACCEPTED


async def work(app: App, followed: Followed, now: int) -> None:
    """Hand work in twice, grade it, and write messages and notes."""
    world, services = app.world, app.world.services
    learner, tutor = Caller(followed.learner.id, Role.PARTICIPANT), Caller(followed.tutor.id, Role.INSTRUCTOR, name="Ina Tutor")
    for number, at in enumerate((now - 40 * DAY, now - 30 * DAY)):
        world.clock.now = at
        url = f"https://github.com/ada/cake-{number}"
        submission, _ = await world.write(services.assessments.submit, learner, followed.course.assessments[0].id, url)
    world.clock.now = now - 29 * DAY
    await world.write(
        services.assessments.grade, tutor, submission.id, NewGrade(8.5, "A clear drawing. Say why the pieces are equal.")
    )
    await world.write(
        services.assessments.submit, learner, followed.course.assessments[1].id, "https://docs.google.com/document/d/1"
    )
    world.clock.now = now - 5 * DAY
    await world.write(
        services.attention.add_note, tutor, followed.course.id, followed.learner.id, "Phoned: will be back after the holidays."
    )
    await world.write(services.messaging.send, tutor.user_id, learner.user_id, "How are you getting on?")
    world.clock.now = now - 4 * DAY
    await world.write(services.messaging.send, learner.user_id, tutor.user_id, "I was ill. I go on tomorrow!")


@pytest.mark.parametrize("size", SIZES)
async def test_it_looks_right(followed: Followed, open_page: OpenPage, size: str) -> None:
    window = await open_page(followed.tutor, size)
    await window.open(followed.path)
    await window.page.wait_for_selector("#study .mark")
    days = await window.page.locator("#study tbody tr").count()

    assert await window.page.locator("#study .mark").count() == days > 30
    assert await window.page.evaluate("""() => {
      const { right } = document.querySelector("#study").getBoundingClientRect();
      return document.querySelector("#study .plot-area").getBoundingClientRect().right < right;
    }""")
    assert (
        await window.page.evaluate("performance.getEntriesByType('layout-shift').reduce((sum, each) => sum + each.value, 0)")
        < 0.02
    )
    assert await window.faults(f"learner-{size}") == []
    await window.page.get_by_text("1. Halves and quarters").first.click()
    assert await window.faults(f"learner-why-{size}") == []


@pytest.mark.parametrize("size", SIZES)
async def test_definitions_are_seen_as_a_whole(followed: Followed, open_page: OpenPage, size: str) -> None:
    window = await open_page(followed.tutor, size)
    page = window.page
    await window.open(followed.path)
    terms = page.locator(".term:visible")
    count = await terms.count()

    for number in range(count):
        await terms.nth(number).focus()
        tooltip = terms.nth(number).locator(".tooltip")
        # Whatever has the pixels of its corners has nothing before it, and is within the window.
        assert await tooltip.evaluate("""(shown) => {
          const { left, top, right, bottom } = shown.getBoundingClientRect();
          const corners = [[left + 9, top + 9], [right - 9, top + 9], [left + 9, bottom - 9], [right - 9, bottom - 9]];
          return corners.every(([x, y]) => shown.contains(document.elementFromPoint(x, y)));
        }"""), await tooltip.inner_text()
    assert count > 5


async def test_it_is_up_to_date_and_keeps_what_is_open_and_typed(app: App, followed: Followed, open_page: OpenPage) -> None:
    window = await open_page(followed.tutor)
    page = window.page
    async with page.expect_websocket() as socket:
        await window.open(followed.path)
    await (await socket.value).wait_for_event("framereceived", lambda frame: "subscribed" in frame)
    await page.wait_for_selector("#study .mark")
    marks = await page.locator("#study .mark").count()
    last = followed.course.units[-1]
    await page.get_by_text(f"{last.title}", exact=False).first.click()
    await page.get_by_label("Message to").fill("Half a sent")
    await page.locator("#study .mark").last.focus()
    now = app.now()
    body = {
        "event_id": f"live {now}",
        "activity_type": "unit_view",
        "course_id": followed.course.id,
        "unit_id": last.id,
        "duration_seconds": 600,
    }

    answer = await page.request.post(
        f"{window.url}/api/courses/activity/track", data=body, headers=app.world.bearer(followed.learner)
    )

    assert answer.ok, await answer.text()
    row = page.locator(f"tr:has(#unit-{last.id})")
    await row.get_by_text("10 min").first.wait_for(timeout=3_000)
    drawn = page.locator("#study .mark")
    # Ten minutes of study are on two days shortly after midnight.
    days = now // DAY - (now - 10 * MINUTE) // DAY + 1
    await becomes(lambda: is_drawn(drawn, marks + days))
    assert await page.locator(f"#unit-{last.id}").get_attribute("open") is not None
    assert await page.get_by_label("Message to").input_value() == "Half a sent"
    assert await page.evaluate("document.activeElement.classList.contains('mark')")
    assert window.errors == []


async def is_drawn(marks: Locator, count: int) -> bool:
    return await marks.count() == count


async def test_a_message_and_a_note_by_keyboard_alone(app: App, followed: Followed, open_page: OpenPage) -> None:
    window = await open_page(followed.tutor)
    page = window.page
    await window.open(followed.path)

    await page.get_by_role("link", name="Message", exact=True).focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Shall we talk?")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.get_by_role("status").filter(has_text="Message sent.").wait_for()
    await page.get_by_role("link", name="Add a note").focus()
    await page.keyboard.press("Enter")
    await page.get_by_label("New note").focus()
    await page.keyboard.type("Wrote again.")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.get_by_role("status").filter(has_text="Note added.").wait_for()

    assert await page.locator(".timeline li").filter(has_text="Shall we talk?").count() == 1
    assert await page.locator(".timeline li").filter(has_text="Wrote again.").count() == 1
    page.on("dialog", lambda dialog: dialog.accept())
    await page.locator("article").filter(has_text="Wrote again.").get_by_role("button", name="Delete").click()
    await page.get_by_role("status").filter(has_text="Note deleted.").wait_for()
    assert await page.get_by_text("Wrote again.").count() == 0
    assert window.errors == []


async def test_it_is_printed_on_two_pages_without_what_is_for_staff(followed: Followed, open_page: OpenPage) -> None:
    window = await open_page(followed.tutor)
    page = window.page
    await window.open(followed.path)
    await page.wait_for_selector("#study .mark")

    await page.emulate_media(media="print")

    for hidden in ("header.site", ".tabs", "footer.site", "#message", "#notes", "#timeline", "#study summary"):
        assert await page.locator(hidden).first.is_hidden(), hidden
    for shown in ("h1", "#figures", "#study svg", "#units table", "#work blockquote", ".only-print"):
        assert await page.locator(shown).first.is_visible(), shown
    await window.shoot("learner-print")
    printed = await page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2


async def test_without_scripts_it_is_read_and_messages_are_sent(followed: Followed, open_page: OpenPage) -> None:
    window = await open_page(followed.tutor, java_script_enabled=False)
    page = window.page
    await window.open(followed.path)
    await page.locator("#study summary").click()
    assert await page.locator("#study table").is_visible()

    await page.get_by_label("Message to").fill("Without scripts")
    await page.get_by_role("button", name="Send").click()

    assert await page.get_by_role("status").inner_text() == "Message sent."
    assert await page.locator(".timeline li").first.inner_text() == "You wrote\nWithout scripts\njust now"
