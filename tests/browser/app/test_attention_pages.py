"""Who needs attention, and the list of learners, in a real Chromium."""

import asyncio
import re
import time
from typing import NamedTuple

import pytest
from playwright.async_api import Route, expect

from headway.accounts.model import User
from headway.instants import DAY
from tests.browser.app.conftest import SIZES, App, OpenPage
from tests.integration.attention_class import AttentionClass, make_class

STOPPED, BUSY, BACK, STUCK = "Ada <i>Byron</i>", "Grace Hopper", "Katherine Johnson", "Mary Somerville"


class ShownClass(NamedTuple):
    made: AttentionClass
    tutor: User
    learners: dict[str, User]

    @property
    def path(self) -> str:
        return f"/app/courses/{self.made.course.id}"


async def build(app: App, *, more: int = 0) -> ShownClass:
    """Make a class: one stopped 12 days ago, one is well, one came back, one is stuck and fails; `more` never came."""
    now = app.now()
    app.world.clock.now = now - 40 * DAY
    made = await make_class(app.world, starts_at=now - 40 * DAY, ends_at=now + 60 * DAY)
    tutor = await app.world.find_user(made.course.owner_id)
    learners = {name: await made.learner(name) for name in (STOPPED, BUSY, BACK, STUCK)}
    for number in range(more):
        await made.learner(f"Learner {number}")
    made.pass_days(8)
    for learner in learners.values():
        await made.study(learner.id)
    made.pass_days(20)
    await made.study(learners[STOPPED].id, "time", minutes=50)
    for name in (BUSY, STUCK):
        await made.study(learners[name].id, "time", minutes=50)
        await made.study(learners[name].id, "quiz", score=100 if name == BUSY else 20)
        await made.study(learners[name].id, "hard quiz", score=100 if name == BUSY else 30)
    made.pass_days(12)
    await made.study(learners[BUSY].id, "time", minutes=230)
    await made.study(learners[STUCK].id, "time", minutes=40)
    await made.study(learners[BACK].id, "viewed")
    await made.study(learners[BACK].id, "quiz", score=90)
    await app.world.write(made.attention.add_note, made.tutor, made.course.id, learners[STUCK].id, "Called her")
    return ShownClass(made, tutor, learners)


@pytest.mark.parametrize("size", SIZES)
async def test_the_pages_look_right(app: App, open_page: OpenPage, size: str) -> None:
    shown = await build(app, more=4)
    await app.world.write(
        shown.made.attention.dismiss, shown.made.tutor, shown.made.course.id, [shown.learners[STUCK].id], days=14, note="Ill"
    )
    visitor = await open_page(shown.tutor, size)
    visitor.page.set_default_timeout(5_000)
    await visitor.open(f"{shown.path}/attention")
    assert await visitor.faults(f"attention-{size}") == []
    await visitor.page.locator("#bulk summary").first.click()
    await visitor.page.locator(".person .acts summary").first.click()
    await visitor.page.locator(".person .acts summary").last.click()
    await visitor.page.locator(".card.rule summary").nth(2).click()
    assert await visitor.faults(f"attention-open-{size}") == []
    await visitor.open(f"{shown.path}/learners")
    await expect(visitor.page.locator("#attention-count")).to_have_text("6 learners")
    assert await visitor.faults(f"learners-{size}") == []


async def test_empty_pages_say_so(app: App, open_page: OpenPage) -> None:
    made = await make_class(app.world)
    visitor = await open_page(await app.world.find_user(made.course.owner_id))
    await visitor.open(f"/app/courses/{made.course.id}/attention")
    await expect(visitor.page.get_by_text("Nobody needs attention now.")).to_be_visible()
    assert await visitor.faults("attention-empty") == []
    await visitor.open(f"/app/courses/{made.course.id}/learners")
    await expect(visitor.page.get_by_text("Nobody has enrolled yet.")).to_be_visible()
    assert await visitor.faults("learners-empty") == []


async def test_whoever_stopped_is_found_written_to_and_followed_up_within_three_clicks(app: App, open_page: OpenPage) -> None:
    shown = await build(app)
    visitor = await open_page(shown.tutor)
    page = visitor.page
    page.set_default_timeout(5_000)
    await visitor.open(f"{shown.path}/learners")
    begin = time.monotonic()

    await page.get_by_role("link", name="Needs attention").click()
    person = page.locator(".person", has_text="not seen for 12 days")
    await expect(person).to_contain_text(STOPPED)
    await person.locator("summary", has_text="Message").click()
    await expect(person.get_by_label("Message")).to_have_value(re.compile(f"^Hello {STOPPED},\n\nI have not seen you"))
    await person.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("status").first).to_have_text("Message sent to 1 learner.")
    await expect(page.locator(".person", has_text=STOPPED)).to_contain_text("messaged just now")

    # Follow up: the learner studies, and is among those who came back, without a click.
    app.now()
    await shown.made.study(shown.learners[STOPPED].id, "viewed")
    back = page.get_by_role("region", name="Came back")
    await expect(back).to_contain_text(STOPPED, timeout=5_000)
    took = time.monotonic() - begin

    print(f"three clicks, {took:.1f} seconds")  # noqa: T201 - a figure to quote
    assert took < 60
    assert visitor.errors == []


async def test_what_is_typed_and_selected_stays_while_the_list_is_refreshed(app: App, open_page: OpenPage) -> None:
    shown = await build(app)
    visitor = await open_page(shown.tutor)
    page = visitor.page
    page.set_default_timeout(5_000)
    await visitor.open(f"{shown.path}/attention")
    person = page.locator(f"#person-{shown.learners[STOPPED].id}")
    await person.locator("summary", has_text="Message").click()
    await person.get_by_label("Message").fill("Dear Ada, ")
    await page.locator(f"#person-{shown.learners[STUCK].id} input[type=checkbox]").check()
    await page.wait_for_timeout(500)

    app.now()
    await shown.made.learner("Somebody new")
    await shown.made.study(shown.learners[BUSY].id, "hard quiz", score=99)
    await app.world.write(app.world.services.enrollments.leave, shown.learners[BUSY].id, shown.made.course.id)

    await expect(page.locator(".person", has_text=BUSY)).to_have_count(0, timeout=5_000)
    assert await person.get_by_label("Message").input_value() == "Dear Ada, "
    assert await page.locator(f"#person-{shown.learners[STUCK].id} input[type=checkbox]").is_checked()
    assert visitor.errors == []


async def test_all_that_are_selected_get_a_message_of_their_own(app: App, open_page: OpenPage) -> None:
    shown = await build(app, more=3)
    visitor = await open_page(shown.tutor)
    page = visitor.page
    page.set_default_timeout(5_000)
    await visitor.open(f"{shown.path}/attention?rule=not_seen")
    await page.get_by_label("Select all on this page").check()
    await page.locator(f"#person-{shown.learners[STOPPED].id} input[type=checkbox]").uncheck()
    await page.get_by_text("Message selected").click()
    await page.get_by_role("button", name="Send to the selected").dblclick()

    await expect(page.get_by_role("status").first).to_have_text("Message sent to 3 learners.")
    assert page.url.endswith("/attention?rule=not_seen")
    await expect(page.locator(".person", has_text="messaged")).to_have_count(3)
    assert visitor.errors == []


async def test_everything_is_done_by_keyboard_alone(app: App, open_page: OpenPage) -> None:
    shown = await build(app)
    visitor = await open_page(shown.tutor)
    page = visitor.page
    page.set_default_timeout(5_000)
    await visitor.open(f"{shown.path}/attention?rule=not_seen")
    keyboard = page.keyboard

    async def tab_to(text: str) -> None:
        for _ in range(60):
            await keyboard.press("Tab")
            focused = await page.evaluate("document.activeElement.name || document.activeElement.innerText || ''")
            if " ".join(focused.split()).startswith(text):
                return
        raise AssertionError(f"no way to {text}")

    await tab_to("Change the rule")
    await keyboard.press("Enter")
    await tab_to("threshold")
    await keyboard.type("10")
    await keyboard.press("Enter")
    await expect(page.get_by_role("status").first).to_have_text("The rule is changed.")
    await expect(page.locator(".card.rule").first).to_contain_text("No activity for 10 days or longer")
    await tab_to(f"Dismiss {STOPPED}")
    await keyboard.press("Enter")
    await tab_to("days")
    await tab_to("note")
    await keyboard.type("On leave")
    await tab_to("Dismiss")
    await keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Dismissed")).to_contain_text("On leave")
    await tab_to("Undo")
    await keyboard.press("Enter")
    await expect(page.get_by_role("status").first).to_have_text("What was found is listed again.")
    assert visitor.errors == []


class Held:
    """Requests of a page for a path that are kept waiting until they are let go."""

    def __init__(self) -> None:
        self.arrived, self.released = asyncio.Event(), asyncio.Event()

    async def hold(self, route: Route) -> None:
        self.arrived.set()
        await self.released.wait()
        await route.continue_()


async def test_what_is_chosen_last_is_shown(app: App, open_page: OpenPage) -> None:
    """A slow answer to an earlier choice, or to a refresh of the list before it was chosen, does not replace it."""
    shown = await build(app, more=3)
    visitor = await open_page(shown.tutor)
    page = visitor.page
    await visitor.open(f"{shown.path}/learners")
    rows, name = page.locator("table.learners tbody tr"), page.get_by_label("Name", exact=True)

    refresh = Held()
    await page.route("**/learners", refresh.hold)
    await page.evaluate("document.dispatchEvent(new Event('headway:changed'))")
    await refresh.arrived.wait()
    await name.fill("grace")
    await expect(rows).to_have_count(1)
    async with page.expect_response(re.compile("/learners$")):
        refresh.released.set()
    await page.wait_for_timeout(500)
    assert await rows.count() == 1

    first = Held()
    await page.route(re.compile("q=a(&|$)"), first.hold)
    await name.fill("a")
    await first.arrived.wait()
    for text in ("ab", "zebra"):
        await name.fill(text)
        await page.wait_for_timeout(400)
    first.released.set()
    await expect(page.get_by_text("0 learners")).to_be_visible()
    assert "q=zebra" in page.url
    assert visitor.errors == []


async def test_filters_act_as_they_are_chosen(app: App, open_page: OpenPage) -> None:
    shown = await build(app, more=3)
    visitor = await open_page(shown.tutor)
    page = visitor.page
    page.set_default_timeout(5_000)
    await visitor.open(f"{shown.path}/learners")
    rows = page.locator("table.learners tbody tr")
    await expect(rows).to_have_count(7)
    await page.get_by_label("Name", exact=True).press_sequentially("grace")
    await expect(rows).to_have_count(1)
    await expect(page.get_by_role("link", name="Download as CSV")).to_have_attribute("href", re.compile(r"\?q=grace$"))
    assert "q=grace" in page.url
    await page.get_by_label("Name", exact=True).fill("")
    await page.locator("select[name=attention]").select_option("Not seen")
    await expect(rows).to_have_count(4)
    await page.get_by_role("link", name="Last seen").click()
    await expect(rows.first).to_contain_text(STOPPED)
    await expect(page.get_by_role("columnheader", name="Last seen")).to_have_attribute("aria-sort", "ascending")
    await page.get_by_text("Save this filter").click()
    await page.get_by_label("Name of the filter").fill("To help")
    await page.get_by_role("button", name="Save", exact=True).click()
    await visitor.open(f"{shown.path}/learners")
    await page.get_by_role("link", name="To help").click()
    await expect(rows).to_have_count(4)
    assert await visitor.faults("learners-saved") == []


async def test_without_scripts_the_main_actions_work(app: App, open_page: OpenPage) -> None:
    shown = await build(app)
    visitor = await open_page(shown.tutor, java_script_enabled=False)
    page = visitor.page
    page.set_default_timeout(5_000)
    await visitor.open(f"{shown.path}/attention")
    await page.locator(f"#person-{shown.learners[STOPPED].id} input[type=checkbox]").check()
    await page.get_by_text("Dismiss selected").click()
    await page.get_by_label("Note (for the staff)").first.fill("On leave")
    await page.get_by_role("button", name="Dismiss", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("1 learner is dismissed.")
    await page.get_by_text("Message selected").click()
    await page.get_by_role("button", name="Send to all 2 listed").click()
    await expect(page.get_by_role("status").first).to_have_text("Message sent to 2 learners.")
    await visitor.open(f"{shown.path}/learners")
    await page.get_by_label("Name", exact=True).fill("ada")
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("table.learners tbody tr")).to_have_count(1)
    assert visitor.errors == []
