"""Announcements: what happens to learners and is sent to webhooks. Their fields are ids and numbers, no names or addresses."""

from enum import StrEnum
from typing import ClassVar

import msgspec

from headway.feed.model import Id, OptionalId, Rendered


class EventType(StrEnum):
    """The type of what is sent, as receivers know it. TEST is sent to anybody who asks for it."""

    ENROLLMENT_CREATED = "enrollment.created"
    ENROLLMENT_DROPPED = "enrollment.dropped"
    ENROLLMENT_EXPIRED = "enrollment.expired"
    WAITING_LIST_JOINED = "waiting_list.joined"
    WAITING_LIST_MOVED = "waiting_list.moved"
    WAITING_LIST_LEFT = "waiting_list.left"
    WAITING_LIST_MOVED_UP = "waiting_list.moved_up"
    UNIT_COMPLETED = "unit.completed"
    MODULE_COMPLETED = "module.completed"
    COURSE_COMPLETED = "course.completed"
    PROGRESS_RESET = "progress.reset"
    PROGRESS_RESTORED = "progress.restored"
    CERTIFICATE_ISSUED = "certificate.issued"
    SUBMISSION_RECEIVED = "submission.received"
    SUBMISSION_GRADED = "submission.graded"
    TEST = "webhook.test"


SUBSCRIBABLE = tuple(sorted(each.value for each in EventType if each is not EventType.TEST))
"""What webhooks can subscribe to."""


class Announcement(Rendered, frozen=True, kw_only=True):
    """Something that happened to a learner in a course. The fields of a subclass are sent beside those of this one."""

    type: ClassVar[EventType]
    learner_id: Id
    course_id: Id


class Enrolled(Announcement, frozen=True, kw_only=True):
    """A learner has got a seat."""

    type = EventType.ENROLLMENT_CREATED
    is_resumed: bool = msgspec.field(default=False, name="resumed")
    """Whether the learner had left the course before, and goes on with what was earned."""


class Dropped(Announcement, frozen=True):
    """A learner has left, or was removed by staff."""

    type = EventType.ENROLLMENT_DROPPED


class Expired(Announcement, frozen=True):
    """The access has run out, or was ended by staff."""

    type = EventType.ENROLLMENT_EXPIRED


class JoinedWaitingList(Announcement, frozen=True, kw_only=True):
    """A learner waits for a seat; the first in line has position 1."""

    type = EventType.WAITING_LIST_JOINED
    position: int


class MovedInWaitingList(Announcement, frozen=True, kw_only=True):
    """Staff have moved a learner to another position; those in between have moved by one."""

    type = EventType.WAITING_LIST_MOVED
    position: int
    previous_position: int


class LeftWaitingList(Announcement, frozen=True, kw_only=True):
    """A learner waits no more, and has no seat."""

    type = EventType.WAITING_LIST_LEFT
    is_by_staff: bool = msgspec.field(default=False, name="byStaff")
    """Whether staff have removed the learner."""


class MovedUp(Announcement, frozen=True, kw_only=True):
    """A learner who waited has got a seat; `Enrolled` is announced before."""

    type = EventType.WAITING_LIST_MOVED_UP
    is_by_staff: bool = msgspec.field(default=False, name="byStaff")
    """Whether staff have let the learner in; otherwise it was the learner's turn."""


class UnitCompleted(Announcement, frozen=True, kw_only=True):
    """A learner has completed a unit. This is so once for each unit, and once more after each reset of it."""

    type = EventType.UNIT_COMPLETED
    unit_id: Id
    module_id: Id


class ModuleCompleted(Announcement, frozen=True, kw_only=True):
    """All required units of a module are complete, and were not before."""

    type = EventType.MODULE_COMPLETED
    module_id: Id


class CourseCompleted(Announcement, frozen=True):
    """All required units of a course are complete. This is so once for each course, and once more after each reset."""

    type = EventType.COURSE_COMPLETED


class ProgressReset(Announcement, frozen=True, kw_only=True):
    """Staff have reset the progress in a unit, a module or, without either, the course: what was completed of it no longer is.

    Whatever is completed again is announced again.
    """

    type = EventType.PROGRESS_RESET
    reset_id: Id
    module_id: OptionalId
    unit_id: OptionalId
    is_new_attempt: bool = msgspec.field(name="newAttempt")


class ProgressRestored(ProgressReset, frozen=True, kw_only=True):
    """Staff have undone a reset: what was completed before it is so again, without being announced again."""

    type = EventType.PROGRESS_RESTORED


class CertificateIssued(Announcement, frozen=True):
    """Staff have issued the certificate, or another one."""

    type = EventType.CERTIFICATE_ISSUED


class SubmissionReceived(Announcement, frozen=True, kw_only=True):
    """A learner has handed work in."""

    type = EventType.SUBMISSION_RECEIVED
    submission_id: str
    assessment_id: Id


class SubmissionGraded(Announcement, frozen=True, kw_only=True):
    """Staff have graded work, or corrected the grade."""

    type = EventType.SUBMISSION_GRADED
    submission_id: str
    assessment_id: Id
    grade: float
    max_grade: float
