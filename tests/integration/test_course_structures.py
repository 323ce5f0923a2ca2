"""The cache of course structures."""

from headway.learning.store import CourseStructures
from tests.world import World


async def test_structures_are_kept_up_to_a_number_of_units(world: World) -> None:
    courses = [(await world.course()).id for _ in range(3)]
    ample, tight = CourseStructures(), CourseStructures(max_units=40)

    for structures, are_kept in ((ample, True), (tight, False)):
        (first, *_) = [(await world.read(structures.get, [course], {}))[course] for course in courses]
        again = (await world.read(structures.get, [courses[0]], {}))[courses[0]]

        assert again == first
        assert (again is first) is are_kept


async def test_a_course_that_is_larger_than_the_cache_is_read_all_the_same(world: World) -> None:
    course = await world.course()

    found = await world.read(CourseStructures(max_units=1).get, [course.id], {})

    assert set(found[course.id].units) == {unit.id for unit in course.units}
