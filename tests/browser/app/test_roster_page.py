"""The page of rosters in a real Chromium: how it looks, with a file chosen, its changes and after they are applied."""

import pytest
from playwright.async_api import expect

from headway.identity import Role
from tests.browser.app.conftest import SIZES, App, OpenPage
from tests.roster_inputs import OneRosterFiles


@pytest.mark.parametrize("size", SIZES)
async def test_a_roster_is_uploaded_looked_at_and_applied(app: App, open_page: OpenPage, size: str) -> None:
    files = OneRosterFiles(3)
    for row in files.tables["users"]:
        row["sourcedId"] += size
        row["email"] = f"{size}-{row['email']}"
    for row in files.tables["enrollments"]:
        row["userSourcedId"] += size
        row["classSourcedId"] += size
    files.row("classes", "class-1")["sourcedId"] += size
    files.enroll("nobody", f"class-1{size}")
    visitor = await open_page(await app.world.user(Role.ADMIN), size)
    page = visitor.page

    await visitor.open("/app/admin/roster")
    assert await visitor.faults(f"roster-form-{size}") == []
    file = page.locator("input[type=file]")
    await file.set_input_files({"name": "autumn.zip", "mimeType": "application/zip", "buffer": files.zip()})
    await page.get_by_role("button", name="Show what would change").click()
    await expect(page.get_by_role("heading", name="What autumn.zip would change")).to_be_visible()
    assert await visitor.faults(f"roster-changes-{size}") == []
    await page.get_by_role("button", name="Apply").click()
    await expect(page.get_by_role("heading", name="What autumn.zip has changed")).to_be_visible()
    assert await visitor.faults(f"roster-applied-{size}") == []
