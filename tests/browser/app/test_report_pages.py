"""The overview of a course, its units and its grid, in a real Chromium."""

import pytest
import pytest_asyncio

from headway.accounts.model import User
from headway.courses.model import NewCourse, NewModule, NewUnit
from headway.db.database import WriteTransaction
from headway.identity import Caller, Role
from headway.learning.model import ActivityType, Event, Report
from tests.browser.app.conftest import SIZES, App, OpenPage
from tests.integration.report_history import History
from tests.world import World

DASH = "\N{EN DASH}"
LEARNERS = 1_000


class Run:
    """A course with a history, and who teaches it."""

    def __init__(self, history: History, tutor: User) -> None:
        self.history, self.tutor = history, tutor
        self.base = f"/app/courses/{history.course.id}"
        self.film = f"{self.base}/units/{history.course.units[1].id}"
        self.quiz = f"{self.base}/units/{history.course.units[2].id}"


@pytest_asyncio.fixture(loop_scope="session")
async def run(app: App) -> Run:
    app.now()
    history = await History(app.world, 7).build(learners=14)
    await history.record(260)
    return Run(history, await app.world.find_user(history.staff.user_id))


@pytest_asyncio.fixture(loop_scope="session")
async def large(app: App) -> Run:
    """A course with a thousand learners, who have begun every other one of a hundred units."""
    app.now()
    history = History(app.world, 7)
    owner = await app.world.user(Role.INSTRUCTOR)
    modules = tuple(NewModule(f"Module {m}", units=tuple(NewUnit(f"Unit {m}.{u}") for u in range(10))) for m in range(10))
    history.staff = Caller(owner.id, Role.INSTRUCTOR)
    new = NewCourse("Large", modules=modules)
    history.course = await app.world.write(app.world.services.course_editing.create, new, owner_id=owner.id)
    await app.world.write(_enroll_many, app.world, history)
    return Run(history, await app.world.find_user(owner.id))


async def _enroll_many(tx: WriteTransaction, world: World, history: History) -> None:
    course, now, reports = history.course, world.clock(), []
    for number in range(LEARNERS):
        user = await world.services.accounts.create(tx, role=Role.PARTICIPANT, name=f"Learner {number:04}")
        await world.services.enrollments.enroll(tx, user.id, course.id)
        done = tuple(
            Event(f"{number} {unit.id}", ActivityType.UNIT_COMPLETE, course.id, unit_id=unit.id)
            for unit in course.units[number % 2 :: 2]
        )
        reports.append(Report(user.id, now, done))
    await world.services.tracking.record(tx, reports, now)


@pytest.mark.parametrize("size", SIZES)
async def test_the_reports_look_right(run: Run, open_page: OpenPage, size: str) -> None:
    window = await open_page(run.tutor, size)
    for path, name in (
        (run.base, "overview"),
        (f"{run.base}/units", "units"),
        (run.film, "unit-video"),
        (run.quiz, "unit-quiz"),
        (f"{run.base}/funnel/1", "step"),
        (f"{run.base}/grid", "grid"),
        (f"{run.base}/grid?colours=quarters&status=everybody", "grid-quarters"),
    ):
        await window.open(path)
        assert await window.faults(f"reports-{name}-{size}") == []


async def test_the_grid_is_one_stop_of_the_tab_key_and_arrow_keys_go_through_it(run: Run, open_page: OpenPage) -> None:
    window = await open_page(run.tutor)
    page, units = window.page, run.history.course.units
    await window.open(f"{run.base}/grid")

    async def focused() -> tuple[str, str]:
        row, column = await page.evaluate(
            "[document.activeElement.closest('tr').id, String([...document.activeElement.closest('tr').cells]"
            ".indexOf(document.activeElement.parentElement))]"
        )
        return row, column

    await page.get_by_role("region", name="Learners and units").focus()
    await page.keyboard.press("Tab")
    ids = [str(await row.get_attribute("id")) for row in await page.locator("tbody tr").all()]
    assert await focused() == (ids[0], "0")
    for key, wanted in (
        ("ArrowRight", (ids[0], "2")),
        ("ArrowDown", (ids[1], "2")),
        ("End", (ids[1], "8")),
        ("ArrowRight", (ids[1], "8")),
        ("Home", (ids[1], "0")),
        ("Control+End", (ids[-1], "8")),
        ("ArrowDown", (ids[-1], "8")),
        ("PageUp", (ids[max(len(ids) - 11, 0)], "8")),
        ("Control+Home", (ids[0], "0")),
        ("ArrowUp", (ids[0], "0")),
        ("PageDown", (ids[min(10, len(ids) - 1)], "0")),
    ):
        await page.keyboard.press(key)
        assert await focused() == wanted, key
    assert await page.locator('tbody a[tabindex="0"], thead [data-unit] a[tabindex="0"]').count() == 1
    await page.keyboard.press("Tab")
    assert not await page.evaluate("document.activeElement.closest('table')")
    await page.keyboard.press("Shift+Tab")
    assert (await focused())[1] == "0"
    await page.keyboard.press("Control+Home")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/learners/{ids[0][1:]}#unit-{units[0].id}")
    assert window.errors == []


async def test_a_thousand_learners_of_a_hundred_units_are_never_all_in_the_page(
    app: App, large: Run, open_page: OpenPage
) -> None:
    window = await open_page(large.tutor)
    page = window.page
    await window.open(f"{large.base}/grid?rows=1000")
    assert await page.locator("tbody tr").count() == 1_000
    await page.locator("tbody tr").first.locator("td:nth-child(102)").wait_for()

    for _ in range(20):
        await page.locator(".grid-wrap").evaluate("each => { each.scrollTop += 1500; each.scrollLeft += 150; }")
        await page.evaluate("new Promise(requestAnimationFrame)")
    await page.locator("tbody tr").last.locator("a").first.focus()
    for key in ("End", "PageUp", "ArrowUp", "Control+Home", "Control+End"):
        await page.keyboard.press(key)
    assert await page.locator(".grid-table td").count() < 20_000
    assert await page.evaluate("document.activeElement.closest('tr') === document.querySelector('tbody').lastElementChild")
    assert await window.violations() == []
    assert window.errors == []


async def test_numbers_follow_an_event_within_a_second(app: App, run: Run, open_page: OpenPage) -> None:
    window = await open_page(run.tutor)
    page = window.page
    learner = await app.world.learner(run.history.course)
    await window.open(f"{run.base}/grid?status=everybody")
    cell = page.locator(f"#g{learner.id} td").nth(1)
    assert await cell.inner_text() == DASH
    await page.wait_for_timeout(1_000)
    app.now()
    unit = run.history.course.units[0]
    event = {"activity_type": "unit_view", "course_id": run.history.course.id, "unit_id": unit.id}

    begin = app.now()
    answer = await window.page.request.post(
        f"{window.url}/api/courses/activity/track",
        data=event,
        headers=app.world.bearer(await app.world.find_user(learner.id)),
    )
    assert answer.status == 201, await answer.text()
    await page.wait_for_function(
        "([id]) => document.querySelector(`#g${id} td:nth-of-type(2)`).textContent === '100'", arg=[learner.id]
    )
    assert app.now() - begin < 2_500
    assert window.errors == []


@pytest.mark.parametrize("size", SIZES)
async def test_the_choice_of_exports_looks_right_and_sends_a_file(run: Run, open_page: OpenPage, size: str) -> None:
    window = await open_page(run.tutor, size)
    for path, name in ((run.base, "overview"), (f"{run.base}/learners", "learners")):
        await window.open(path)
        await window.page.click("details.export summary")
        assert await window.faults(f"export-{name}-{size}") == []
    async with window.page.expect_download() as started:
        await window.page.click("details.export a[href$='units.csv']")
    download = await started.value
    assert download.suggested_filename == f"course-{run.history.course.id}-units.csv"
    assert (await download.path()).read_text("utf-8-sig").startswith("learnerId,externalId,name,moduleId")
