"""The people and courses of the course room's cases."""

from collections.abc import Mapping, Sequence
from typing import Any

from headway.accounts.model import User
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree
from headway.identity import Role
from tests.contract.scene import Names, Scene, error_message, name_tokens
from tests.world import World

MANUAL = Completion(Rule.MANUAL)


class CourseRoom(Scene):
    """Each case has a course of its own, one whose units open in sequence, their tutor and two learners. Ids are numbers."""

    prefix = "/user-progress"
    tag = "Course room"
    route_count = 6
    settings: Mapping[str, Any] = {"display_timezone": "Asia/Kolkata"}
    """The time zone of the sample in the contract's document."""

    async def make_shared(self, world: World) -> Names:
        courses = {
            "other": await world.course((MANUAL,)),
            "draft": await world.course((MANUAL,), is_published=False),
            "empty": await world.course((MANUAL, MANUAL)),
        }
        people = {f"{name}_tutor": await world.find_user(course.owner_id) for name, course in courses.items()}
        people |= {
            "outsider": await world.learner(courses["other"]),
            "disabled": await world.learner(courses["other"]),
            "stranger": await world.user(),
            "admin": await world.user(Role.ADMIN),
            "service": await world.user(Role.SYSTEM),
        }
        people |= {name: await world.user() for name in ("ann", "ben", "cem", "dea", "eli")}
        await world.disable(people["disabled"])
        names = _name_people(world, people)
        for name, course in courses.items():
            names |= _name_course(name, course)
        return names

    async def make_own(self, world: World, shared: Names, number: int) -> Names:
        course = await world.course((MANUAL, MANUAL))
        strict = await world.course((MANUAL, MANUAL), is_sequential=True)
        people = {"tutor": await world.find_user(course.owner_id)}
        for name in ("learner", "classmate"):
            people[name] = await world.learner(course)
            await world.write(world.services.enrollments.enroll, people[name].id, strict.id)
        return {**_name_people(world, people), **_name_course("course", course), **_name_course("strict", strict)}

    def failure(self, error: str | None, invalid: Sequence[str] | None) -> dict[str, Any]:
        return {"success": False, "message": error_message(error, invalid), "requestId": "${request_id}"}


def _name_people(world: World, people: Mapping[str, User]) -> Names:
    names = {f"name_of_{name}": user.name for name, user in people.items()}
    return {**{name: user.id for name, user in people.items()}, **names, **name_tokens(world, people)}


def _name_course(name: str, course: CourseTree) -> Names:
    """Name a course and what is in it: `course`, `course_module`, `course_unit`, `course_second_unit`, `course_extra_unit`."""
    return {
        name: course.id,
        f"{name}_module": course.modules[0].id,
        f"{name}_unit": course.units[0].id,
        f"{name}_second_unit": course.units[-2].id,
        f"{name}_extra_unit": course.units[-1].id,
    }


SCENE = CourseRoom()
