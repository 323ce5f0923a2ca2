"""The status of an enrollment: which ones there are, what leads from one to another, and what staff may set."""

from enum import StrEnum
from typing import NamedTuple

from headway.errors import Invalid
from headway.text import split_url


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
"""From DROPPED a learner who enrolls again takes up the status that was earned before; so does one whose access is renewed."""

OPEN = frozenset({_S.ENROLLED, _S.IN_PROGRESS, _S.COMPLETED, _S.CERTIFIED})
"""Those who have access to the course and hold a seat in it."""

LIMITED = frozenset({_S.ENROLLED, _S.IN_PROGRESS})
"""Those whose access ends by itself: at their own time, or when the course's days of access are over."""

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


FINISHED = frozenset({EnrollmentStatus.COMPLETED, EnrollmentStatus.CERTIFIED})


class StatusChange(NamedTuple):
    """What staff set of an enrollment."""

    status: EnrollmentStatus
    certificate_url: str | None = None


def check_status_change(change: StatusChange) -> None:
    """Reject a status that staff do not set, and a certificate without CERTIFIED or with a bad URL. Raises Invalid."""
    if change.status not in BY_STAFF:
        raise Invalid.field("status", f"must be one of {', '.join(sorted(BY_STAFF))}")
    if change.certificate_url is not None:
        if change.status is not EnrollmentStatus.CERTIFIED:
            raise Invalid.field("certificate_url", "goes with the status CERTIFIED only")
        check_certificate_url(change.certificate_url)


def check_certificate_url(url: str) -> None:
    """Reject the URL of a certificate that is not safe to show as a link. Raises Invalid."""
    try:
        split_url(url)
    except ValueError as error:
        raise Invalid.field("certificate_url", str(error)) from error
