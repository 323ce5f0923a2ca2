"""The page of one's own data, and the readable page of the copy, opened from a disk in a real Chromium."""

import zipfile
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser

from headway.assessments.model import NewGrade
from headway.courses.model import NewAssessment
from headway.identity import Caller, Role
from headway.learning.model import ActivityType, Event, Report
from tests.browser.app.conftest import SIZES, App, AppPage, OpenPage
from tests.integration.course_edits import unchanged_course

HOSTILE = "Ada \u202e<b>Lovelace</b> <script>document.title='hacked'</script>"


async def make_learner(app: App) -> int:
    """Make a learner who studied, handed in, wrote and was written to, under a hostile name."""
    world, services = app.world, app.world.services
    now = app.now()
    course = await world.course()
    staff = Caller((await world.user(Role.ADMIN)).id, Role.ADMIN)
    tasks = (NewAssessment("Essay about engines", max_grade=20),)
    course = await world.write(
        services.course_editing.change, staff, course.id, lambda tree: unchanged_course(tree, assessments=tasks)
    )
    learner, peer = await world.learner(course), await world.learner(course)
    await world.write(services.accounts.change, learner.id, name=HOSTILE, email=f"ada{learner.id}@school.test")
    for number, unit in enumerate(course.units[:5]):
        event = Event(f"e{number}", ActivityType.UNIT_COMPLETE, course.id, unit_id=unit.id, duration_seconds=600)
        await world.write(services.tracking.record, [Report(learner.id, now - number * 1_000_000, (event,))], now)
    work, _ = await world.write(
        services.assessments.submit, Caller(learner.id, Role.PARTICIPANT), course.assessments[0].id, "https://github.com/a/b"
    )
    await world.write(services.assessments.grade, staff, work.id, NewGrade(17.5, feedback=f"Well argued. {HOSTILE}"))
    for number in range(4):
        sender, receiver = (learner, peer) if number % 2 else (peer, learner)
        text = f"Message {number}: {'a long sentence about the analytical engine, ' * 6}\nand another line" + "w" * 120
        await world.write(services.messaging.send, sender.id, receiver.id, text)
    reader = app.world.bearer(await world.user(Role.ADMIN, email=f"reader{learner.id}@school.test"))
    async with httpx.AsyncClient(base_url=app.server.url, headers=reader) as client:
        for path in (f"/user-progress/{course.id}/{learner.id}", f"/api/v1/courses/{course.id}/export"):
            assert (await client.get(path)).status_code == 200
    return learner.id


@pytest.mark.parametrize("size", SIZES)
async def test_my_data_is_downloaded_and_read(
    browser: Browser, app: App, open_page: OpenPage, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, size: str
) -> None:
    learner = await app.world.find_user(await make_learner(app))
    opened = await open_page(learner, size)
    await opened.open("/app/account")
    await opened.page.get_by_role("link", name="My data").click()
    assert await opened.faults(f"my-data-{size}") == []
    async with opened.page.expect_download() as waiting:
        await opened.page.get_by_role("button", name="Download my data").click()
    download = await waiting.value
    await download.save_as(tmp_path / "data.zip")
    with zipfile.ZipFile(tmp_path / "data.zip") as archive:
        archive.extractall(tmp_path / "data")

    width, height = SIZES[size]
    context = await browser.new_context(viewport={"width": width, "height": height})
    copy = AppPage(await context.new_page(), (tmp_path / "data").as_uri(), tmp_path_factory.getbasetemp() / "shots")
    await copy.open("/index.html")

    assert await copy.faults(f"my-data-copy-{size}") == []
    assert (await copy.page.title()).startswith("Data about Ada")
    assert "<b>Lovelace</b>" in await copy.page.locator("h1").inner_text()
    links = await copy.page.eval_on_selector_all("a[href$='.json']", "links => links.map(link => link.getAttribute('href'))")
    assert links
    assert [each for each in links if not (tmp_path / "data" / each).exists()] == []
    await context.close()
