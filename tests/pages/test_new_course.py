"""A course from a course file, made on a page."""

import pytest
from sqlalchemy import select

from headway.courses.tables import courses
from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.world import World

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}"
PATH = "/app/courses/new"
YAML = """
title: Engines
owner: somebody@example.org
modules:
  - title: First
    units:
      - {title: One, completion: {rule: time, threshold: 60}}
      - {title: Two, required: false}
"""


async def titles(world: World) -> list[str]:
    return sorted(row[0] for row in await world.rows(select(courses.c.title)))


async def test_a_pasted_course_is_made_and_belongs_to_whoever_pasted_it(visit: Visit, school: School, world: World) -> None:
    shown = await visit("other tutor").submit(PATH, {"course": YAML})

    assert "The course is made." in shown.text
    assert shown.path.endswith("/settings")
    assert [row[1:] for row in shown.rows("#structure tbody tr")] == [
        ["required", "1 min of study"],
        ["optional", "the learner's mark"],
    ]
    made = await world.read(world.services.courses.find, int(shown.path.split("/")[3]))
    assert made.owner_id == school.people["other tutor"].id, "whatever the file says"


async def test_json_is_taken_too(visit: Visit, world: World) -> None:
    shown = await visit("tutor").submit(PATH, {"course": '{"title": "By JSON", "modules": []}'})

    assert "The course is made." in shown.text
    assert "By JSON" in await titles(world)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modules: []", "title"),
        ("title: [", "line 1"),
        ("title: A\nmodules: [{title: B, units: [{title: C, completion: {rule: time}}]}]", "modules[0].units[0]"),
        (f"title: A\nnonsense: '{HOSTILE.replace(chr(39), '')}'", "nonsense"),
        (
            "title: A\na: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
                for before, name in zip("abcdefg", "bcdefgh", strict=True)
            ),
            "is too large",
        ),
    ],
    ids=["incomplete", "no YAML", "a wrong unit", "an unknown field", "references of references"],
)
async def test_what_is_wrong_is_named_and_the_text_is_kept(visit: Visit, world: World, text: str, message: str) -> None:
    before = await titles(world)

    shown = await visit("tutor").submit(PATH, {"course": text})

    assert shown.status in {400, 422}
    assert message in shown.text
    assert shown.values(PATH)["course"] == [text]
    assert shown.soup.find("img", src="x") is None
    assert await titles(world) == before


async def test_a_learner_makes_no_course(visit: Visit, world: World) -> None:
    for role in ("learner", "system"):
        assert (await visit(role).submit(PATH, {"course": YAML})).status == 403
    assert "Engines" not in await titles(world)
