"""Enrolling by staff, in few words."""

from collections.abc import Sequence
from typing import Any

from headway.accounts.model import User
from headway.courses.model import CourseTree
from headway.enrollments.enrolling_model import EnrollVerdict, Invitation, Wanted
from headway.enrollments.model import Enrollment
from headway.enrollments.seating import Waiting
from headway.identity import Caller, Client, Role
from tests.world import World

HERE = Client("192.0.2.1", "a browser")


def staff_of(course: CourseTree) -> Caller:
    return Caller(course.owner_id, Role.INSTRUCTOR, name="Grace", email="grace@example.org")


async def people(world: World, *names: str) -> list[User]:
    return [await world.user(email=f"{name}@example.org") for name in names]


async def enroll(world: World, course: CourseTree, *items: str | Wanted, caller: Caller | None = None) -> list[EnrollVerdict]:
    """Enroll as staff; a text without a colon is the name of somebody at example.org."""
    wanted = [each if isinstance(each, Wanted) else Wanted(each if ":" in each else address(each)) for each in items]
    return await world.write(world.services.enrolling.enroll, caller or staff_of(course), course.id, wanted, client=HERE)


def address(name: str) -> str:
    return f"email:{name}@example.org"


def told(verdicts: Sequence[EnrollVerdict]) -> list[tuple[str, Any]]:
    """Give the status of each verdict, with the enrollment's status, the position, `invited`, or the code."""
    said: list[tuple[str, Any]] = []
    for verdict in verdicts:
        what: Any = verdict.error.kind if verdict.error else None
        match verdict.place:
            case Enrollment(status=status):
                what = status.value
            case Waiting(position=position):
                what = position
            case Invitation():
                what = "invited"
        said.append((verdict.status.value, what))
    return said
