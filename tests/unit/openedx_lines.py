"""Lines of Open edX tracking logs, made after https://docs.openedx.org, one for each type that the platform sends on."""

import json
from typing import Any
from urllib.parse import quote

COURSE = "course-v1:NorthU+BIO1+2026"
KEY = "block-v1:NorthU+BIO1+2026"
PROBLEM = f"{KEY}+type@problem+block@cells"
VIDEO = f"{KEY}+type@video+block@0123456789abcdef0123456789abcdef"
VERTICAL = f"{KEY}+type@vertical+block@page1"
SEQUENTIAL = f"{KEY}+type@sequential+block@lesson1"
PAGE = f"https://learn.north.example/xblock/{VERTICAL}?show_title=0&view=student_view"
POSTS = ("thread", "response", "comment")
AT = "2026-11-05T09:30:00.250000+00:00"


def browser_line(name: str, data: dict[str, Any] | str, **changes: Any) -> dict[str, Any]:
    """A line of `tracking.log` that a browser caused: its event is JSON within JSON."""
    line: dict[str, Any] = {
        "username": "ines", "event_type": name, "name": name, "event_source": "browser", "time": AT, "page": PAGE,
        "session": "5c1d", "ip": "203.0.113.9", "agent": "Browser", "host": "learn.north.example", "referer": PAGE,
        "event": data if isinstance(data, str) else json.dumps(data),
        "context": {"user_id": 31, "course_id": COURSE, "org_id": "NorthU", "path": "/event"},
    }  # fmt: skip
    return line | changes


def server_line(name: str, data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A line as the event bus has it, caused by the server."""
    line: dict[str, Any] = {
        "name": name, "timestamp": AT, "data": data,
        "context": {
            "user_id": 31, "username": "ines", "course_id": COURSE, "session": "5c1d", "event_source": "server",
            "module": {"display_name": "Cells", "usage_key": PROBLEM}, "referer": PAGE,
        },
    }  # fmt: skip
    return line | changes


def video_line(name: str, **data: Any) -> dict[str, Any]:
    return browser_line(name, {"id": VIDEO.rpartition("@")[2], "code": "html5", "duration": 200, **data})


def _exam(kind: str, name: str) -> dict[str, Any]:
    data = {
        "exam_content_id": SEQUENTIAL, "exam_name": "Midterm", "attempt_user_id": 31,
        "attempt_started_at": "2026-11-05T09:00:00+00:00" if name == "submitted" else None,
        "attempt_allowed_time_limit_mins": 20 if name == "submitted" else None,
    }  # fmt: skip
    return server_line(f"edx.special_exam.{kind}.attempt.{name}", data)


def _forum(name: str, **data: Any) -> dict[str, Any]:
    told = {"id": "f00d", "commentable_id": "course", "title": "Who am I?", "body": "<p>Personal</p>", **data}
    return server_line(f"edx.forum.{name}", told)


def _outline(name: str) -> dict[str, Any]:
    target = f"https://learn.north.example/courses/{quote(COURSE)}/jump_to/{quote(SEQUENTIAL)}"
    return browser_line(name, {"target_url": target, "target_name": "Lesson 1", "current_url": PAGE})


def _sequence(name: str) -> dict[str, Any]:
    return browser_line(name, {"id": SEQUENTIAL, "current_tab": 1, "target_tab": 2, "tab_count": 5})


TAKEN: dict[str, tuple[dict[str, Any], str]] = {
    "load_video": (video_line("load_video"), "openedx.load_video"),
    "edx.video.loaded": (video_line("edx.video.loaded"), "openedx.video_loaded"),
    "play_video": (video_line("play_video", currentTime=0.03), "video_play"),
    "edx.video.played": (video_line("edx.video.played", currentTime=0.03), "video_play"),
    "pause_video": (video_line("pause_video", currentTime=60.5), "video_pause"),
    "edx.video.paused": (video_line("edx.video.paused", current_time=60.5), "video_pause"),
    "stop_video": (video_line("stop_video", currentTime=199), "video_pause"),
    "edx.video.stopped": (video_line("edx.video.stopped", current_time=199), "video_pause"),
    "seek_video": (video_line("seek_video", old_time=20, new_time=90, type="onSlideSeek"), "video_seek"),
    "edx.video.position.changed": (video_line("edx.video.position.changed", old_time=20, new_time=90), "video_seek"),
    "complete_video": (video_line("complete_video"), "video_complete"),
    "edx.video.completed": (video_line("edx.video.completed"), "video_complete"),
    "hide_transcript": (video_line("hide_transcript", current_time=3), "openedx.hide_transcript"),
    "edx.video.transcript.hidden": (video_line("edx.video.transcript.hidden"), "openedx.video_transcript_hidden"),
    "show_transcript": (video_line("show_transcript", current_time=3), "openedx.show_transcript"),
    "edx.video.transcript.shown": (video_line("edx.video.transcript.shown"), "openedx.video_transcript_shown"),
    "speed_change_video": (video_line("speed_change_video", old_speed="1.0", new_speed="1.25"), "openedx.speed_change_video"),
    "video_hide_cc_menu": (video_line("video_hide_cc_menu"), "openedx.video_hide_cc_menu"),
    "video_show_cc_menu": (video_line("video_show_cc_menu"), "openedx.video_show_cc_menu"),
    "edx.video.closed_captions.hidden": (
        video_line("edx.video.closed_captions.hidden", duration=None), "openedx.video_closed_captions_hidden",
    ),
    "edx.video.closed_captions.shown": (video_line("edx.video.closed_captions.shown"), "openedx.video_closed_captions_shown"),
    "problem_check": (
        server_line("problem_check", {"problem_id": PROBLEM, "grade": 2, "max_grade": 4, "attempts": 3}),
        "quiz_submit",
    ),
    "problem_check in a browser": (
        browser_line("problem_check", "input_0123456789abcdef0123456789abcdef_2_1=choice_0"), "openedx.problem_check_browser",
    ),
    "problem_check in a browser, without data": (
        {"name": "problem_check", "timestamp": AT, "context": {"username": "ines", "event_source": "browser", "referer": PAGE}},
        "openedx.problem_check_browser",
    ),
    "edx.grades.problem.submitted": (
        server_line("edx.grades.problem.submitted",
                    {"user_id": "31", "problem_id": PROBLEM, "weighted_earned": 1, "weighted_possible": 2}),
        "quiz_submit",
    ),
    "edx.grades.problem.submitted without a maximum": (
        server_line("edx.grades.problem.submitted",
                    {"user_id": "31", "problem_id": PROBLEM, "weighted_earned": 0, "weighted_possible": None}),
        "quiz_submit",
    ),
    "edx.problem.completed": (server_line("edx.problem.completed", {"problem_id": PROBLEM}), "openedx.problem_completed"),
    "edx.problem.hint.demandhint_displayed": (
        server_line("edx.problem.hint.demandhint_displayed", {"module_id": PROBLEM, "hint_index": 1}),
        "openedx.problem_hint_demandhint_displayed",
    ),
    "showanswer": (server_line("showanswer", {"problem_id": PROBLEM}), "openedx.showanswer"),
    "edx.grades.subsection.grade_calculated": (
        server_line("edx.grades.subsection.grade_calculated",
                    {"user_id": "31", "block_id": SEQUENTIAL, "weighted_graded_earned": 3.0, "weighted_graded_possible": 4.0,
                     "event_transaction_type": "edx.grades.problem.submitted"}),
        "quiz_submit",
    ),
    "edx.grades.course.grade_calculated": (
        server_line("edx.grades.course.grade_calculated",
                    {"user_id": "31", "course_id": COURSE, "percent_grade": 0.75, "letter_grade": "Pass",
                     "event_transaction_type": "edx.grades.problem.submitted"}),
        "openedx.grades_course_grade_calculated",
    ),
    **{
        f"edx.course.grade.{name}": (server_line(f"edx.course.grade.{name}", {"user_id": 31}), f"openedx.course_grade_{name}")
        for name in ("now_passed", "now_failed")
    },
    "edx.course.grade.passed.first_time": (
        server_line("edx.course.grade.passed.first_time", {"user_id": 31}), "openedx.course_grade_passed_first_time",
    ),
    "edx.completion.block_completion.changed": (
        server_line("edx.completion.block_completion.changed", {"user_id": 31, "block_id": PROBLEM, "completion": 1.0}),
        "unit_complete",
    ),
    "edx.completion.block_completion.changed in part": (
        server_line("edx.completion.block_completion.changed", {"user_id": 31, "block_id": PROBLEM, "completion": 0.5}),
        "openedx.completion_block_completion_changed",
    ),
    **{
        f"edx.special_exam.{kind}.attempt.{name}": (_exam(kind, name), activity)
        for kind in ("timed", "practice", "proctored")
        for name, activity in (("created", "assessment_start"), ("submitted", "assessment_submit"))
    },
    **{f"edx.forum.{kind}.created": (_forum(f"{kind}.created"), "discussion_post") for kind in POSTS},
    **{
        f"edx.forum.{kind}.{name}": (_forum(f"{kind}.{name}", own_content=True), f"openedx.forum_{kind}_{name}")
        for kind in POSTS
        for name in ("edited", "deleted")
    },
    "edx.forum.thread.viewed": (_forum("thread.viewed"), "discussion_view"),
    "edx.forum.thread.voted": (_forum("thread.voted", vote_value="up"), "openedx.forum_thread_voted"),
    "edx.forum.response.voted": (_forum("response.voted", vote_value="up"), "openedx.forum_response_voted"),
    "edx.ui.lms.link_clicked": (
        browser_line("edx.ui.lms.link_clicked", {"current_url": PAGE, "target_url": "https://example.org"}), "link_click",
    ),
    **{
        name: (_outline(name), "openedx.ui_lms_outline_selected")
        for name in ("edx.ui.lms.outline.selected", "edx.ui.lms.sequence.outline.selected")
    },
    "edx.ui.lms.sequence.next_selected": (
        _sequence("edx.ui.lms.sequence.next_selected"), "openedx.ui_lms_sequence_next_selected",
    ),
    "edx.ui.lms.sequence.previous_selected": (
        _sequence("edx.ui.lms.sequence.previous_selected"), "openedx.ui_lms_sequence_previous_selected",
    ),
    "edx.ui.lms.sequence.tab_selected": (
        _sequence("edx.ui.lms.sequence.tab_selected"), "openedx.ui_lms_sequence_tab_selected",
    ),
    "a type of a block that others made": (
        browser_line("acme.game.level_finished", {"level": 3}), "openedx.acme_game_level_finished",
    ),
}  # fmt: skip
"""A line of each type that is taken, and the activity type under which it is stored."""

_ENROLLED = {"course_id": COURSE, "user_id": 31, "mode": "audit"}
NOT_TAKEN: dict[str, tuple[dict[str, Any], str]] = {
    **{
        f"edx.course.enrollment.{name}": (server_line(f"edx.course.enrollment.{name}", _ENROLLED), "ENROLLMENT")
        for name in ("activated", "deactivated", "mode_changed")
    },
    **{
        f"edx.forum.{kind}.{name}": (_forum(f"{kind}.{name}"), "MODERATION")
        for kind in POSTS
        for name in ("reported", "unreported")
    },
    "a post that staff deleted": (_forum("thread.deleted", own_content=False), "MODERATION"),
    "a completion that is taken back": (
        server_line("edx.completion.block_completion.changed", {"user_id": 31, "block_id": PROBLEM, "completion": 0}), "UNDONE",
    ),
    "a grade that staff changed": (
        server_line("edx.grades.subsection.grade_calculated",
                    {"user_id": "31", "block_id": SEQUENTIAL, "event_transaction_type": "edx.grades.problem.rescored"}),
        "STAFF",
    ),
    "a request": (browser_line(f"/courses/{COURSE}/xblock/{PROBLEM}/handler/xmodule_handler/problem_check", {}), "REQUEST"),
    "a link without a user": (
        browser_line("edx.ui.lms.link_clicked", {}, username="", context={"user_id": None, "course_id": COURSE}), "NO_USER",
    ),
    "a user by a number alone": (
        browser_line("play_video", {"id": "v"}, username="", context={"user_id": 31, "course_id": COURSE}), "NO_USER",
    ),
    "no course": (
        {"name": "edx.forum.searched", "timestamp": AT, "data": {}, "context": {"username": "ines"}}, "NO_COURSE",
    ),
    "no time": (video_line("play_video") | {"time": "yesterday"}, "NO_TIME"),
    "no type": ({"timestamp": AT, "data": {}, "context": {}}, "NOT_AN_EVENT"),
}  # fmt: skip
"""A line of each type that is not taken, and the name of the reason."""


def encode(line: dict[str, Any]) -> bytes:
    return json.dumps(line).encode()
