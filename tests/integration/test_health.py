"""The health of a server: what it says of the database and of itself, to administrators alone."""

import pytest

from headway.errors import Forbidden
from headway.identity import Caller, Role
from headway.settings import Settings
from tests.world import World


async def test_an_administrator_sees_the_database_and_what_the_process_has_done(world: World, settings: Settings) -> None:
    admin = await world.user(Role.ADMIN)

    report = await world.services.health.report(Caller(admin.id, Role.ADMIN))

    assert report.database.kind == ("SQLite" if settings.is_sqlite else "PostgreSQL")
    assert report.database.version.split(".")[0].isdecimal()
    assert report.database.size_bytes > 100_000
    assert 0 < report.database.latency_ms < 5_000
    assert (report.database.in_use is None) == settings.is_sqlite
    assert report.at == report.started_at == world.clock.now
    assert (report.events.groups, report.events.mean_group, report.cache.hit_percent) == (0, None, None)
    assert report.errors == []


@pytest.mark.parametrize("role", [Role.PARTICIPANT, Role.INSTRUCTOR, Role.SYSTEM])
async def test_nobody_else_sees_it(world: World, role: Role) -> None:
    other = await world.user(role)

    with pytest.raises(Forbidden):
        await world.services.health.report(Caller(other.id, role))
    with pytest.raises(Forbidden):
        await world.read(world.services.health.settings, Caller(other.id, Role.ADMIN))
