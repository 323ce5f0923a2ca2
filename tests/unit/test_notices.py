"""What server processes tell each other: which lines a commit makes, and how they fit into payloads."""

from headway.feed import notices
from headway.feed.model import CourseUpdated, NewFeedEntry, ProgressUpdated, UnitUpdated, new_entries
from headway.feed.notices import MAX_PAYLOAD_BYTES, Notice
from tests.world import NOON


def progress(learner_id: int, units: int = 1) -> ProgressUpdated:
    updated = [UnitUpdated(str(number), "COMPLETED", 100.0) for number in range(units)]
    return ProgressUpdated(NOON, "7", str(learner_id), "IN_PROGRESS", 50.0, updated)


def told(*entries: NewFeedEntry, missed: tuple[str, ...] = ()) -> list[Notice]:
    return [notice for payload in notices.payloads(entries, NOON, missed=missed) for notice in notices.read(payload)]


def test_one_message_serves_all_topics_of_an_event() -> None:
    (notice,) = told(*new_entries(progress(5), "user:5", "course:7"))

    assert notice.topics == ["user:5", "course:7"]
    assert notice.message == (
        '{"type":"progress.updated","at":"2026-01-01T12:00:00.000Z","data":{"version":1767268800000,"courseId":"7","learnerId":"5",'
        '"status":"IN_PROGRESS","completionPercentage":50.0,"units":[{"unitId":"0","status":"COMPLETED","percent":100.0}]}}'
    )


def test_a_topic_with_several_entries_is_told_once() -> None:
    entries = [NewFeedEntry("course:7", CourseUpdated(7)), NewFeedEntry("course:7", CourseUpdated(7))]

    assert told(*entries, NewFeedEntry("user:5", CourseUpdated(7))) == [Notice(["course:7"]), Notice(["user:5"])]


def test_messages_keep_their_order() -> None:
    messages = told(*(NewFeedEntry("course:7", progress(learner_id)) for learner_id in (9, 3, 5)))

    assert [(notice.message or "").partition('learnerId":"')[2][0] for notice in messages] == ["9", "3", "5"]


def test_no_payload_is_larger_than_postgresql_takes_and_nothing_is_lost() -> None:
    entries = [
        entry for learner_id in range(1, 2_001) for entry in new_entries(progress(learner_id), f"user:{learner_id}", "course:7")
    ]
    packed = notices.payloads(entries, NOON, missed=[f"user:{number}" for number in range(5_000, 9_000)])
    read = [notice for payload in packed for notice in notices.read(payload)]

    assert max(len(payload.encode()) for payload in packed) <= MAX_PAYLOAD_BYTES
    assert [notice.topics for notice in read if notice.message] == [
        [f"user:{number}", "course:7"] for number in range(1, 2_001)
    ]
    assert [notice.topics for notice in read if notice.is_gap] == [[f"user:{number}"] for number in range(5_000, 9_000)]
    # They are filled as far as the next line allows.
    longest = max(len(line) for payload in packed for line in payload.split("\n"))
    assert min(len(payload) for payload in packed[:-1]) > MAX_PAYLOAD_BYTES - longest - 1


def test_an_event_of_just_the_largest_size_is_told_and_a_larger_one_is_missed() -> None:
    room = MAX_PAYLOAD_BYTES - len(notices.payloads([NewFeedEntry("user:5", progress(5, 100))], NOON)[0])
    fits, exceeds = ("x" * (room + extra) for extra in (len("IN_PROGRESS"), len("IN_PROGRESS") + 1))
    events = [ProgressUpdated(NOON, "7", "5", status, 50.0, progress(5, 100).units) for status in (fits, exceeds)]

    assert [len(payload) for payload in notices.payloads([NewFeedEntry("user:5", events[0])], NOON)] == [MAX_PAYLOAD_BYTES]
    assert told(NewFeedEntry("user:5", events[1]), NewFeedEntry("course:7", events[1])) == [
        Notice(["user:5"], is_gap=True),
        Notice(["course:7"], is_gap=True),
    ]


def test_nothing_makes_no_payload() -> None:
    assert notices.payloads([], NOON) == []
