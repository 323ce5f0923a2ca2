"""Assessments, Live and Course, in a real Chromium."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import expect

from headway.accounts.model import User
from headway.assessments.model import NewGrade
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewAssessment, NewCourse, NewModule, NewUnit
from headway.identity import Caller, Role
from tests.browser.app.conftest import SIZES, App, OpenPage
from tests.processes import open_client

NAMES = (
    "Ada Lovelace",
    "Grace Hopper",
    "Katherine Johnson",
    "Mary <b>Somerville</b>",
    "Emmy Noether",
    "Sofja Kowalewskaja",
    "Hedy",
)


FOCUSED = """() => {
    const all = [...document.querySelectorAll("main :is(a, button, input, textarea, select)")];
    const number = all.indexOf(document.activeElement);
    if (number < 0 || getComputedStyle(document.activeElement).outlineStyle === "none") return null;
    return String(number);
}"""


class Seminar:
    """A course with learners, and what they do."""

    def __init__(self, app: App, tutor: User, course: CourseTree) -> None:
        self.app, self.tutor, self.course = app, tutor, course
        self.path = f"/app/courses/{course.id}"
        self.learners: list[User] = []
        self._sent = 0

    async def join(self, *names: str) -> None:
        services = self.app.world.services
        for name in names:
            learner = await self.app.world.write(services.accounts.create, role=Role.PARTICIPANT, name=name)
            await self.app.world.write(services.enrollments.enroll, learner.id, self.course.id)
            self.learners.append(learner)

    async def submit(self, number: int) -> str:
        self.app.now()
        caller, task = Caller(self.learners[number].id, Role.PARTICIPANT), self.course.assessments[0].id
        url = f"https://docs.google.com/document/d/essay-{number}"
        return (await self.app.world.write(self.app.world.services.assessments.submit, caller, task, url))[0].id

    async def grade(self, submission_id: str, grade: float) -> None:
        caller = Caller(self.tutor.id, Role.INSTRUCTOR)
        new = NewGrade(grade, "A good start. Say in the second part why the engine is general.")
        await self.app.world.write(self.app.world.services.assessments.grade, caller, submission_id, new)

    async def study(self, number: int, unit: int, *, seconds: float = 60) -> None:
        """Have the server record what a learner does, as clients send it."""
        self._sent += 1
        body = {
            "event_id": f"{self.course.id} {self._sent}",
            "activity_type": "unit_view",
            "course_id": self.course.id,
            "unit_id": self.course.units[unit].id,
            "duration_seconds": seconds,
        }
        headers = self.app.world.bearer(self.learners[number])
        async with open_client(self.app.server.url, headers=headers) as client:
            assert (await client.post("/api/courses/activity/track", json=body)).is_success


@pytest.fixture
async def seminar(app: App) -> Seminar:
    now = app.now()
    tutor = await app.world.user(Role.INSTRUCTOR)
    units = (
        NewUnit("What an engine is", kind="text", completion=Completion(Rule.TIME, 600)),
        NewUnit("The notes", kind="text", completion=Completion(Rule.SCROLL, 80)),
        NewUnit("A film", kind="video", completion=Completion(Rule.VIDEO, 95), is_required=False),
        NewUnit("Questions", kind="quiz", completion=Completion(Rule.QUIZ, 60)),
    )
    course = NewCourse(
        "Analytical engines",
        description="How they work, and what they are for.",
        modules=(NewModule("First steps", units=units[:2]), NewModule("Further on", units=units[2:])),
        assessments=(NewAssessment("Essay on the engine", due_at=now + 500, max_grade=20), NewAssessment("A plan of work")),
        starts_at=now - 20 * 86_400_000,
        capacity=8,
    )
    tree = await app.world.write(app.world.services.course_editing.create, course, owner_id=tutor.id)
    made = Seminar(app, tutor, tree)
    await made.join(*NAMES)
    return made


async def hand_in(seminar: Seminar) -> None:
    """Have three grades, two late works to grade, and two learners who are missing."""
    for number, grade in ((0, 18.5), (1, 12), (2, 15)):
        await seminar.grade(await seminar.submit(number), grade)
    await asyncio.sleep(0.6)
    for number in (3, 4):
        await seminar.submit(number)


@pytest.mark.parametrize("size", SIZES)
async def test_the_pages_look_right(seminar: Seminar, open_page: OpenPage, size: str) -> None:
    await hand_in(seminar)
    for number, unit in ((0, 0), (1, 1), (4, 3)):
        await seminar.study(number, unit, seconds=200)
    shown = await open_page(seminar.tutor, size)
    task = f"{seminar.path}/assessments/{seminar.course.assessments[0].id}"
    for path, name in (
        (f"{seminar.path}/assessments", "assessments"),
        (task, "assessment"),
        (f"{task}?q=zzz", "assessment-empty"),
        (f"{seminar.path}/live", "live"),
        (f"{seminar.path}/settings", "settings"),
        ("/app/courses/new", "new-course"),
    ):
        await shown.open(path)
        if name == "assessment":
            await shown.page.get_by_text("How grades are distributed").click()
        if name == "live":
            await expect(shown.page.get_by_text("Up to date")).to_be_visible()
        assert await shown.faults(f"{name}-{size}") == []


async def test_work_is_graded_by_keyboard_alone_one_after_the_other(seminar: Seminar, open_page: OpenPage) -> None:
    await hand_in(seminar)
    await seminar.submit(5)
    shown = await open_page(seminar.tutor)
    page = shown.page
    await shown.open(f"{seminar.path}/assessments")
    await page.get_by_role("link", name="Essay on the engine").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**show=to-grade")
    first = page.locator("input[name=grade]").first
    await first.focus()

    for number, grade in ((3, "11"), (4, "20"), (5, "9.5")):
        focused = page.locator("input[name=grade]:focus")
        await expect(focused).to_have_attribute("aria-describedby", f"name-{seminar.learners[number].id}")
        await page.keyboard.type(grade)
        await page.keyboard.press("Tab")
        await page.keyboard.type("Thank you")
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator(f"#learner-{seminar.learners[number].id}")).to_have_count(0)

    await expect(page.get_by_text("Everything is graded.")).to_be_visible()
    assert shown.errors == []
    await shown.open(f"{seminar.path}/assessments/{seminar.course.assessments[0].id}?show=graded")
    grades = await page.locator("input[name=grade]").evaluate_all("all => all.map(each => each.value)")
    assert grades == ["18.5", "12", "15", "11", "20", "9.5"]


async def test_a_refused_grade_and_a_colleagues_grade_keep_what_was_typed(seminar: Seminar, open_page: OpenPage) -> None:
    await seminar.submit(0)
    work = await seminar.submit(1)
    shown = await open_page(seminar.tutor, "phone")
    page = shown.page
    await shown.open(f"{seminar.path}/assessments/{seminar.course.assessments[0].id}?show=to-grade")
    form = page.locator(f"#learner-{seminar.learners[1].id} form")
    await form.get_by_label("Feedback").fill("Mine <b>bold</b>")
    await form.get_by_label("Grade").fill("7")
    await seminar.grade(work, 3)
    await form.get_by_role("button", name="Save").click()

    await expect(page.get_by_role("alert")).to_have_text("Somebody else has graded this work meanwhile.")
    await expect(form.get_by_label("Grade")).to_have_value("7")
    await expect(form.get_by_label("Feedback")).to_have_value("Mine <b>bold</b>")
    assert await shown.faults("assessment-conflict-phone") == []
    await form.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status").first).to_have_text("The grade is saved.")
    assert shown.errors == []


async def test_figures_of_an_assessment_move_and_typed_text_stays(seminar: Seminar, open_page: OpenPage) -> None:
    await seminar.submit(0)
    shown = await open_page(seminar.tutor)
    page = shown.page
    await shown.open(f"{seminar.path}/assessments/{seminar.course.assessments[0].id}")
    await expect(page.locator("html[data-connection=on]")).to_have_count(1)
    typed = page.get_by_label("Feedback").first
    await typed.fill("Half a sentence")

    async with asyncio.timeout(30):
        await seminar.submit(1)
    await expect(page.locator("#figures .figure").first).to_have_text("2", timeout=3_000)

    await expect(typed).to_have_value("Half a sentence")
    assert shown.errors == []


async def test_learners_appear_and_move_while_the_page_is_open(seminar: Seminar, open_page: OpenPage) -> None:
    shown = await open_page(seminar.tutor)
    page = shown.page
    await shown.open(f"{seminar.path}/live")
    await expect(page.locator("html[data-connection=on]")).to_have_count(1)
    await expect(page.get_by_text("Nobody is here now.")).to_be_visible()
    await page.evaluate("window.isSameDocument = true")

    await seminar.study(0, 0, seconds=60)
    row = page.locator(f"#learner-{seminar.learners[0].id}")
    await expect(row).to_be_visible(timeout=3_000)
    await expect(row.locator("td").nth(0)).to_have_text("What an engine is")
    await expect(row.locator("td").nth(1)).to_contain_text("10%")

    await seminar.study(0, 3, seconds=1)
    await expect(row.locator("td").nth(0)).to_have_text("Questions", timeout=3_000)
    await seminar.study(3, 1, seconds=30)
    await expect(page.locator("#here tbody tr")).to_have_count(2, timeout=3_000)
    await expect(page.locator("#here tbody")).to_contain_text("Mary <b>Somerville</b>")

    assert await page.evaluate("window.isSameDocument")
    assert await page.evaluate("document.querySelector('#spoken').textContent") == "", "nothing is read out at once"
    assert shown.errors == []


async def test_live_connects_again(seminar: Seminar, open_page: OpenPage) -> None:
    shown = await open_page(seminar.tutor)
    page = shown.page
    await page.add_init_script("""
        window.sockets = [];
        const Original = WebSocket;
        window.WebSocket = class extends Original { constructor(...all) { super(...all); window.sockets.push(this); } };
    """)
    await shown.open(f"{seminar.path}/live")
    await expect(page.locator("html[data-connection=on]")).to_have_count(1)

    await page.evaluate("window.sockets[0].close()")
    async with asyncio.timeout(30):
        while not await page.evaluate("window.sockets.length > 1 && window.sockets.at(-1).readyState === 1"):
            await asyncio.sleep(0.1)
    await seminar.study(0, 0)

    await expect(page.locator(f"#learner-{seminar.learners[0].id}")).to_be_visible(timeout=5_000)
    assert shown.errors == []


async def test_a_course_is_edited_by_keyboard_and_without_scripts(seminar: Seminar, open_page: OpenPage) -> None:
    shown = await open_page(seminar.tutor, java_script_enabled=False)
    page = shown.page
    await shown.open(f"{seminar.path}/settings")
    await page.get_by_label("Title").fill("Engines")
    await page.get_by_label("Seats", exact=False).last.fill("7")
    await page.get_by_label("Title").press("Enter")

    await expect(page.get_by_role("status")).to_have_text("The course is saved.")
    tree = await seminar.app.world.read(seminar.app.world.services.courses.find, seminar.course.id)
    assert (tree.course.title, tree.course.capacity) == ("Engines", 7)


async def test_addresses_are_enrolled_and_the_results_are_shown(seminar: Seminar, open_page: OpenPage) -> None:
    world = seminar.app.world
    await world.write(world.services.accounts.create, role=Role.PARTICIPANT, name="Late Comer", email="late@example.org")
    await world.write(world.services.accounts.create, role=Role.PARTICIPANT, name="Later", email="later@example.org")
    shown = await open_page(seminar.tutor, "phone")
    page = shown.page
    await shown.open(f"{seminar.path}/settings")
    await page.locator("textarea[name=addresses]").fill("late@example.org, later@example.org\nwrong@example.org <i>x</i>")
    await page.get_by_label("Put on the waiting list").check()
    await page.get_by_role("button", name="Enroll").click()

    results = page.get_by_role("region", name="What became of each address").locator("tbody tr")
    await expect(results).to_have_count(4)
    await expect(results.nth(0)).to_contain_text("Enrolled")
    await expect(results.nth(1)).to_contain_text("place 1")
    await expect(results.nth(2)).to_contain_text("Invited")
    assert await shown.faults("settings-enrolled-phone-dark") == []
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await page.locator("#seats").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("Nobody waits for a seat.")).to_be_visible()


async def test_a_course_is_made_from_a_file(app: App, open_page: OpenPage, tmp_path: Path) -> None:
    tutor = await app.world.user(Role.INSTRUCTOR)
    file = tmp_path / "engines.yaml"
    file.write_text("title: Engines <b>\nmodules: [{title: First, units: [{title: One}]}]\n")
    shown = await open_page(tutor)
    page = shown.page
    await shown.open("/app/courses")
    await page.get_by_role("link", name="New course").click()
    await page.get_by_label("Course file").set_input_files(file)
    await expect(page.get_by_label("Course in YAML or JSON")).to_have_value(file.read_text())
    await page.get_by_label("Course in YAML or JSON").fill("title: [")
    await page.get_by_role("button", name="Make the course").click()
    await expect(page.get_by_role("alert")).to_contain_text("line 1")
    await expect(page.get_by_label("Course in YAML or JSON")).to_have_value("title: [")
    assert await shown.faults("new-course-refused") == []

    await page.get_by_label("Course in YAML or JSON").fill(file.read_text())
    await page.get_by_role("button", name="Make the course").click()

    await expect(page.locator(".course-title")).to_have_text("Engines <b>")
    await expect(page.locator("#structure tbody tr")).to_have_count(1)


async def test_the_keyboard_reaches_everything_that_can_be_done(seminar: Seminar, open_page: OpenPage) -> None:
    """Each link, button and field gets the focus by Tab, in the order of the page, and shows it."""
    await hand_in(seminar)
    await seminar.study(0, 0)
    shown = await open_page(seminar.tutor)
    for path in ("assessments", f"assessments/{seminar.course.assessments[0].id}", "live", "settings"):
        await shown.open(f"{seminar.path}/{path}")
        wanted = await shown.page.locator("main :is(a, button, input, textarea, select):visible").count()
        await shown.page.locator("main").focus()
        reached = set[str]()
        for _ in range(wanted + 60):
            await shown.page.keyboard.press("Tab")
            found = await shown.page.evaluate(FOCUSED)
            if found is not None:
                reached.add(found)
        assert len(reached) == wanted, (path, wanted, len(reached))
    assert shown.errors == []
