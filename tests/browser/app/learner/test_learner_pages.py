"""What a learner does on the pages in a real Chromium: finds a course, hands in, and writes."""

import pytest
from playwright.async_api import expect
from sqlalchemy import select

from headway.assessments.tables import submissions
from headway.enrollments.tables import enrollments
from headway.learning.tables import unit_progress
from headway.messaging.tables import messages
from tests.browser.app.conftest import SIZES, App, AppPage, OpenPage
from tests.browser.app.learner.conftest import URL, Desk, unit_of

WAIT_MS = 15_000
CONTROLS = """[...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")]
  .filter((each) => each.checkVisibility() && !each.matches(".skip") && (each.type !== "radio" ||
    each === (document.querySelector(`[name=${each.name}]:checked`) ?? document.querySelector(`[name=${each.name}]`))))"""
"""What can be used, but for radio buttons that arrow keys reach."""


@pytest.mark.parametrize("size", SIZES)
async def test_the_pages_of_a_learner_look_right(app: App, open_page: OpenPage, desk: Desk, size: str) -> None:
    opened = await open_page(desk.learner, size)
    course, demo = f"/app/learning/{desk.course.id}", f"/app/learning/{desk.demo.id}"
    pages = {
        "learning": "/app/learning",
        "course": course,
        "unit": f"{demo}/units/{unit_of(desk.demo, 'an-hour-of-study')}",
        "unit-elsewhere": f"{course}/units/{desk.course.units[1].id}",
        "unit-locked": f"{course}/units/{desk.course.units[2].id}",
        "quiz": f"{demo}/units/{unit_of(desk.demo, 'six-questions')}?answers=1.1.-.2.0.0",
        "hand-in": f"{course}/assessments/{desk.course.assessments[0].id}",
        "graded": f"{course}/assessments/{desk.course.assessments[2].id}",
        "messages": "/app/messages",
        "conversation": f"/app/messages/{desk.tutor.id}",
        "certificates": "/app/certificates",
        "catalogue": "/app/catalogue",
        "catalogue-nothing": "/app/catalogue?q=zebra",
        "not-enrolled": f"/app/learning/{desk.full.id}",
        "account-of-learner": "/app/account",
    }
    for name, path in pages.items():
        await opened.open(path)
        assert await opened.faults(f"{name}-{size}") == []
    await opened.open(course)
    await opened.page.locator("main details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    assert await opened.faults(f"course-why-{size}") == []
    empty = await open_page(await app.world.user(), size)
    for name in ("learning", "messages", "certificates"):
        await empty.open(f"/app/{name}")
        assert await empty.faults(f"{name}-empty-{size}") == []
    staff = await open_page(desk.tutor, size)
    await staff.open(course)
    assert await staff.faults(f"course-preview-{size}") == []
    visitor = await open_page(None, size)
    await visitor.open("/app/register")
    assert await visitor.faults(f"register-{size}") == []


async def test_everything_is_reached_by_keyboard(open_page: OpenPage, desk: Desk) -> None:
    opened = await open_page(desk.learner)
    course, demo = f"/app/learning/{desk.course.id}", f"/app/learning/{desk.demo.id}"
    for path in (
        *(
            "/app/learning",
            course,
            f"{course}/units/{desk.course.units[1].id}",
            f"{demo}/units/{unit_of(desk.demo, 'six-questions')}",
        ),
        *(f"{course}/assessments/{desk.course.assessments[0].id}", "/app/messages", f"/app/messages/{desk.tutor.id}"),
        *("/app/certificates", "/app/catalogue", f"/app/learning/{desk.full.id}"),
    ):
        await opened.open(path)
        for summary in await opened.page.locator("main details:not(.chart details) > summary").all():
            await summary.evaluate("each => { each.parentElement.open = true; }")
        # Elements, not attributes of them: a page that is brought up to date keeps those alone.
        await opened.page.evaluate("window.reached = new WeakSet()")
        left = await opened.page.evaluate(f"{CONTROLS}.length")
        assert left > 3
        for _ in range(left + 20):
            await opened.page.keyboard.press("Tab")
            await opened.page.evaluate("window.reached.add(document.activeElement)")
        missed = f"{CONTROLS}.filter((each) => !window.reached.has(each)).map((each) => each.outerHTML)"
        assert await opened.page.evaluate(missed) == [], path
    assert opened.errors == []


async def test_a_message_arrives_by_itself_and_is_read_once_it_is_seen(app: App, open_page: OpenPage, desk: Desk) -> None:
    messaging = app.world.services.messaging
    learner, tutor = await open_page(desk.learner), await open_page(desk.tutor)
    await learner.open(f"/app/messages/{desk.tutor.id}")
    await tutor.open(f"/app/messages/{desk.learner.id}")
    await learner.page.bring_to_front()
    await tutor.page.get_by_role("textbox", name="Message").fill("Until Friday.")
    await tutor.page.get_by_role("button", name="Send").click()

    await expect(learner.page.locator(".message").last).to_contain_text("Until Friday.", timeout=WAIT_MS)
    await expect(learner.page.locator("[data-mark-read]")).to_have_count(0, timeout=WAIT_MS)
    await expect(tutor.page.locator(".message.own").last).to_contain_text("· read", timeout=WAIT_MS)
    async with app.world.database.read() as tx:
        correspondent = await messaging.find_correspondent(tx, desk.learner.id, desk.tutor.id)
    assert correspondent.unread == 0
    assert learner.errors == tutor.errors == []


async def test_who_moves_up_from_a_waiting_list_sees_it_at_once(app: App, open_page: OpenPage, desk: Desk) -> None:
    opened = await open_page(desk.learner)
    await opened.open(f"/app/learning/{desk.full.id}")
    await expect(opened.page.locator("main")).to_contain_text("waiting list, place 1")

    tutor = app.world.services.tokens.issue(await app.world.find_user(desk.tutor.id))
    await opened.page.wait_for_timeout(1_000)
    answer = await opened.page.request.patch(
        f"{opened.url}/api/v1/courses/{desk.full.id}", data={"capacity": 5}, headers={"Authorization": f"Bearer {tutor}"}
    )

    assert answer.ok, await answer.text()
    await expect(opened.page.locator("main .next-step")).to_contain_text("Start", timeout=WAIT_MS)
    assert opened.errors == []


async def test_the_catalogue_filters_while_one_types(open_page: OpenPage, desk: Desk) -> None:
    opened = await open_page(desk.learner)
    page = opened.page
    await opened.open("/app/catalogue")
    await page.get_by_label("Words").press_sequentially("sold")

    await expect(page.locator("#found h2", has_not_text="Sold out")).to_have_count(0, timeout=WAIT_MS)
    await expect(page.locator("#found h2").first).to_have_text("Sold out")
    await page.wait_for_url("**/app/catalogue?q=sold**")
    assert await page.evaluate("document.activeElement.name") == "q"
    await page.get_by_label("Subject").select_option("Headway")
    await expect(page.locator("#found .empty")).to_be_visible(timeout=WAIT_MS)
    assert opened.errors == []


async def test_without_scripts_a_learner_enrolls_studies_hands_in_and_writes(app: App, open_page: OpenPage, desk: Desk) -> None:
    learner = await app.world.user()
    opened = await open_page(learner, java_script_enabled=False)
    page = opened.page
    await opened.open(f"/app/learning/{desk.course.id}")
    await page.get_by_role("button", name="Enroll").click()
    await page.get_by_role("link", name="Start").click()
    await page.get_by_role("button", name="Mark as complete").click()
    await _says(opened, "You have completed “What steam can do”.")
    await opened.open(f"/app/learning/{desk.course.id}")
    await page.get_by_role("link", name="Draw an engine").click()
    await page.get_by_label("Link to your work").fill(URL)
    await page.get_by_role("button", name="Hand in").click()
    await _says(opened, "Your work is handed in.")
    await opened.open("/app/messages")
    await page.get_by_role("link", name="Grace Hopper").click()
    await page.get_by_role("textbox", name="Message").fill("Good day.")
    await page.get_by_role("button", name="Send").click()
    await _says(opened, "Message sent.")
    await opened.open(f"/app/learning/{desk.course.id}")
    await page.locator("summary", has_text="Leave the course").click()
    await page.get_by_role("button", name="Yes, leave the course").click()
    await _says(opened, "You have left the course.")
    kept = [unit_progress.c.status, submissions.c.submission_url, messages.c.peer_id, enrollments.c.status]
    stored = [await app.world.rows(select(column).where(column.table.c.user_id == learner.id)) for column in kept]
    assert stored == [[("COMPLETED",)], [(URL,)], [(desk.tutor.id,)], [("DROPPED",)]]


async def _says(opened: AppPage, notice: str) -> None:
    await expect(opened.page.locator(".notice[role=status]")).to_contain_text(notice)
