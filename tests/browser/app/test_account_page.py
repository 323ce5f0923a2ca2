"""Signing in, the account and the list of courses, in a real Chromium."""

import pytest

from headway.identity import Role
from tests.browser.app.conftest import SIZES, App, OpenPage

PASSWORD = "Correct-Horse-1"


@pytest.mark.parametrize("size", SIZES)
async def test_the_first_pages_look_right(app: App, open_page: OpenPage, size: str) -> None:
    course = await app.world.course()
    tutor = await app.world.user(Role.INSTRUCTOR)
    await app.world.write(app.world.services.course_editing.create, course.course, owner_id=tutor.id)
    visitor = await open_page(None, size)
    await visitor.open("/app/sign-in")
    assert await visitor.faults(f"sign-in-{size}") == []
    signed_in = await open_page(tutor, size)
    for path, name in (("/app/courses", "courses"), ("/app/account", "account"), ("/app/nothing", "error")):
        await signed_in.open(path)
        assert await signed_in.faults(f"{name}-{size}") == []


async def test_signing_in_and_out_by_keyboard_alone(app: App, open_page: OpenPage) -> None:
    tutor = await app.world.user(Role.INSTRUCTOR, email="keyboard@example.org")
    await app.world.set_password(tutor.id, PASSWORD)
    visitor = await open_page(None)
    page = visitor.page
    await visitor.open("/app")
    await page.keyboard.type("keyboard@example.org")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/app/courses")

    await page.get_by_role("button", name="Sign out").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/app/sign-in")

    assert await page.get_by_role("status").inner_text() == "You are signed out."
    assert visitor.errors == []


async def test_without_scripts_everything_of_an_account_works(app: App, open_page: OpenPage) -> None:
    learner = await app.world.user()
    visitor = await open_page(learner, java_script_enabled=False)
    await visitor.open("/app/account")
    await visitor.page.get_by_label("Name").fill("Ada")
    await visitor.page.get_by_role("button", name="Save the name").click()

    assert await visitor.page.get_by_role("status").inner_text() == "Your name is changed."
    assert (await app.world.find_user(learner.id)).name == "Ada"
