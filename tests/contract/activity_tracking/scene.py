"""The people and courses of activity tracking's cases."""

from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.enrollments import store as enrollments
from headway.enrollments.status import EnrollmentStatus
from headway.identity import Role
from tests.contract.scene import Names, Scene, name_tokens
from tests.world import NOON, World


class ActivityTracking(Scene):
    """Everybody but the stranger is enrolled in `course`; nobody is in `other_course`. Ids are numbers.

    The learners of a case are also in `named`: "named" to another system, whose unit "film" is in its module "m/1", and
    which has a unit "page" in both of its modules.
    """

    prefix = "/api/courses/activity"
    tag = "Activity tracking"
    route_count = 3

    async def make_shared(self, world: World) -> Names:
        course, other, named = await world.course(), await world.course(), await _named_course(world)
        people = {name: await world.learner(course) for name in ("learner", "classmate", "dropped", "expired", "disabled")}
        for name, role in (
            ("stranger", Role.PARTICIPANT),
            ("tutor", Role.INSTRUCTOR),
            ("admin", Role.ADMIN),
            ("service", Role.SYSTEM),
        ):
            people[name] = await world.user(role)
        await world.write(world.services.enrollments.leave, people["dropped"].id, course.id)
        await _expire(world, people["expired"].id, course.id)
        await world.disable(people["disabled"])
        return {
            **name_tokens(world, people),
            "learner": people["learner"].id,
            "classmate": people["classmate"].id,
            "course": course.id,
            "module": course.modules[0].id,
            "second_module": course.modules[1].id,
            "unit": course.units[0].id,
            "quiz": course.units[5].id,
            "extra_unit": course.units[6].id,
            "named": named.id,
            "film": named.units[0].id,
            "other_course": other.id,
            "other_module": other.modules[0].id,
            "other_unit": other.units[0].id,
        }

    async def make_own(self, world: World, shared: Names, number: int) -> Names:
        people = {name: await world.user() for name in ("learner", "classmate")}
        for user in people.values():
            for course in ("course", "named"):
                await world.write(world.services.enrollments.enroll, user.id, shared[course])
        return {**{name: user.id for name, user in people.items()}, **name_tokens(world, people)}


async def _named_course(world: World) -> CourseTree:
    film = NewUnit("Film", completion=Completion(Rule.VIDEO, 95), external_id="film")
    modules = (
        NewModule("First", units=(film, NewUnit("Page", external_id="page")), external_id="m/1"),
        NewModule("Second", units=(NewUnit("Page", external_id="page"),), external_id="m/2"),
    )
    owner = await world.user(Role.INSTRUCTOR)
    course = NewCourse("Named", modules=modules, external_id="named")
    return await world.write(world.services.course_editing.create, course, owner_id=owner.id)


async def _expire(world: World, user_id: int, course_id: int) -> None:
    async with world.database.write() as tx:
        (enrollment,) = (await enrollments.lock(tx, [(user_id, course_id)])).values()
        enrollment.close(EnrollmentStatus.EXPIRED, NOON)
        await enrollments.set_status(tx, [enrollment], NOON)


SCENE = ActivityTracking()
