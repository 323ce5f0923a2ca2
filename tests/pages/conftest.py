"""Visitors of the pages of a server with a school."""

from collections.abc import Callable

import httpx
import pytest

from tests.contract.rights.conftest import School
from tests.pages.visitor import Visitor
from tests.world import World

Visit = Callable[[str], Visitor]


@pytest.fixture
async def school(world: World, client: httpx.AsyncClient) -> School:
    built = School(world, client)
    await built.build()
    return built


@pytest.fixture
def visit(school: School, world: World, client: httpx.AsyncClient) -> Visit:
    """Make a visitor: one of the school's people by role, such as `tutor`; `nobody` is signed out."""
    return lambda role: Visitor(client, world, school.people.get(role))
