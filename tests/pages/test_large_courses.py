"""Courses with many units: their modules are folded, and staff see the required units first."""

import csv
from io import StringIO

import httpx
import pytest

from headway.accounts.model import User
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.identity import Role
from tests.pages.visitor import Shown, Visitor
from tests.world import World

VIEWED = Completion(Rule.VIEWED)


async def build(world: World, optional: int) -> tuple[CourseTree, User, User]:
    """Make a course with a module of optional units and one of three required ones; return it, its owner and a learner."""
    modules = (
        NewModule("More", units=tuple(NewUnit(f"Extra {n}", is_required=False, completion=VIEWED) for n in range(optional))),
        NewModule("Core", units=tuple(NewUnit(f"Core {n}") for n in range(3))),
    )
    owner = await world.user(Role.INSTRUCTOR)
    course = await world.write(world.services.course_editing.create, NewCourse("Large", modules=modules), owner_id=owner.id)
    return course, owner, await world.learner(course)


def folds(page: Shown) -> dict[str, tuple[str, bool]]:
    """Return by module what its summary says is inside, and whether it is open."""
    found = {}
    for each in page.soup.select("details.fold"):
        title, about = (" ".join(part.get_text().split()) for part in each.select("summary h2, summary .muted"))
        found[title] = about, each.has_attr("open")
    return found


@pytest.mark.parametrize(("optional", "is_open"), [(36, True), (37, False)])
async def test_only_the_module_with_the_next_step_of_a_large_course_is_open(
    world: World, client: httpx.AsyncClient, optional: int, is_open: bool
) -> None:
    course, _, learner = await build(world, optional)

    shown = folds(await Visitor(client, world, learner).open(f"/app/learning/{course.id}"))

    assert shown == {"More": (f"0 of {optional} complete", is_open), "Core": ("0 of 3 complete", True)}


async def test_the_structure_of_a_large_course_is_folded_for_staff(world: World, client: httpx.AsyncClient) -> None:
    course, owner, _ = await build(world, 40)

    structure = folds(await Visitor(client, world, owner).open(f"/app/courses/{course.id}/settings"))

    assert structure == {"More": ("40 units, 0 required", False), "Core": ("3 units", False)}


@pytest.mark.parametrize(
    ("optional", "query", "shown"), [(40, "", 3), (40, "?units=all", 43), (10, "", 13), (10, "?units=required", 3)]
)
async def test_units_and_grid_have_the_required_units_of_a_large_course_or_all(
    world: World, client: httpx.AsyncClient, optional: int, query: str, shown: int
) -> None:
    course, owner, _ = await build(world, optional)
    staff, base = Visitor(client, world, owner), f"/app/courses/{course.id}"

    units, grid = await staff.open(f"{base}/units{query}"), await staff.open(f"{base}/grid{query}")

    assert len(units.rows("table.course-units tbody tr")) == shown
    assert [len(row) - 2 for row in grid.rows("table.grid-table tbody tr")] == [shown]
    for page in (units, grid):
        link = page.soup.select_one(".page-head a[download]")
        assert link is not None
        rows = list(csv.reader(StringIO((await staff.client.get(str(link["href"]))).text)))
        assert (len(rows) - 1 if page is units else len(rows[0]) - 3) == shown


async def test_a_course_without_optional_units_offers_no_choice(world: World, client: httpx.AsyncClient) -> None:
    course, owner, _ = await build(world, 0)

    page = await Visitor(client, world, owner).open(f"/app/courses/{course.id}/units")

    assert page.soup.select(".segments") == []
    assert len(page.rows("table.course-units tbody tr")) == 3
