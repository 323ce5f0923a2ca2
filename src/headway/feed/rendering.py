"""How events of the feed are written: as JSON, with ids as strings and times as ISO 8601."""

from collections.abc import Callable
from typing import Any

import msgspec

from headway.feed.model import (
    CourseUpdated,
    EnrollmentUpdated,
    FeedEvent,
    GradeGiven,
    MessageSent,
    MessagesRead,
    ProgressUpdated,
    SeatTaken,
    SubmissionReceived,
    TutorialUpdated,
)
from headway.instants import iso

_encode = msgspec.json.Encoder().encode


def render(event: FeedEvent) -> str:
    """Return the JSON of an event."""
    return _encode(_RENDERERS[type(event)](event)).decode()


def _message_sent(event: MessageSent) -> dict[str, object]:
    return {
        "id": event.id,
        "senderId": str(event.sender_id),
        "receiverId": str(event.receiver_id),
        "message": event.message,
        "createdAt": iso(event.created_at),
    }


def _messages_read(event: MessagesRead) -> dict[str, object]:
    return {"readerId": str(event.reader_id), "senderId": str(event.sender_id), "messageId": event.message_id}


def _enrollment_updated(event: EnrollmentUpdated) -> dict[str, object]:
    return {
        "courseId": str(event.course_id),
        "title": event.title,
        "learnerId": str(event.learner_id),
        "status": event.status,
        "enrolledAt": iso(event.enrolled_at),
    }


def _progress_updated(event: ProgressUpdated) -> dict[str, object]:
    return {
        "courseId": str(event.course_id),
        "learnerId": str(event.learner_id),
        "status": event.status,
        "completionPercentage": event.percent / 100,
        "units": [{"unitId": str(unit.unit_id), "status": unit.status, "percent": unit.percent / 100} for unit in event.units],
    }


def _course_updated(event: CourseUpdated) -> dict[str, object]:
    return {"courseId": str(event.course_id)}


def _submission(event: SubmissionReceived | GradeGiven) -> dict[str, object]:
    return {
        "submissionId": event.submission_id,
        "assessmentId": str(event.assessment_id),
        "title": event.title,
        "courseId": str(event.course_id),
        "learnerId": str(event.learner_id),
    }


def _submission_received(event: SubmissionReceived) -> dict[str, object]:
    return {**_submission(event), "submissionUrl": event.submission_url}


def _grade_given(event: GradeGiven) -> dict[str, object]:
    return {**_submission(event), "grade": event.grade, "maxGrade": event.max_grade, "feedback": event.feedback}


def _tutorial_updated(event: TutorialUpdated) -> dict[str, object]:
    return {
        "tutorialId": event.tutorial_id,
        "completionPercentage": event.percent,
        "certificateEligible": event.is_certificate_eligible,
        "certificateEarned": event.is_certificate_earned,
    }


_RENDERERS: dict[type[FeedEvent], Callable[[Any], dict[str, object]]] = {
    MessageSent: _message_sent,
    MessagesRead: _messages_read,
    EnrollmentUpdated: _enrollment_updated,
    SeatTaken: _enrollment_updated,
    ProgressUpdated: _progress_updated,
    CourseUpdated: _course_updated,
    SubmissionReceived: _submission_received,
    GradeGiven: _grade_given,
    TutorialUpdated: _tutorial_updated,
}
