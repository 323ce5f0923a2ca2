"""Lines of Open edX tracking logs: which event each is, or why it is none."""

import re
from typing import Any

import pytest

from headway.importers.log_model import LogEvent, Parsed, Place, Reason, Refusal
from headway.importers.log_site import Site
from headway.importers.openedx_tracking import parse_line
from headway.importers.openedx_video import PlayedParts
from headway.instants import MINUTE, parse
from tests.unit.openedx_lines import (
    AT,
    COURSE,
    NOT_TAKEN,
    PAGE,
    PROBLEM,
    SEQUENTIAL,
    TAKEN,
    VERTICAL,
    VIDEO,
    browser_line,
    encode,
    server_line,
    video_line,
)


def event(line: dict[str, Any], source: str | None = None) -> LogEvent:
    parsed: Parsed = parse_line(encode(line), Site(source))
    assert isinstance(parsed, LogEvent), parsed
    return parsed


@pytest.mark.parametrize(("line", "activity_type"), TAKEN.values(), ids=TAKEN)
def test_every_type_that_tells_of_learning_is_taken(line: dict[str, Any], activity_type: str) -> None:
    found = event(line)

    assert found.activity_type == activity_type
    assert (found.courses, found.at, found.user.external_ids) == ((COURSE,), parse(AT), ("ines",))
    assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9][a-z0-9_]*)?", found.part_type or activity_type)
    assert "Personal" not in str(found)


@pytest.mark.parametrize(("line", "reason"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_what_is_not_taken_has_a_reason(line: dict[str, Any], reason: str) -> None:
    refused = parse_line(encode(line))

    assert isinstance(refused, Refusal)
    assert refused.reason is Reason[reason]


@pytest.mark.parametrize(
    "line", [b"{", b"[1]", b"null", b"\xff", b'{"name": 5}', b"[" * 100_000, b'{"name":"a","time":"b","context":[]}']
)
def test_what_is_no_event_is_refused(line: bytes) -> None:
    assert isinstance(parse_line(line), Refusal)


def test_the_same_event_has_the_same_id_in_both_forms_of_a_line() -> None:
    data = {"id": "v1", "currentTime": 5}
    logged = browser_line("play_video", data)
    sent = {
        "name": "play_video",
        "timestamp": AT.replace("+00:00", "Z"),
        "data": data,
        "context": {"user_id": 31, "username": "ines", "course_id": COURSE, "session": "5c1d"},
    }

    assert event(logged).event_id == event(sent).event_id
    assert event(logged).event_id != event(browser_line("play_video", data | {"currentTime": 6})).event_id


def test_the_platform_does_not_change_the_id_of_an_event() -> None:
    line = video_line("play_video")

    assert event(line).event_id == event(line, "https://north.example").event_id


def test_a_learner_is_whom_the_data_name_and_not_who_made_the_request() -> None:
    line = server_line("edx.grades.problem.submitted", {"user_id": "44", "problem_id": PROBLEM})

    assert event(line, "north").user.external_ids == ("north:44",)
    assert isinstance(parse_line(encode(line)), Refusal)


def test_a_user_is_looked_for_with_the_platform_first_and_by_an_address() -> None:
    line = browser_line("play_video", {"id": "v"}, username="ines@north.example")

    found = event(line, "north").user

    assert found.external_ids == ("north:ines@north.example", "north:31", "ines@north.example")
    assert found.email == "ines@north.example"


def test_what_an_event_is_of_comes_before_the_pages_around_it() -> None:
    assert event(video_line("play_video")).places == (Place(VIDEO), Place(VERTICAL, is_whole=False))
    assert event(TAKEN["problem_check"][0]).places == (Place(PROBLEM), Place(VERTICAL, is_whole=False))
    assert event(TAKEN["edx.ui.lms.sequence.next_selected"][0]).places[0] == Place(SEQUENTIAL)
    assert event(TAKEN["edx.ui.lms.outline.selected"][0]).places[0] == Place(SEQUENTIAL)
    assert event(TAKEN["edx.forum.thread.viewed"][0]).places == ()
    in_browser = event(TAKEN["problem_check in a browser"][0]).places
    assert in_browser[0] == Place(PROBLEM.replace("cells", "0123456789abcdef0123456789abcdef"))
    assert event(TAKEN["problem_check in a browser, without data"][0]).places == (Place(VERTICAL, is_whole=False),)


def test_a_course_of_coaches_keeps_its_own_name() -> None:
    course = "ccx-v1:NorthU+BIO1+2026+ccx@7"
    line = browser_line("play_video", {"id": "v1"}, context={"user_id": 31, "course_id": course}, page=None, referer=None)

    found = event(line)

    assert found.courses == (course,)
    assert found.places == (Place("ccx-block-v1:NorthU+BIO1+2026+ccx@7+type@video+block@v1"),)


def test_a_course_is_found_in_the_address_of_the_page() -> None:
    line = browser_line("edx.ui.lms.link_clicked", {"target_url": PAGE}, context={"user_id": 31})

    assert event(line).courses == (COURSE,)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("problem_check", (2.0, 4.0)),
        ("edx.grades.problem.submitted", (1.0, 2.0)),
        ("edx.grades.problem.submitted without a maximum", None),
        ("edx.grades.subsection.grade_calculated", (3.0, 4.0)),
        ("play_video", None),
    ],
)
def test_a_score_is_read_with_its_maximum(name: str, score: tuple[float, float] | None) -> None:
    assert event(TAKEN[name][0]).score == score


def test_an_exam_takes_the_time_since_it_was_begun_at_the_most_what_it_may_take() -> None:
    found = event(TAKEN["edx.special_exam.timed.attempt.submitted"][0])

    assert found.started_at == found.at - 20 * MINUTE
    assert event(TAKEN["edx.special_exam.timed.attempt.created"][0]).started_at is None


def test_a_page_view_takes_no_time() -> None:
    assert {event(line).started_at for name, (line, _) in TAKEN.items() if "submitted" not in name} == {None}


Step = tuple[str, float, dict[str, Any]]


def played(*steps: Step) -> list[tuple[float, float]]:
    """Follow the events of a player, each with the seconds after the first one; return the parts that were played."""
    player, found = PlayedParts(), []
    for name, second, data in steps:
        at = f"2026-11-05T10:{int(second) // 60:02}:{second % 60:06.3f}Z"
        added = player.follow(event(video_line(name, **data) | {"time": at}))
        if added is not None:
            assert added.activity_type == "video_progress"
            assert added.segment is not None
            found.append(added.segment)
    return found


PLAY, PAUSE = "play_video", "pause_video"


@pytest.mark.parametrize(
    ("steps", "parts"),
    [
        ([(PLAY, 0, {"currentTime": 0}), (PAUSE, 30, {"currentTime": 30})], [(0, 30)]),
        ([(PLAY, 0, {"currentTime": 0}), (PAUSE, 30, {"currentTime": 60})], [(0, 60)]),
        ([(PLAY, 0, {"currentTime": 0}), (PAUSE, 30, {"currentTime": 63})], []),
        ([(PLAY, 0, {"currentTime": 0}), (PAUSE, 300, {"currentTime": 30})], [(0, 30)]),
        ([(PLAY, 0, {"currentTime": 40}), (PAUSE, 30, {"currentTime": 30})], []),
        ([(PAUSE, 30, {"currentTime": 30})], []),
        ([(PLAY, 0, {"currentTime": 0}), (PLAY, 50, {"currentTime": 90}), (PAUSE, 60, {"currentTime": 100})], [(90, 100)]),
        (
            [
                (PLAY, 0, {"currentTime": 0}),
                ("seek_video", 20, {"old_time": 20, "new_time": 90}),
                (PAUSE, 40, {"currentTime": 110}),
            ],
            [(0, 20), (90, 110)],
        ),
        ([("seek_video", 20, {"old_time": 20, "new_time": 90}), (PAUSE, 40, {"currentTime": 110})], []),
        ([(PLAY, 0, {"currentTime": 0}), ("load_video", 10, {}), (PAUSE, 30, {"currentTime": 30})], []),
        ([(PLAY, 0, {"currentTime": 190}), ("stop_video", 11, {"currentTime": 200.5})], [(190, 200)]),
        ([(PLAY, 0, {"currentTime": 0, "duration": None}), (PAUSE, 30, {"currentTime": 30, "duration": None})], []),
        ([(PLAY, 30, {"currentTime": 0}), (PAUSE, 0, {"currentTime": 30})], []),
        ([(PLAY, 0, {"currentTime": "a"}), (PAUSE, 30, {"currentTime": -5})], []),
    ],
)
def test_a_part_was_played_if_the_player_had_the_time_for_it(steps: list[Step], parts: list[tuple[float, float]]) -> None:
    assert played(*steps) == parts


def test_what_was_played_is_study_time_without_the_pauses_of_the_player() -> None:
    player = PlayedParts()
    player.follow(event(video_line(PLAY, currentTime=0) | {"time": "2026-11-05T10:00:00Z"}))

    added = player.follow(event(video_line(PAUSE, currentTime=30) | {"time": "2026-11-05T10:02:00Z"}))

    assert added is not None
    assert added.started_at == parse("2026-11-05T10:01:30Z")
    assert added.video_duration == 200


def test_a_part_has_the_same_id_in_every_run() -> None:
    def ids() -> list[str]:
        player = PlayedParts()
        lines = [video_line(PLAY, currentTime=0), video_line(PAUSE, currentTime=30) | {"time": "2026-11-05T10:00:00Z"}]
        return [added.event_id for line in lines if (added := player.follow(event(line))) is not None]

    assert ids() == ids()
    assert len(ids()) == 1


def test_sessions_are_told_apart() -> None:
    player = PlayedParts()
    player.follow(event(video_line(PLAY, currentTime=0)))

    other = video_line(PAUSE, currentTime=30) | {"time": "2026-11-05T10:00:00Z", "session": "other"}

    assert player.follow(event(other)) is None
