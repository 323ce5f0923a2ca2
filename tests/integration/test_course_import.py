"""Course files that are imported again."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import func, select

from headway.audit.tables import audit_entries
from headway.courses.model import CourseTree
from headway.courses.tables import courses
from headway.identity import Role
from headway.importers import course_file
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.processes import run_headway
from tests.world import World

FILE: dict[str, Any] = {
    "title": "Algebra",
    "externalId": "course-v1:X+Algebra+2027",
    "source": "openedx",
    "prerequisites": [],
    "modules": [
        {
            "title": "Numbers",
            "externalId": "chapter/1",
            "units": [
                {"title": "Counting", "externalId": "u/1", "completion": {"rule": "video"}},
                {"title": "Exercise"},
                {"title": "Exercise", "slug": "second"},
            ],
        },
        {"title": "Letters", "units": [{"title": "Exercise"}]},
    ],
    "assessments": [{"title": "Essay", "dueAt": "2027-01-31T12:00:00Z"}],
}


class Importer:
    """Imports texts as a tutor's course files."""

    def __init__(self, world: World, owner_id: int) -> None:
        self.world, self.owner_id = world, owner_id

    async def load(self, **changed: Any) -> tuple[CourseTree, str]:
        services = self.world.services
        course = course_file.parse(json.dumps(FILE | changed), services.course_limits)
        return await self.world.write(services.course_editing.import_course, course, owner_id=self.owner_id)


@pytest.fixture
async def importer(world: World) -> Importer:
    return Importer(world, (await world.user(Role.INSTRUCTOR)).id)


async def test_a_file_that_is_imported_again_changes_nothing(importer: Importer) -> None:
    made, first = await importer.load()
    traces = select(courses.c.revision), select(func.count()).select_from(audit_entries)
    before = [await importer.world.rows(each) for each in traces]

    again, second = await importer.load()

    assert (first, second) == ("created", "unchanged")
    assert again == made
    assert [await importer.world.rows(each) for each in traces] == before


async def test_a_changed_file_changes_the_course_and_keeps_its_parts(importer: Importer) -> None:
    made, _ = await importer.load()
    numbers, letters = FILE["modules"]
    counting, exercise, second = numbers["units"]
    # The named parts are renamed and turned around; one without any name is left out.
    changed = [
        {**letters, "units": [{"title": "New"}, second]},
        {**numbers, "title": "N", "units": [exercise, {**counting, "title": "C"}]},
    ]

    tree, outcome = await importer.load(title="Algebra I", modules=changed)

    assert outcome == "updated"
    assert (tree.id, tree.course.title) == (made.id, "Algebra I")
    old_numbers, old_letters = made.modules
    assert [(module.id, module.title) for module, _ in tree.active_modules] == [
        (old_letters.id, "Letters"),
        (old_numbers.id, "N"),
    ]
    one, two, three, four = made.units
    new = max(unit.id for unit in tree.units)
    assert [[unit.id for unit in units] for _, units in tree.active_modules] == [[new, three.id], [two.id, one.id]]
    assert {unit.id for unit in tree.units if unit.is_retired} == {four.id}
    assert [each.id for each in tree.active_assessments] == [each.id for each in made.assessments]
    assert tree.owner_id == made.owner_id


async def test_a_file_without_an_external_id_makes_a_course_each_time(importer: Importer) -> None:
    made = [await importer.load(externalId=None) for _ in range(2)]

    assert [outcome for _, outcome in made] == ["created", "created"]
    assert made[0][0].id != made[1][0].id


async def test_parts_with_other_external_ids_are_other_parts(importer: Importer) -> None:
    made, _ = await importer.load()
    numbers, letters = FILE["modules"]
    renamed = {**numbers, "units": [{**numbers["units"][0], "externalId": "u/2"}, *numbers["units"][1:]]}

    tree, _ = await importer.load(modules=[renamed, letters])

    assert made.units[0].id in {unit.id for unit in tree.units if unit.is_retired}


async def test_the_command_says_what_it_did(settings: Settings, world: World, tmp_path: Path) -> None:
    await world.user(Role.INSTRUCTOR, email="tutor@example.org")
    file = tmp_path / "course.yaml"

    async def load(**changed: Any) -> dict[str, Any]:
        file.write_text(yaml.safe_dump(FILE | {"owner": "tutor@example.org"} | changed))
        ended = await run_headway("course", "import", str(file), "--database", settings.database_url, secret_key=SECRET_KEY)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)  # type: ignore[no-any-return]

    runs = [await load(), await load(), await load(title="Algebra I")]

    assert [run["status"] for run in runs] == ["created", "unchanged", "updated"]
    assert len({run["id"] for run in runs}) == 1
    assert runs[2]["title"] == "Algebra I"
