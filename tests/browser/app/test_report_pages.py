"""The overview of a course, its units and its grid, in a real Chromium."""

import pytest
import pytest_asyncio

from headway.accounts.model import User
from tests.browser.app.conftest import LOOKS, App, OpenPage
from tests.integration.report_history import History


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


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
async def test_the_reports_look_right(run: Run, open_page: OpenPage, size: str, scheme: str) -> None:
    window = await open_page(run.tutor, size, scheme)
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
        await window.check(f"reports-{name}-{size}-{scheme}")
