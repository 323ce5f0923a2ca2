"""Records of Moodle's logs, made after its documentation and that of its plugin logstore_xapi, one for each type of event."""

from typing import Any

SITE = "https://moodle.north.example"
TIME = 1_793_871_000
"""2026-11-05T09:30:00Z"""
PARTICIPATING, TEACHING, OTHER = 2, 1, 0

MODULES = (
    "assign", "book", "chat", "choice", "data", "facetoface", "feedback", "folder", "forum", "glossary", "imscp", "lesson",
    "lti", "page", "questionnaire", "quiz", "resource", "scorm", "survey", "url", "wiki", "workshop",
)  # fmt: skip
TAKEN: dict[str, str] = {
    "core\\course_viewed": "course_view",
    "core\\course_module_completion_updated": "unit_complete",
    "core\\course_completed": "moodle.course_completed",
    "core\\course_resources_list_viewed": "moodle.course_resources_list_viewed",
    "core\\search_results_viewed": "search",
    "core_h5p\\h5p_viewed": "unit_view",
    **{f"mod_{module}\\course_module_viewed": "unit_view" for module in MODULES},
    "mod_assign\\assessable_submitted": "assessment_submit",
    "mod_assign\\feedback_viewed": "moodle.feedback_viewed",
    "mod_assign\\submission_viewed": "moodle.submission_viewed",
    "mod_bigbluebuttonbn\\live_session_event": "moodle.live_session_event",
    "mod_bigbluebuttonbn\\meeting_joined": "moodle.meeting_joined",
    "mod_bigbluebuttonbn\\meeting_left": "moodle.meeting_left",
    "mod_bigbluebuttonbn\\recording_viewed": "moodle.recording_viewed",
    "mod_book\\chapter_viewed": "moodle.chapter_viewed",
    "mod_choice\\answer_created": "moodle.answer_created",
    "mod_feedback\\response_submitted": "moodle.response_submitted",
    "mod_forum\\discussion_created": "discussion_post",
    "mod_forum\\discussion_viewed": "discussion_view",
    "mod_forum\\post_created": "discussion_post",
    "mod_forum\\post_deleted": "moodle.post_deleted",
    "mod_forum\\post_updated": "moodle.post_updated",
    "mod_glossary\\comment_created": "moodle.comment_created",
    "mod_glossary\\comment_deleted": "moodle.comment_deleted",
    "mod_glossary\\entry_viewed": "moodle.entry_viewed",
    "mod_lesson\\content_page_viewed": "moodle.content_page_viewed",
    "mod_lesson\\lesson_ended": "moodle.lesson_ended",
    "mod_lesson\\lesson_restarted": "moodle.lesson_restarted",
    "mod_lesson\\lesson_resumed": "moodle.lesson_resumed",
    "mod_lesson\\lesson_started": "moodle.lesson_started",
    "mod_lesson\\question_answered": "moodle.question_answered",
    "mod_lesson\\question_viewed": "moodle.question_viewed",
    "mod_questionnaire\\attempt_resumed": "moodle.attempt_resumed",
    "mod_questionnaire\\attempt_saved": "moodle.attempt_saved",
    "mod_questionnaire\\attempt_submitted": "moodle.attempt_submitted",
    "mod_quiz\\attempt_reviewed": "moodle.attempt_reviewed",
    "mod_quiz\\attempt_started": "quiz_start",
    "mod_quiz\\attempt_submitted": "quiz_submit",
    "mod_quiz\\attempt_viewed": "moodle.attempt_viewed",
    "mod_scorm\\sco_launched": "moodle.sco_launched",
    "mod_scorm\\scoreraw_submitted": "moodle.scoreraw_submitted",
    "mod_scorm\\status_submitted": "moodle.status_submitted",
    "mod_survey\\response_submitted": "moodle.response_submitted",
    "mod_wiki\\comment_created": "moodle.comment_created",
    "mod_wiki\\comment_deleted": "moodle.comment_deleted",
    "mod_wiki\\comments_viewed": "moodle.comments_viewed",
    "mod_wiki\\page_viewed": "moodle.page_viewed",
}  # fmt: skip
"""The events that are taken, and the activity type under which they are stored."""
NOT_TAKEN: dict[str, str] = {
    **dict.fromkeys(("core\\badge_awarded", "core\\badge_revoked", "core\\badge_updated", "core\\badge_viewed"), "AWARD"),
    **{f"tool_certificate\\certificate_{name}": "AWARD" for name in ("issued", "revoked", "verified")},
    **{f"core\\calendar_{name}": "ACCOUNT" for name in (
        "event_created", "event_deleted", "event_updated", "subscription_created", "subscription_deleted",
        "subscription_updated",
    )},
    **{f"core\\{name}": "CATALOGUE" for name in (
        "course_category_created", "course_completion_updated", "course_created", "course_module_created",
        "course_section_created", "course_updated", "question_created", "questions_imported",
    )},
    **{f"core\\{name}": "ENROLLMENT" for name in (
        "group_created", "group_deleted", "group_member_added", "group_member_removed", "group_message_sent",
        "user_enrolment_created", "user_enrolment_deleted", "user_enrolment_updated",
    )},
    **{f"core\\message_{name}": "ACCOUNT" for name in ("sent", "viewed")},
    **{f"core\\user_{name}": "ACCOUNT" for name in ("created", "loggedin", "loggedout")},
    **{f"core\\{name}": "STAFF" for name in ("note_created", "note_updated", "notes_viewed", "user_loggedinas")},
    **{f"mod_assign\\submission_{name}": "STAFF" for name in ("graded", "locked", "unlocked")},
    **{f"mod_bigbluebuttonbn\\{name}": "STAFF" for name in (
        "activity_management_viewed", "meeting_created", "meeting_ended", "recording_deleted", "recording_edited",
        "recording_imported", "recording_protected", "recording_published", "recording_unprotected", "recording_unpublished",
    )},
    "mod_book\\chapter_created": "CATALOGUE",
    "mod_facetoface\\signup_success": "ENROLLMENT",
    "mod_facetoface\\cancel_booking": "ENROLLMENT",
    **{f"mod_forum\\{name}": "ACCOUNT" for name in (
        "discussion_subscription_created", "discussion_subscription_deleted", "subscription_created", "subscription_deleted",
    )},
    "mod_forum\\user_report_viewed": "REPORT",
    "mod_lesson\\essay_assessed": "STAFF",
    "mod_questionnaire\\all_responses_viewed": "REPORT",
    "mod_quiz\\attempt_becameoverdue": "STAFF",
    "mod_quiz\\question_manually_graded": "STAFF",
    "mod_survey\\report_viewed": "REPORT",
    "tool_usertours\\tour_ended": "ACCOUNT",
    "totara_program\\program_assigned": "ENROLLMENT",
    "local_other\\something_happened": "UNKNOWN_TYPE",
}  # fmt: skip
"""The events that are not taken, and the name of the reason."""


def class_of(name: str) -> str:
    component, _, event = name.partition("\\")
    return f"\\{component}\\event\\{event}"


def row(name: str, **changes: Any) -> dict[str, Any]:
    """A row of `logstore_standard_log`."""
    component = name.partition("\\")[0]
    is_activity = component.startswith("mod_") or name.endswith(("completion_updated", "h5p_viewed"))
    found: dict[str, Any] = {
        "id": 700, "eventname": class_of(name), "component": component, "userid": 31, "courseid": 8, "relateduserid": None,
        "contextlevel": 70 if is_activity else 50, "contextinstanceid": 51 if is_activity else 8, "objectid": 9,
        "other": 'a:2:{s:10:"overrideby";N;s:15:"completionstate";i:1;}' if "completion" in name else None,
        "timecreated": TIME, "origin": "web", "ip": "203.0.113.9",
    }  # fmt: skip
    return found | changes


def statement(name: str, verb: str = "viewed", **changes: Any) -> dict[str, Any]:
    """A statement of the plugin."""
    component = name.partition("\\")[0]
    module = component.removeprefix("mod_")
    is_activity = component.startswith("mod_") or name.endswith(("completion_updated", "h5p_viewed"))
    course = {"id": f"{SITE}/course/view.php?id=8", "definition": {"type": "https://w3id.org/xapi/cmi5/activitytype/course"}}
    activity = {"id": f"{SITE}/mod/{module}/view.php?id=51", "definition": {"name": {"en": "Cells"}}}
    found: dict[str, Any] = {
        "id": "6f1b0c1e-0000-4000-8000-000000000001",
        "actor": {"name": "Ines Costa", "account": {"homePage": SITE, "name": "31"}},
        "verb": {"id": f"http://id.tincanapi.com/verb/{verb}"},
        "object": activity if is_activity else course,
        "timestamp": "2026-11-05T10:30:00+01:00",
        "context": {
            "contextActivities": {"category": [{"id": SITE}], "parent": [course] if is_activity else []},
            "extensions": {"http://lrs.learninglocker.net/define/extensions/info": {"event_name": class_of(name)}},
        },
    }  # fmt: skip
    return found | changes


def report_row(event: str, description: str, *, time: str = "5/11/26, 10:30", component: str = "Quiz") -> list[str]:
    """A row of the report "Logs" of a course."""
    return [time, "Ines Costa", "-", "Quiz: Cells", component, event, description, "web", "203.0.113.9"]


HEADER = [
    "Time",
    "User full name",
    "Affected user",
    "Event context",
    "Component",
    "Event name",
    "Description",
    "Origin",
    "IP address",
]
