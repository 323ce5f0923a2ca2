"""The status machine of an enrollment."""

from enum import StrEnum


class EnrollmentStatus(StrEnum):
    """The status of an enrollment, in the words of the course-room contract."""

    ENROLLED = "ENROLLED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CERTIFIED = "CERTIFIED"
    DROPPED = "DROPPED"
    EXPIRED = "EXPIRED"


_S = EnrollmentStatus

TRANSITIONS: dict[EnrollmentStatus, frozenset[EnrollmentStatus]] = {
    _S.ENROLLED: frozenset({_S.IN_PROGRESS, _S.DROPPED, _S.EXPIRED}),
    _S.IN_PROGRESS: frozenset({_S.COMPLETED, _S.DROPPED, _S.EXPIRED}),
    _S.COMPLETED: frozenset({_S.CERTIFIED, _S.DROPPED, _S.EXPIRED}),
    _S.CERTIFIED: frozenset(),
    _S.DROPPED: frozenset({_S.ENROLLED, _S.IN_PROGRESS, _S.COMPLETED, _S.EXPIRED}),
    _S.EXPIRED: frozenset({_S.DROPPED}),
}
"""From DROPPED a learner who enrolls again takes up the status that was earned before."""

OPEN = frozenset({_S.ENROLLED, _S.IN_PROGRESS, _S.COMPLETED, _S.CERTIFIED})
"""Those who have access to the course and hold a seat in it."""


LIMITED = frozenset({_S.ENROLLED, _S.IN_PROGRESS})
"""Those whose access ends when the course's days of access are over."""

BY_STAFF = frozenset({_S.CERTIFIED, _S.EXPIRED, _S.DROPPED})
"""What staff may set; the others follow from what the learner does."""


def can_become(current: EnrollmentStatus, target: EnrollmentStatus) -> bool:
    """Return whether the status machine allows the step."""
    return target in TRANSITIONS[current]


def after_activity(current: EnrollmentStatus, *, all_required_complete: bool) -> EnrollmentStatus:
    """Move on with the first activity, and to COMPLETED once every required unit is complete; never back."""
    if current in {_S.ENROLLED, _S.IN_PROGRESS}:
        return _S.COMPLETED if all_required_complete else _S.IN_PROGRESS
    return current


def earned(*, has_activity: bool, was_completed: bool) -> EnrollmentStatus:
    """Return the status with which somebody resumes who enrolls again."""
    if was_completed:
        return _S.COMPLETED
    return _S.IN_PROGRESS if has_activity else _S.ENROLLED
