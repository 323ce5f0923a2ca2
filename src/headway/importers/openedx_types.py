"""Types of Open edX's events: under which activity type each is stored, or why it is not taken."""

from typing import NamedTuple

from headway.importers.log_model import Reason, open_type
from headway.learning.model import ActivityType

NAMESPACE = "openedx"
BY_SUBMITTING = "edx.grades.problem.submitted"
"""An answer with its score, and the cause of the grades that it led to."""


class Kind(NamedTuple):
    """How a type is stored. `part` is its open type where it is about a part of a unit; `of` is what it is about."""

    activity: str
    part: str | None = None
    of: str = ""


def opened(text: str, of: str = "") -> Kind:
    """Return an open type."""
    return Kind(open_type(NAMESPACE, text.removeprefix("edx.")), of=of)


_VIDEO = {
    "played": (ActivityType.VIDEO_PLAY, "play_video"),
    "paused": (ActivityType.VIDEO_PAUSE, "pause_video"),
    "stopped": (ActivityType.VIDEO_PAUSE, "stop_video"),
    "position.changed": (ActivityType.VIDEO_SEEK, "seek_video"),
}
KINDS: dict[str, Kind] = {
    **{f"edx.video.{name}": Kind(kind, of="video") for name, (kind, _) in _VIDEO.items()},
    **{name: Kind(kind, of="video") for kind, name in _VIDEO.values()},
    **dict.fromkeys(
        ("complete_video", "edx.video.completed"),
        Kind(ActivityType.VIDEO_COMPLETE, open_type(NAMESPACE, "complete_video"), "video"),
    ),
    **{
        name: opened(name, "video")
        for name in (
            "load_video", "edx.video.loaded", "hide_transcript", "edx.video.transcript.hidden", "show_transcript",
            "edx.video.transcript.shown", "speed_change_video", "video_hide_cc_menu", "video_show_cc_menu",
            "edx.video.closed_captions.hidden", "edx.video.closed_captions.shown", "edx.video.language_menu.hidden",
            "edx.video.language_menu.shown",
        )
    },
    "problem_check": Kind(ActivityType.QUIZ_SUBMIT, open_type(NAMESPACE, "problem_check"), "problem"),
    BY_SUBMITTING: Kind(ActivityType.QUIZ_SUBMIT, open_type(NAMESPACE, "grades_problem_submitted"), "problem"),
    "edx.problem.completed": opened("problem_completed", "problem"),
    "edx.grades.subsection.grade_calculated": Kind(
        ActivityType.QUIZ_SUBMIT, open_type(NAMESPACE, "grades_subsection_grade_calculated"), "block"
    ),
    "edx.completion.block_completion.changed": Kind(
        ActivityType.UNIT_COMPLETE, open_type(NAMESPACE, "completion_block_completion_changed"), "block"
    ),
    **{
        name: opened(name, "problem")
        for name in (
            "showanswer", "problem_show", "problem_save", "save_problem_success", "problem_reset", "reset_problem",
            "problem_graded", "edx.problem.hint.demandhint_displayed", "edx.problem.hint.feedback_displayed",
        )
    },
    **{
        f"edx.special_exam.{kind}.attempt.{name}": Kind(activity, open_type(NAMESPACE, f"special_exam_{name}"), "exam")
        for kind in ("timed", "practice", "proctored")
        for name, activity in (
            ("created", ActivityType.ASSESSMENT_START),
            ("started", ActivityType.ASSESSMENT_START),
            ("submitted", ActivityType.ASSESSMENT_SUBMIT),
        )
    },
    "openassessmentblock.create_submission": Kind(
        ActivityType.ASSESSMENT_SUBMIT, open_type(NAMESPACE, "openassessmentblock_create_submission"), "problem"
    ),
    **{f"edx.forum.{name}.created": Kind(ActivityType.DISCUSSION_POST) for name in ("thread", "response", "comment")},
    "edx.forum.thread.viewed": Kind(ActivityType.DISCUSSION_VIEW),
    "edx.forum.searched": Kind(ActivityType.SEARCH),
    "edx.course.student_notes.added": Kind(ActivityType.NOTE_CREATE),
    "edx.ui.lms.link_clicked": Kind(ActivityType.LINK_CLICK, of="page"),
    "edx.ui.lms.outline.selected": opened("ui.lms.outline.selected", "target"),
    "edx.ui.lms.sequence.outline.selected": opened("ui.lms.outline.selected", "target"),
    **{
        name: opened(name, "sequence")
        for name in (
            "edx.ui.lms.sequence.next_selected", "edx.ui.lms.sequence.previous_selected", "edx.ui.lms.sequence.tab_selected",
            "seq_next", "seq_prev", "seq_goto",
        )
    },
}  # fmt: skip
"""The types that are known, as https://docs.openedx.org names them, the old names too."""
REFUSED: dict[str, Reason] = {
    "edx.course.enrollment.": Reason.ENROLLMENT,
    "edx.cohort.": Reason.ENROLLMENT,
    "edx.team.": Reason.ENROLLMENT,
    "edx.user.": Reason.ACCOUNT,
    "edx.certificate.": Reason.AWARD,
    "edx.badge": Reason.AWARD,
    "edx.bi.": Reason.UNKNOWN_TYPE,
    "edx.instructor.": Reason.STAFF,
    "edx.librarycontentblock.": Reason.STAFF,
    "edx.grades.problem.rescored": Reason.STAFF,
    "edx.grades.problem.score_overridden": Reason.STAFF,
    "edx.grades.problem.state_deleted": Reason.STAFF,
    "edx.grades.grading_policy_changed": Reason.STAFF,
    "problem_rescore": Reason.STAFF,
    "reset_problem_fail": Reason.UNKNOWN_TYPE,
    "problem_check_fail": Reason.UNKNOWN_TYPE,
    "save_problem_fail": Reason.UNKNOWN_TYPE,
    "page_close": Reason.UNKNOWN_TYPE,
    "add-forum-": Reason.STAFF,
    "remove-forum-": Reason.STAFF,
    "dump-": Reason.STAFF,
    "list-": Reason.STAFF,
}
"""Types that tell of no learning, by how they begin."""
