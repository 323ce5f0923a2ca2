"""The pages in German in a real Chromium: chosen at the foot of a page, with longer words in the same room."""

import re

import pytest
import pytest_asyncio

from headway.accounts.model import User
from headway.identity import Role
from tests.browser.app.conftest import App, OpenPage
from tests.integration.report_history import History


@pytest_asyncio.fixture(loop_scope="session")
async def history(app: App) -> History:
    app.now()
    built = await History(app.world, 11).build(learners=14)
    await built.record(260)
    return built


@pytest_asyncio.fixture(loop_scope="session")
async def learner(app: App, history: History) -> User:
    learner = await app.world.user()
    await app.world.write(app.world.services.enrollments.enroll, learner.id, history.course.id)
    return learner


async def pages_of(role: str, app: App, history: History, learner: User) -> tuple[User, list[str]]:
    """Return somebody with the main pages of their role."""
    course, world = history.course, app.world
    base, learning = f"/app/courses/{course.id}", f"/app/learning/{course.id}"
    if role == "admin":
        pages = ["health", "users", f"users/{learner.id}", "courses", "webhooks", "keys", "roster", "log", "settings"]
        return await world.user(Role.ADMIN), [f"/app/admin/{each}" for each in pages]
    if role == "tutor":
        pages = ["", "/units", f"/units/{course.units[1].id}", "/grid", "/learners", f"/learners/{learner.id}", "/attention"]
        pages += ["/assessments", "/live", "/settings"]
        return await world.find_user(history.staff.user_id), ["/app/courses", *(f"{base}{each}" for each in pages)]
    own = [learning, f"{learning}/units/{course.units[0].id}"]
    return learner, ["/app/learning", *own, "/app/catalogue", "/app/messages", "/app/certificates", "/app/account"]


@pytest.mark.parametrize("size", ["phone", "desktop"])
@pytest.mark.parametrize("role", ["learner", "tutor", "admin"])
async def test_german_fits_every_page(
    app: App, history: History, learner: User, open_page: OpenPage, role: str, size: str
) -> None:
    user, paths = await pages_of(role, app, history, learner)
    window = await open_page(user, size)
    await window.open(paths[0])
    await window.page.get_by_role("button", name="Deutsch").click()
    await window.page.wait_for_load_state("load")

    for path in paths:
        await window.open(path)
        await window.shoot(f"german-{role}-{size}-{path.removeprefix('/app/').replace('/', '-')}")
        # What axe-core finds is the same in every language.
        assert await window.layout_faults() == []
        assert await window.page.locator("html").get_attribute("lang") == "de"
        assert await window.page.get_by_role("button", name="Abmelden", exact=True).is_visible()


async def test_german_is_chosen_at_the_foot_and_writes_dates_and_numbers(
    app: App, history: History, learner: User, open_page: OpenPage
) -> None:
    window = await open_page(await app.world.find_user(history.staff.user_id))
    path = f"/app/courses/{history.course.id}/learners/{learner.id}"
    await window.open(path)
    assert "Study time" in await window.page.locator("main").inner_text()

    await window.page.get_by_role("button", name="Deutsch").click()
    await window.page.wait_for_url(f"**{path}")
    shown = await window.page.locator("main").inner_text()

    assert "Lernzeit" in shown
    assert "Study time" not in shown
    assert re.search(r"\b\d{2}\.\d{2}\.20\d{2}\b", shown)
    assert re.search(r"\b\d+\u00a0%", shown)
    await window.page.get_by_role("button", name="English").click()
    await window.page.wait_for_url(f"**{path}")
    assert "Study time" in await window.page.locator("main").inner_text()
    assert window.errors == []
