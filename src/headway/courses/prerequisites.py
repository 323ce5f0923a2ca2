"""Which prerequisites of a course learners are asked for, and what its staff is told about the others."""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from headway.courses.model import CourseTree, Prerequisite
from headway.instants import Instant

_MOST_NAMES = 10


def withdrawn_because(prerequisite: Prerequisite, now: Instant) -> str | None:
    """Return why nobody can complete a prerequisite any more, as the end of a sentence; None if it can be completed.

    A course without units is being written: it can be completed later.
    """
    if not prerequisite.is_published:
        return "is not published"
    if prerequisite.ends_at is not None and prerequisite.ends_at <= now:
        return "has ended"
    if prerequisite.has_units and not prerequisite.has_required_units:
        return "has no required units"
    return None


def missing(
    prerequisites: Iterable[Prerequisite], *, completed: Collection[int], enrolled: Collection[int], now: Instant
) -> list[Prerequisite]:
    """Return the prerequisites that a learner has to complete first.

    `completed` holds the ids of the courses that the learner completed, `enrolled` of those to which the learner has access.
    A course that nobody can complete any more is not asked for, nor one whose enrollment has closed for good of a learner
    without access to it.
    """
    return [
        each
        for each in prerequisites
        if each.course_id not in completed
        and withdrawn_because(each, now) is None
        and (each.course_id in enrolled or not _is_closed(each, now))
    ]


def names(prerequisites: Sequence[Prerequisite]) -> str:
    """Name courses by their titles and ids; of many, the first ones."""
    named = [f"“{each.title}” ({each.course_id})" for each in prerequisites[:_MOST_NAMES]]
    others = len(prerequisites) - len(named)
    return ", ".join(named) + (f" and {others} more" if others else "")


def for_learners(tree: CourseTree, now: Instant) -> CourseTree:
    """Return a course with those prerequisites alone that can be completed; the others may not exist for a learner."""
    asked = tuple(each.course_id for each in tree.prerequisites if withdrawn_because(each, now) is None)
    return msgspec.structs.replace(tree, course=msgspec.structs.replace(tree.course, prerequisites=asked))


def for_staff(tree: CourseTree, now: Instant) -> CourseTree:
    """Return a course with warnings about the prerequisites that not every learner can complete."""
    warnings = (_warning(each, now) for each in tree.prerequisites)
    return msgspec.structs.replace(tree, warnings=tuple(warning for warning in warnings if warning is not None))


def _warning(prerequisite: Prerequisite, now: Instant) -> str | None:
    course = names([prerequisite])
    reason = withdrawn_because(prerequisite, now)
    if reason is not None:
        return f"{course} {reason}: learners are not asked for it"
    if _is_closed(prerequisite, now):
        return f"enrollment in {course} has closed: only learners who are enrolled in it are asked for it"
    if not prerequisite.has_units:
        return f"{course} has no units yet: nobody can complete it"
    return None


def _is_closed(prerequisite: Prerequisite, now: Instant) -> bool:
    """Return whether nobody can enroll any more."""
    return prerequisite.enroll_until is not None and prerequisite.enroll_until <= now
