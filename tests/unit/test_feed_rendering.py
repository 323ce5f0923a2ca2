"""The JSON of feed entries, byte for byte: stored entries are read by clients as they were written."""

import pytest

from headway.feed import model
from headway.feed.model import (
    PERSONAL_TYPES,
    CourseUpdated,
    EnrollmentUpdated,
    FeedEvent,
    GradeGiven,
    MessageSent,
    MessagesRead,
    ProgressReset,
    ProgressUpdated,
    SeatTaken,
    SubmissionReceived,
    TutorialUpdated,
    UnitUpdated,
)
from tests.world import NOON

ENROLLED = '{"courseId":"7","title":"Engines","learnerId":"5","status":"ENROLLED","enrolledAt":"2026-01-01T12:00:00.000Z"}'
RENDERED: list[tuple[FeedEvent, str, str]] = [
    (
        MessageSent("m", 5, 6, "Hi", NOON),
        "message",
        '{"id":"m","senderId":"5","receiverId":"6","message":"Hi","createdAt":"2026-01-01T12:00:00.000Z"}',
    ),
    (MessagesRead(5, 6, None), "messages_read", '{"readerId":"5","senderId":"6","messageId":null}'),
    (EnrollmentUpdated(7, "Engines", 5, "ENROLLED", NOON), "enrollment.updated", ENROLLED),
    (SeatTaken(7, "Engines", 5, "ENROLLED", NOON), "seat", ENROLLED),
    (
        ProgressUpdated(NOON, "7", "5", "IN_PROGRESS", 33.33, [UnitUpdated("9", "COMPLETED", 100.0)]),
        "progress.updated",
        (
            '{"version":1767268800000,"courseId":"7","learnerId":"5","status":"IN_PROGRESS","completionPercentage":33.33,'
            '"units":[{"unitId":"9","status":"COMPLETED","percent":100.0}]}'
        ),
    ),
    (
        ProgressReset(7, "Engines", 5, 3, None, 9, is_new_attempt=False, is_undone=True),
        "progress.reset",
        (
            '{"courseId":"7","title":"Engines","learnerId":"5","resetId":"3","moduleId":null,"unitId":"9",'
            '"newAttempt":false,"undone":true}'
        ),
    ),
    (CourseUpdated(7), "course.updated", '{"courseId":"7"}'),
    (
        SubmissionReceived("s", 3, "Essay", 7, 5, "https://github.com/a/b"),
        "submission",
        (
            '{"submissionId":"s","assessmentId":"3","title":"Essay","courseId":"7","learnerId":"5",'
            '"submissionUrl":"https://github.com/a/b"}'
        ),
    ),
    (
        GradeGiven("s", 3, "Essay", 7, 5, 80.5, 100.0, None),
        "grade",
        (
            '{"submissionId":"s","assessmentId":"3","title":"Essay","courseId":"7","learnerId":"5",'
            '"grade":80.5,"maxGrade":100.0,"feedback":null}'
        ),
    ),
    (
        TutorialUpdated("t", 50, True, False),
        "tutorial.updated",
        '{"tutorialId":"t","completionPercentage":50,"certificateEligible":true,"certificateEarned":false}',
    ),
]


@pytest.mark.parametrize(("event", "type_", "text"), RENDERED, ids=[type_ for _, type_, _ in RENDERED])
def test_an_event_is_written_as_its_readers_know_it(event: FeedEvent, type_: str, text: str) -> None:
    assert (event.type, event.render()) == (type_, text)


def test_every_kind_of_event_is_rendered_and_personal_ones_are_encrypted() -> None:
    kinds = {each for each in vars(model).values() if isinstance(each, type) and issubclass(each, FeedEvent)} - {FeedEvent}

    assert {type(event) for event, _, _ in RENDERED} == kinds
    assert {kind.type for kind in kinds if kind.is_personal} == PERSONAL_TYPES == {"message", "grade", "submission"}
