"""Preparing a database for load: a course, learners enrolled in it, and a token for each."""

import asyncio
import sys

import click
import msgspec

from headway import schema
from headway.courses.completion import Completion, Rule
from headway.courses.model import NewCourse, NewModule, NewUnit
from headway.db.keyring import signing_key
from headway.http.authentication import Tokens
from headway.identity import Role
from headway.instants import system_clock
from headway.services import Services
from headway.settings import Settings

_UNITS_PER_MODULE = 5
_COMPLETIONS = (
    Completion(Rule.MANUAL),
    Completion(Rule.VIEWED),
    Completion(Rule.TIME, 600),
    Completion(Rule.SCROLL, 90),
    Completion(Rule.VIDEO, 95),
)


class LoadData(msgspec.Struct):
    """What a load client needs to know."""

    course_id: int
    units: list[dict[str, int]]
    tokens: list[str]


async def prepare(settings: Settings, *, learners: int, units: int) -> LoadData:
    """Migrate an empty database and make one course with learners in it; the completion rules take turns."""
    await schema.migrate(settings)
    database = schema.database(settings)
    await database.open()
    try:
        services = Services(settings, database)
        tokens = Tokens(signing_key(settings), system_clock, lifetime_seconds=86_400)
        async with database.write() as tx:
            owner = await services.accounts.create(tx, role=Role.INSTRUCTOR, name="Instructor")
            tree = await services.course_editing.create(tx, _course(units), owner_id=owner.id)
        made = []
        for number in range(learners):
            async with database.write() as tx:
                learner = await services.accounts.create(tx, role=Role.PARTICIPANT, name=f"Learner {number + 1}")
                await services.enrollments.enroll(tx, learner.id, tree.id)
            made.append(tokens.issue(learner))
    finally:
        await database.close()
    return LoadData(tree.id, [{"id": unit.id, "module_id": unit.module_id} for unit in tree.units], made)


def _course(units: int) -> NewCourse:
    made = [NewUnit(f"Unit {n + 1}", completion=_COMPLETIONS[n % len(_COMPLETIONS)]) for n in range(units)]
    parts = [made[first : first + _UNITS_PER_MODULE] for first in range(0, units, _UNITS_PER_MODULE)]
    return NewCourse("Load", modules=tuple(NewModule(f"Module {n + 1}", units=tuple(p)) for n, p in enumerate(parts)))


@click.command()
@click.option("--learners", type=int, default=1000)
@click.option("--units", type=int, default=20)
@click.option("--database", "database_url")
def main(learners: int, units: int, database_url: str | None) -> None:
    """Prepare a database and print what a load client needs, as JSON."""
    settings = Settings.load(database_url=database_url)
    prepared = asyncio.run(prepare(settings, learners=learners, units=units))
    sys.stdout.write(msgspec.json.encode(prepared).decode() + "\n")


if __name__ == "__main__":
    main()
