"""The people and courses of the learner contract's cases."""

from collections.abc import Mapping, Sequence
from typing import Any

from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewAssessment
from headway.identity import Role
from headway.instants import DAY, SECOND
from tests.contract.matchers import AnyText
from tests.contract.scene import Names, Scene, name_people
from tests.mailing import UNHEARD, address_token, registration_token
from tests.world import NOON, World

MANUAL = Completion(Rule.MANUAL)
TASKS = (
    NewAssessment("Essay", "Five pages.", max_grade=50),
    NewAssessment("Late", due_at=NOON - DAY),
)


class Learner(Scene):
    """A case has two learners in `course`; the other courses differ in when and whom they take. Ids are texts."""

    prefix = "/api/v1"
    tag = "Learner"
    route_count = 80
    settings: Mapping[str, Any] = {
        "registrations_per_client": 10_000,
        "failed_sign_ins_per_client": 10_000,
        "mails_per_client": 10_000,
        **UNHEARD,
    }
    """All requests come from one client, in no time. Nobody takes the mails."""

    async def make_shared(self, world: World) -> Names:
        courses = {
            "course": await world.course((MANUAL, MANUAL), subject="physics", level="beginner", assessments=TASKS),
            "other": await world.course((MANUAL,), subject="music", level="expert", assessments=TASKS),
            "draft": await world.course((MANUAL,), is_published=False, assessments=TASKS),
            "closed": await world.course((MANUAL,), enroll_until=NOON),
            "early": await world.course((MANUAL,), enroll_from=NOON + SECOND),
            "over": await world.course((MANUAL,), ends_at=NOON),
            "open": await world.course((MANUAL,), enroll_from=NOON, enroll_until=NOON + SECOND, ends_at=NOON + SECOND),
            "full": await world.course((MANUAL,), capacity=1),
            "strict": await world.course((MANUAL,), is_sequential=True),
        }
        courses["advanced"] = await world.course((MANUAL,), prerequisites=(courses["course"].id,))
        people = {
            "tutor": await world.find_user(courses["course"].owner_id),
            "other_tutor": await world.find_user(courses["other"].owner_id),
            "draft_tutor": await world.find_user(courses["draft"].owner_id),
            "outsider": await world.learner(courses["other"]),
            "seated": await world.learner(courses["full"]),
            "disabled": await world.learner(courses["course"]),
            "admin": await world.user(Role.ADMIN),
            "service": await world.user(Role.SYSTEM),
        }
        await world.disable(people["disabled"])
        names = name_people(world, people)
        for name, course in courses.items():
            names |= _name_course(name, course)
        return names

    async def make_own(self, world: World, shared: Names, number: int) -> Names:
        people = {name: await world.user(email=f"{name}-{number}@school.test") for name in ("learner", "classmate")}
        for user in people.values():
            await world.write(world.services.enrollments.enroll, user.id, int(shared["course"]))
        names = name_people(world, {**people, "stranger": await world.user()})
        address = f"new-{number}@school.test"
        names["registration_email"] = address
        names["registration_token"] = await registration_token(world, address)
        names["address_token"] = await address_token(world, people["classmate"].id, f"other-{number}@school.test")
        return names

    def failure(self, error: str | None, invalid: Sequence[str] | None) -> dict[str, Any]:
        body: dict[str, Any] = {
            "status": "error",
            "code": error if invalid is None else "VALIDATION_ERROR",
            "message": AnyText(),
            "timestamp": "${now}",
            "requestId": "${request_id}",
        }
        if invalid is not None:
            body["errors"] = [{"field": field, "message": AnyText()} for field in invalid]
        return body


def _name_course(name: str, course: CourseTree) -> Names:
    """Name a course and what is in it: `course`, `course_module`, `course_second_module`, `course_unit`, `course_task`, …"""
    ids = {
        name: course.id,
        f"{name}_module": course.modules[0].id,
        f"{name}_second_module": course.modules[1].id,
        f"{name}_unit": course.units[0].id,
        f"{name}_last_unit": course.units[-1].id,
    }
    tasks = [("task", 0), ("late_task", 1)] if course.assessments else []
    ids |= {f"{name}_{word}": course.assessments[index].id for word, index in tasks}
    return {word: str(number) for word, number in ids.items()}


SCENE = Learner()
