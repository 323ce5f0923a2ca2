"""The catalogue is searched by an index that holds the same on both databases."""

from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, delete, select, text, update

from headway import schema
from headway.accounts.tables import users
from headway.courses import store
from headway.courses.model import CourseSearch, CourseTree, NewCourse
from headway.courses.tables import course_terms
from headway.db.database import ReadTransaction
from headway.identity import Caller, Role
from headway.paging.service import Walk
from headway.settings import Settings
from headway.words import query_terms
from tests.integration.migrating import within
from tests.world import World

LONG = "a" * 10_000


class Catalogue:
    """Courses of one tutor."""

    def __init__(self, world: World, tutor: Caller) -> None:
        self.world, self.tutor = world, tutor

    async def add(self, title: str, **fields: Any) -> CourseTree:
        course = NewCourse(title, **fields)
        return await self.world.write(self.world.services.course_editing.create_for, self.tutor, course)

    async def found(self, **search: Any) -> list[str]:
        page = await self.world.read(self.world.services.courses.search, None, CourseSearch(**search), walk=Walk(100, 1))
        assert page.total == len(page.courses)
        return sorted(each.course.title for each in page.courses)


@pytest.fixture
async def catalogue(world: World) -> Catalogue:
    tutor = await world.user(Role.INSTRUCTOR)
    return Catalogue(world, Caller(tutor.id, tutor.role))


async def test_words_are_found_in_any_order_case_and_accent(catalogue: Catalogue) -> None:
    await catalogue.add("Introduction to Python", description="For beginners: Crème brûlée as a programme.", subject="Cooking")
    await catalogue.add("Python, advanced", level="Größe")
    await catalogue.add("データサイエンス入門")
    await catalogue.add("Long", description=LONG)

    for q, titles in {
        "python": ["Introduction to Python", "Python, advanced"],
        "BEGINNERS python": ["Introduction to Python"],
        "creme thon intro": ["Introduction to Python"],
        "サイエンス": ["データサイエンス入門"],
        "入門": ["データサイエンス入門"],
        "advanced beginners": [],
        "a" * 199 + "b": [],
        "a" * 200: ["Long"],
        "%": [],
        " ": ["Introduction to Python", "Long", "Python, advanced", "データサイエンス入門"],
        "": ["Introduction to Python", "Long", "Python, advanced", "データサイエンス入門"],
    }.items():
        assert await catalogue.found(q=q) == titles, q
    assert await catalogue.found(q="python", subject="COOKING") == ["Introduction to Python"]
    assert await catalogue.found(q="python", level="GRÖSSE") == ["Python, advanced"]
    assert await catalogue.found(subject="cook") == []


async def test_ranges_hold_the_same_in_every_collation(catalogue: Catalogue) -> None:
    for title in ("zebra", "Zürich", "zz", "z-a", "z~", "\u0396", "ζήτα", "z\u2063a", "\uff5a", "z🙂"):
        await catalogue.add(title)

    assert await catalogue.found(q="zur") == ["Zürich"]
    assert await catalogue.found(q="zeb") == ["zebra"]
    assert await catalogue.found(q="ζητ") == ["ζήτα"]
    assert await catalogue.found(q="z") == sorted({"zebra", "Zürich", "zz", "z-a", "z~", "z\u2063a", "\uff5a", "z🙂"})


async def test_a_changed_course_is_found_by_what_it_says_now(catalogue: Catalogue) -> None:
    course = await catalogue.add("Beginning", description="Old words", subject="History")
    services = catalogue.world.services

    def edit(stored: CourseTree) -> NewCourse:
        return NewCourse("Advanced", description="New words", subject="Art")

    await catalogue.world.write(services.course_editing.change, catalogue.tutor, course.id, edit)

    assert [await catalogue.found(q=q) for q in ("beginning", "old", "new words", "advanced")] == [
        [],
        [],
        ["Advanced"],
        ["Advanced"],
    ]
    assert [await catalogue.found(subject=subject) for subject in ("history", "art")] == [[], ["Advanced"]]
    stored = await catalogue.world.rows(
        select(course_terms.c.term).where(course_terms.c.course_id == bindparam("id")), id=course.id
    )
    assert {term for (term,) in stored} == edit(course).terms


async def test_a_tutor_is_found_by_any_part_of_the_name_of_now(catalogue: Catalogue) -> None:
    await catalogue.add("Course")
    accounts, tutor_id = catalogue.world.services.accounts, catalogue.tutor.user_id

    for name, parts in {
        "Zoë  Müller-Lüdenscheidt": ["zoe", "ZOË", "muller", "ludensch", "e  m"],
        "50%_ \\x": ["50%_", "\\X"],
    }.items():
        await catalogue.world.write(accounts.change_profile, tutor_id, name=name)
        for part in parts:
            assert await catalogue.found(tutor=part) == ["Course"], part
        assert await catalogue.found(tutor="5_%") == []
    await catalogue.world.write(accounts.change, tutor_id, name="Someone Else")
    assert [await catalogue.found(tutor=part) for part in ("zoe", "someone")] == [[], ["Course"]]


async def test_the_migration_indexes_the_courses_and_names_that_exist(catalogue: Catalogue, settings: Settings) -> None:
    await catalogue.add("Ärger", subject="Größe", description="Words")
    before = await catalogue.world.rows(select(course_terms).order_by(course_terms.c.term))
    names = await catalogue.world.rows(select(users.c.id, users.c.folded_name).order_by(users.c.id))

    def empty(connection: Connection) -> None:
        connection.execute(delete(course_terms))
        connection.execute(update(users).values(folded_name=None))

    await within(settings, empty)
    assert await catalogue.found(q="arger") == []
    await schema.migrate(settings, "0002")
    await schema.migrate(settings)

    assert await catalogue.world.rows(select(course_terms).order_by(course_terms.c.term)) == before
    assert await catalogue.world.rows(select(users.c.id, users.c.folded_name).order_by(users.c.id)) == names
    assert await catalogue.found(q="arger words", subject="größe", tutor="instr") == ["Ärger"]


async def test_terms_are_looked_up_in_the_index(catalogue: Catalogue, settings: Settings) -> None:
    await catalogue.add("Python")

    async def plan(tx: ReadTransaction) -> str:
        compiled = catalogue.world.database.dialect.compile(store.courses_with_terms)
        sql = compiled.sql
        for i, value in enumerate(compiled.bind({"terms": query_terms("python intro"), "term_count": 2}), 1):
            literal = str(value) if isinstance(value, int) else "'" + value + "'"
            sql = sql.replace("?" if settings.is_sqlite else f"${i}", literal, 1)
        if not settings.is_sqlite:
            # So few rows would be read as they are.
            await tx.all(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN QUERY PLAN " if settings.is_sqlite else "EXPLAIN "
        return "\n".join(str(tuple(row)) for row in await tx.all(text(explain + sql.replace(":", "\\:"))))

    found = await catalogue.world.read(plan)

    if settings.is_sqlite:
        assert "SEARCH course_terms USING PRIMARY KEY (term>? AND term<?)" in found
    else:
        assert "Index Cond: ((term >= " in found
