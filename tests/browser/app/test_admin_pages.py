"""The pages of administrators in a real Chromium: how they look, by keyboard alone, and kept up to date."""

import pytest
from playwright.async_api import expect

from headway.accounts.model import User
from headway.identity import Role
from headway.webhooks.model import NewWebhook
from tests.browser.app.conftest import SIZES, App, OpenPage

PAGES = ("health", "doctor", "users", "courses", "log", "settings")


async def make_admin(app: App) -> User:
    return await app.world.user(Role.ADMIN)


@pytest.mark.parametrize("size", SIZES)
async def test_the_pages_look_right(app: App, open_page: OpenPage, size: str) -> None:
    admin, course = await make_admin(app), await app.world.course(capacity=3, starts_at=app.now())
    learner = await app.world.learner(course)
    await app.world.disable(await app.world.user(email=f"{size}@example.org"))
    visitor = await open_page(admin, size)
    for name in PAGES:
        await visitor.open(f"/app/admin/{name}")
        assert await visitor.faults(f"admin-{name}-{size}") == []
    await visitor.open(f"/app/admin/users/{learner.id}")
    assert await visitor.faults(f"admin-user-{size}") == []
    webhooks = app.world.services.webhooks
    webhook = await app.world.write(webhooks.create, None, NewWebhook("https://hooks.example.org/in", description="Warehouse"))
    await app.world.write(webhooks.test, None, webhook.id)
    for name, path in {"webhooks": "", "webhook": f"/{webhook.id}"}.items():
        await visitor.open(f"/app/admin/webhooks{path}")
        assert await visitor.faults(f"admin-{name}-{size}") == []
    await visitor.open("/app/admin/users?q=nobody-of-this-name")
    assert await visitor.faults(f"admin-users-none-{size}") == []


@pytest.mark.parametrize("size", SIZES)
async def test_a_refused_user_looks_right(app: App, open_page: OpenPage, size: str) -> None:
    visitor = await open_page(await make_admin(app), size)
    page = visitor.page
    await visitor.open("/app/admin/users")
    await page.get_by_text("New user").click()
    form = page.locator(".admin-form")
    await form.locator("[name=name]").fill("Ada")
    await form.locator("[name=password]").fill("weak")
    await form.get_by_role("button").click()

    await expect(form.locator("[name=name]")).to_have_value("Ada")
    await expect(page.locator(".error")).to_contain_text("must have 8 to 128 characters")
    assert await visitor.faults(f"admin-users-refused-{size}") == []


@pytest.mark.parametrize("size", SIZES)
async def test_the_pages_of_keys_look_right(app: App, open_page: OpenPage, size: str) -> None:
    visitor = await open_page(await make_admin(app), size)
    page = visitor.page
    await visitor.open("/app/admin/keys")
    form = page.locator(".admin-form")
    # It is open while there are no keys.
    if not await form.is_visible():
        await page.locator("summary", has_text="New key").click()
    await form.locator("[name=name]").fill(f"Dashboard of the {size}")
    await form.locator("[value='progress:read']").check()
    assert await visitor.faults(f"admin-keys-form-{size}") == []
    await form.get_by_role("button").click()
    await expect(page.locator(".admin-key")).to_contain_text("hk_")
    assert await visitor.faults(f"admin-new-key-{size}") == []
    await page.get_by_role("link", name="All keys").click()
    await page.locator(".admin-revoke summary").first.click()

    await expect(page.get_by_role("button", name="Revoke the key").first).to_be_visible()
    assert await visitor.faults(f"admin-keys-{size}") == []


async def test_a_user_is_found_and_disabled_by_keyboard_alone(app: App, open_page: OpenPage) -> None:
    admin, ada = await make_admin(app), await app.world.user(email="ada.keyboard@example.org")
    visitor = await open_page(admin)
    page = visitor.page
    await visitor.open("/app/admin/users")
    await page.get_by_label("Find").focus()
    await page.keyboard.type("ada.keyboard@example.org")
    await expect(page.locator("#users tbody tr")).to_have_count(1)
    assert "q=ada.keyboard" in page.url
    found = page.get_by_role("link", name=ada.name, exact=True)
    # The field that is left has changed, so the list is read once more.
    async with page.expect_response("**/app/admin/users?*"):
        await found.focus()
    await page.wait_for_timeout(300)
    assert await found.evaluate("each => each === document.activeElement")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/users/{ada.id}")
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Disable the account").focus()
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("status")).to_contain_text("The account is disabled.")
    assert (await app.world.find_user(ada.id)).is_disabled
    assert visitor.errors == []


async def test_whoever_does_not_confirm_changes_nothing(app: App, open_page: OpenPage) -> None:
    admin, ada = await make_admin(app), await app.world.user()
    visitor = await open_page(admin)
    await visitor.open(f"/app/admin/users/{ada.id}")
    visitor.page.on("dialog", lambda dialog: dialog.dismiss())
    await visitor.page.get_by_role("button", name="Disable the account").click()

    assert not (await app.world.find_user(ada.id)).is_disabled


async def test_without_scripts_users_are_found_created_and_changed(app: App, open_page: OpenPage) -> None:
    visitor = await open_page(await make_admin(app), java_script_enabled=False)
    page = visitor.page
    await visitor.open("/app/admin/users")
    await page.get_by_text("New user").click()
    form = page.locator(".admin-form")
    await form.locator("[name=name]").fill("Grace without scripts")
    await form.get_by_role("button").click()
    await expect(page.get_by_role("status")).to_contain_text("The account is created.")
    await page.get_by_label("Name").fill("Grace Hopper")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_contain_text("The account is changed.")
    await visitor.open("/app/admin/users")
    await page.get_by_label("Find").fill("grace hop")
    await page.get_by_role("button", name="Filter").click()

    await expect(page.locator("#users tbody tr")).to_have_count(1)


async def test_health_keeps_up_to_date_and_rests_while_nobody_looks(app: App, open_page: OpenPage) -> None:
    visitor = await open_page(await make_admin(app))
    page = visitor.page
    await page.clock.install()
    await visitor.open("/app/admin/health")
    await page.evaluate("document.querySelector('.admin-plots details').open = true")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/app/admin/health") else None)
    await page.clock.run_for(5_100)
    await expect(page.locator("#health")).to_be_visible()
    await page.wait_for_timeout(500)
    assert len(asked) == 1
    assert await page.evaluate("document.querySelector('.admin-plots details').open"), "what was opened stays open"

    await page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    await page.clock.run_for(20_000)

    assert len(asked) == 1
    assert visitor.errors == []


async def test_the_chain_is_verified_and_the_page_tells_when(app: App, open_page: OpenPage) -> None:
    visitor = await open_page(await make_admin(app))
    page = visitor.page
    await visitor.open("/app/admin/log")
    await page.get_by_role("button", name="Verify now").click()

    await expect(page.locator("#chain")).to_contain_text("Chain verified at", timeout=15_000)
    assert visitor.errors == []


async def test_nothing_jumps(app: App, open_page: OpenPage) -> None:
    visitor = await open_page(await make_admin(app))
    await visitor.page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => { for (const each of list.getEntries())"
        " if (!each.hadRecentInput) window.shift += each.value; }).observe({type: 'layout-shift', buffered: true});"
    )
    for name in PAGES:
        await visitor.open(f"/app/admin/{name}")
        await visitor.page.wait_for_timeout(300)

        assert await visitor.page.evaluate("window.shift") <= 0.02, name


async def test_where_one_is_can_be_seen_on_a_phone(app: App, open_page: OpenPage) -> None:
    visitor = await open_page(await make_admin(app), "phone")
    for name in ("health", "log"):
        await visitor.open(f"/app/admin/{name}")

        await expect(visitor.page.locator(".site-nav [aria-current=page]")).to_be_in_viewport(ratio=0.99)
