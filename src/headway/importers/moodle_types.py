"""Types of Moodle's events: under which activity type each is stored, or why it is not taken."""

import re
from typing import NamedTuple, TypeAlias

from headway.importers.log_model import Reason, open_type
from headway.learning.model import ActivityType

NAMESPACE = "moodle"
_CLASS = re.compile(r"\\?(?P<component>[a-z0-9_]+)\\event\\(?P<name>[a-z0-9_]+)")
PARTICIPATING = 2
"""Moodle's own word on an event (`edulevel`): 1 is teaching, 2 is participating, 0 is neither."""


class EventClass(NamedTuple):
    r"""An event class of Moodle: `\mod_quiz\event\attempt_started` is `attempt_started` of the component `mod_quiz`."""

    component: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "EventClass | None":
        """Read the name of a class; None for another text."""
        match = _CLASS.fullmatch(text.strip())
        return None if match is None else cls(match["component"], match["name"])

    @property
    def module(self) -> str | None:
        """The kind of activity, such as `quiz`, if it is one."""
        return self.component.removeprefix("mod_") if self.component.startswith("mod_") else None


Kind: TypeAlias = str | Reason
"""An activity type, or why an event is not taken."""

_OF_COMPONENT: dict[EventClass, Kind] = {
    EventClass("core", "course_viewed"): ActivityType.COURSE_VIEW,
    EventClass("core", "course_module_completion_updated"): ActivityType.UNIT_COMPLETE,
    EventClass("core", "course_completed"): open_type(NAMESPACE, "course_completed"),
    EventClass("core", "course_resources_list_viewed"): open_type(NAMESPACE, "course_resources_list_viewed"),
    EventClass("core", "search_results_viewed"): ActivityType.SEARCH,
    EventClass("core_h5p", "h5p_viewed"): ActivityType.UNIT_VIEW,
    EventClass("mod_quiz", "attempt_started"): ActivityType.QUIZ_START,
    EventClass("mod_quiz", "attempt_submitted"): ActivityType.QUIZ_SUBMIT,
    EventClass("mod_quiz", "attempt_becameoverdue"): Reason.STAFF,
    EventClass("mod_quiz", "attempt_abandoned"): Reason.STAFF,
    EventClass("mod_quiz", "attempt_regraded"): Reason.STAFF,
    EventClass("mod_quiz", "attempt_preview_started"): Reason.STAFF,
    EventClass("mod_assign", "assessable_submitted"): ActivityType.ASSESSMENT_SUBMIT,
    EventClass("mod_forum", "discussion_viewed"): ActivityType.DISCUSSION_VIEW,
    EventClass("mod_forum", "discussion_created"): ActivityType.DISCUSSION_POST,
    EventClass("mod_forum", "post_created"): ActivityType.DISCUSSION_POST,
    EventClass("mod_forum", "user_report_viewed"): Reason.REPORT,
    EventClass("mod_bigbluebuttonbn", "activity_management_viewed"): Reason.STAFF,
    EventClass("mod_bigbluebuttonbn", "meeting_created"): Reason.STAFF,
    EventClass("mod_bigbluebuttonbn", "meeting_ended"): Reason.STAFF,
    EventClass("mod_bigbluebuttonbn", "recording_viewed"): open_type(NAMESPACE, "recording_viewed"),
    EventClass("mod_facetoface", "signup_success"): Reason.ENROLLMENT,
    EventClass("mod_facetoface", "cancel_booking"): Reason.ENROLLMENT,
    EventClass("mod_facetoface", "take_attendance"): Reason.STAFF,
    EventClass("mod_book", "chapter_created"): Reason.CATALOGUE,
    EventClass("mod_lesson", "essay_assessed"): Reason.STAFF,
    EventClass("core", "course_completion_updated"): Reason.CATALOGUE,
    EventClass("core", "course_user_report_viewed"): Reason.REPORT,
    EventClass("core", "course_information_viewed"): open_type(NAMESPACE, "course_information_viewed"),
    EventClass("core", "user_graded"): Reason.STAFF,
}
_OF_NAME: dict[str, Kind] = {
    "course_module_viewed": ActivityType.UNIT_VIEW,
    "submission_graded": Reason.STAFF,
    "submission_locked": Reason.STAFF,
    "submission_unlocked": Reason.STAFF,
    "question_manually_graded": Reason.STAFF,
    "course_module_instance_list_viewed": open_type(NAMESPACE, "course_module_instance_list_viewed"),
    "report_viewed": Reason.REPORT,
    "all_responses_viewed": Reason.REPORT,
    "user_loggedinas": Reason.STAFF,
    "tour_ended": Reason.ACCOUNT,
    "tour_started": Reason.ACCOUNT,
    "step_shown": Reason.ACCOUNT,
}
_BEGINNINGS: tuple[tuple[str, str, Reason], ...] = (
    ("core", "badge", Reason.AWARD),
    ("tool_certificate", "", Reason.AWARD),
    ("mod_customcert", "issue", Reason.AWARD),
    ("core", "user_enrolment", Reason.ENROLLMENT),
    ("core", "group", Reason.ENROLLMENT),
    ("core", "cohort", Reason.ENROLLMENT),
    ("core", "role_", Reason.ENROLLMENT),
    ("totara_program", "", Reason.ENROLLMENT),
    ("core", "user_", Reason.ACCOUNT),
    ("core", "message", Reason.ACCOUNT),
    ("core", "notification", Reason.ACCOUNT),
    ("core", "dashboard", Reason.ACCOUNT),
    ("core", "calendar", Reason.ACCOUNT),
    ("core", "note", Reason.STAFF),
    ("core", "grade_item", Reason.CATALOGUE),
    ("core", "course_", Reason.CATALOGUE),
    ("core", "question", Reason.CATALOGUE),
    ("mod_bigbluebuttonbn", "recording_", Reason.STAFF),
    ("report_", "", Reason.REPORT),
    ("gradereport_", "", Reason.REPORT),
)
"""Components and the beginnings of their events that are not taken, where none of the tables above has them."""
_ENDINGS: tuple[tuple[str, Reason], ...] = (
    ("subscription_created", Reason.ACCOUNT),
    ("subscription_deleted", Reason.ACCOUNT),
    ("_graded", Reason.STAFF),
    ("_assessed", Reason.STAFF),
    ("override_created", Reason.STAFF),
    ("override_updated", Reason.STAFF),
    ("override_deleted", Reason.STAFF),
)
_DEEDS = {
    "answered", "attempted", "completed", "created", "deleted", "downloaded", "edited", "ended", "event", "finished", "joined",
    "launched", "left", "listened", "played", "posted", "received", "restarted", "resumed", "reviewed", "saved", "started",
    "submitted", "updated", "uploaded", "viewed", "visited", "watched",
}  # fmt: skip
"""The last words of events by which activities tell what a learner did."""
ANSWERED = open_type(NAMESPACE, "question_answered")
ATTENDED = open_type(NAMESPACE, "attended")


def kind_of(event: EventClass, *, verb: str = "", edulevel: int | None = None) -> Kind:
    """Return how an event is stored, or why it is not.

    `verb` is the last part of the verb of a statement, whose actor is the learner even if staff did it; `edulevel` is what
    Moodle says of an event in its own table, and counts for events that no table here has.
    """
    if verb == "answered":
        # A statement for each question of an attempt or a questionnaire.
        return ANSWERED
    if verb == "attended":
        return ATTENDED
    if verb == "uncompleted":
        return Reason.UNDONE
    known = _OF_COMPONENT.get(event) or _OF_NAME.get(event.name) or _refused(event)
    if known is not None:
        return known
    if edulevel is not None and edulevel != PARTICIPATING:
        return Reason.STAFF
    is_deed = edulevel == PARTICIPATING or (event.module is not None and event.name.rpartition("_")[2] in _DEEDS)
    return open_type(NAMESPACE, event.name) if is_deed else Reason.UNKNOWN_TYPE


def _refused(event: EventClass) -> Reason | None:
    for component, beginning, reason in _BEGINNINGS:
        matches = event.component.startswith(component) if component.endswith("_") else event.component == component
        if matches and event.name.startswith(beginning):
            return reason
    return next((reason for ending, reason in _ENDINGS if event.name.endswith(ending)), None)
