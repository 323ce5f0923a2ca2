"""The catalogue, and registering."""

from typing import Any

import pytest
from sqlalchemy import func, select

from headway.accounts.tables import users
from headway.courses.model import CourseKind
from headway.identity import Role
from headway.instants import DAY
from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.pages.test_account import HOSTILE
from tests.pages.test_learning import make_course
from tests.pages.visitor import Shown
from tests.world import NOON, World

ACCOUNT = {"name": "Ada", "email": "ada@example.org", "password": "Correct-Horse-1", "repeated_password": "Correct-Horse-1"}


def titles(shown: Shown) -> list[str]:
    return [each.get_text() for each in shown.soup.select("#found h2")]


async def test_courses_are_found_by_words_and_filters(visit: Visit, world: World) -> None:
    await make_course(world, title="Steam engines", subject="Physics", level="basic")
    await make_course(world, title="Poems", subject="Letters", level="basic", kind=CourseKind.SESSION, starts_at=NOON + DAY)
    visitor = visit("stranger")

    assert set(titles(await visitor.open("/app/catalogue"))) == {"Steam engines", "Poems", "Course", "Full"}
    assert titles(await visitor.open("/app/catalogue?q=engine")) == ["Steam engines"]
    assert titles(await visitor.open("/app/catalogue?subject=Letters&level=basic")) == ["Poems"]
    sessions = await visitor.open("/app/catalogue?kind=session&q=")
    assert titles(sessions) == ["Poems"]
    assert sessions.values("/app/catalogue")["kind"] == ["session"]
    nothing = await visitor.open("/app/catalogue?q=zebra")
    assert "No course matches." in nothing.text
    assert nothing.values("/app/catalogue")["q"] == ["zebra"]
    assert "Hidden" not in (await visitor.open("/app/catalogue?q=hidden")).text


@pytest.mark.parametrize(
    ("given", "says", "button"),
    [
        ({}, "", "Enroll"),
        ({"capacity": 3}, "3 seats are free.", "Enroll"),
        ({"capacity": 1}, "1 seat is free.", "Enroll"),
        ({"capacity": 0}, "Every seat is taken.", "Join the waiting list"),
        ({"enroll_from": NOON + DAY}, "Enrollment opens", None),
        ({"enroll_until": NOON - DAY}, "Enrollment is closed.", None),
        ({"ends_at": NOON - DAY}, "Enrollment is closed.", None),
    ],
)
async def test_a_course_says_what_one_can_do(
    visit: Visit, world: World, given: dict[str, Any], says: str, button: str | None
) -> None:
    course = await make_course(world, title="Steam engines", **given)

    shown = await visit("stranger").open("/app/catalogue?q=steam")

    assert says in shown.text
    form = shown.soup.find("form", action=f"/app/learning/{course.id}/enroll")
    assert (None if form is None else " ".join(form.get_text().split())) == button


async def test_missing_courses_are_named_and_linked(visit: Visit, world: World) -> None:
    first = await make_course(world, title="First steps")
    await make_course(world, title="Steam engines", prerequisites=(first.id,))

    shown = await visit("stranger").open("/app/catalogue?q=steam")

    link = shown.soup.select_one("#found ul a")
    assert link is not None
    assert (link.get_text(), link["href"]) == ("First steps", f"/app/learning/{first.id}")


async def test_who_is_enrolled_or_waits_is_told_so(visit: Visit, school: School, world: World) -> None:
    course = await make_course(world, title="Steam engines", capacity=0)
    await world.write(world.services.enrollments.enroll_or_wait, school.people["learner"].id, course.id)
    visitor = visit("learner")

    assert "waiting list, place 1" in (await visitor.open("/app/catalogue?q=steam")).text
    assert "Open the course" in (await visitor.open("/app/catalogue?q=course")).text


async def test_pages_of_the_catalogue_keep_the_filters(visit: Visit, world: World) -> None:
    owner = await world.user(Role.INSTRUCTOR)
    for number in range(26):
        await make_course(world, title=f"Steam {number}", subject="A & B", owner=owner)
    visitor = visit("stranger")

    first = await visitor.open("/app/catalogue?q=steam&subject=A+%26+B")
    (link,) = first.soup.select("#found nav a")
    second = await visitor.open(str(link["href"]))

    assert (len(titles(first)), len(titles(second))) == (24, 2)
    assert set(titles(first)) & set(titles(second)) == set()
    assert second.values("/app/catalogue")["subject"] == ["A & B"]


async def test_a_visitor_registers_and_is_signed_in(visit: Visit, world: World) -> None:
    visitor = visit("nobody")
    page = await visitor.open("/app/sign-in")
    assert page.soup.find("a", href="/app/register") is not None

    shown = await visitor.fill(await visitor.open("/app/register"), "/app/register", **ACCOUNT)

    assert shown.path == "/app/learning"
    assert "Welcome, Ada." in shown.text
    assert (await visitor.open("/app/register")).path == "/app/learning"
    (role,) = (await world.rows(select(users.c.role).where(users.c.name == "Ada")))[0]
    assert role == "PARTICIPANT"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": ""}, "name"),
        ({"email": "nowhere"}, "email"),
        ({"email": "taken@example.org"}, "email"),
        ({"password": "short", "repeated_password": "short"}, "password"),
        ({"repeated_password": "Correct-Horse-2"}, "repeated_password"),
    ],
)
async def test_a_refused_registration_keeps_what_was_typed(
    visit: Visit, world: World, changed: dict[str, str], field: str
) -> None:
    await world.user(email="taken@example.org")
    before = await world.rows(select(func.count()).select_from(users))
    typed = {**ACCOUNT, "name": f"Ada {HOSTILE}", **changed}

    shown = await visit("nobody").submit("/app/register", typed)

    assert shown.status == 422
    (wrong,) = shown.form("/app/register").select("[aria-invalid=true]")
    assert wrong["name"] == field
    values = shown.values("/app/register")
    assert (values["name"], values["email"]) == ([typed["name"]], [typed["email"]])
    assert "Correct-Horse" not in shown.html
    assert shown.soup.find("script", string="alert(1)") is None
    assert await world.rows(select(func.count()).select_from(users)) == before
