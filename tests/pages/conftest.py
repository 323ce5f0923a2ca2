"""Visitors of the pages of a server with a school."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.contract.rights.conftest import School
from tests.databases import KINDS, Templates
from tests.pages.visitor import Visitor
from tests.world import World

Visit = Callable[[str], Visitor]
BOTH_DATABASES = pytest.mark.parametrize("database_url", KINDS, indirect=True)


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, templates: Templates) -> Iterator[str]:
    """A migrated, empty SQLite database: services are tested on both, and `test_rights.py` shows each page on both.

    Tests of what pages do in transactions of their own are marked `BOTH_DATABASES`.
    """
    with templates.lend(request.param, tmp_path) as url:
        yield url


@pytest.fixture
async def school(world: World, client: httpx.AsyncClient) -> School:
    built = School(world, client)
    await built.build()
    return built


@pytest.fixture
def visit(school: School, world: World, client: httpx.AsyncClient) -> Visit:
    """Make a visitor: one of the school's people by role, such as `tutor`; `nobody` is signed out."""
    return lambda role: Visitor(client, world, school.people.get(role))
