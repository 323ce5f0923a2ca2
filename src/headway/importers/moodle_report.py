"""The report "Logs" of Moodle, downloaded as CSV or JSON: nine columns, and the course in front for the whole site.

Names of columns and events are in the language of whoever downloads it, descriptions are always in English. So columns are
known by their place, events by their description or else by their English name, users and activities by the ids in it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headway.importers.date_texts import DateForm, parse_moment
from headway.importers.log_model import LogEvent, Parsed, Reason, Refusal, UserName, event_id_of
from headway.importers.log_site import Site
from headway.importers.moodle_log import STAFF, needs_unit, refuse
from headway.importers.moodle_types import NAMESPACE, EventClass, kind_of
from headway.learning.model import ActivityType

_COLUMNS = 9
_USER = re.compile(r"[Tt]he user with id '(\d+)'")
_MODULE = re.compile(r"course module (?:with )?id '(\d+)'")
_COURSE = re.compile(r"(?:the|in|for the) course with id '(\d+)'")
_FOR_USER = re.compile(r"for the user with id '(\d+)'")
_ANY_USER = re.compile(r"user with id '(\d+)'")
_COMPONENTS = {
    "system": "core", "quiz": "mod_quiz", "forum": "mod_forum", "assignment": "mod_assign", "file": "mod_resource",
    "url": "mod_url", "page": "mod_page", "folder": "mod_folder", "book": "mod_book", "wiki": "mod_wiki",
    "glossary": "mod_glossary", "lesson": "mod_lesson", "scorm package": "mod_scorm", "choice": "mod_choice",
    "feedback": "mod_feedback", "survey": "mod_survey", "database": "mod_data", "workshop": "mod_workshop",
    "chat": "mod_chat", "external tool": "mod_lti", "h5p": "mod_h5pactivity", "ims content package": "mod_imscp",
    "bigbluebutton": "mod_bigbluebuttonbn", "bigbluebuttonbn": "mod_bigbluebuttonbn",
    "questionnaire": "mod_questionnaire", "user report": "gradereport_user", "overview report": "gradereport_overview",
    "grader report": "gradereport_grader", "logs": "report_log", "live logs": "report_loglive",
    "activity report": "report_outline", "course participation": "report_participation", "user tours": "tool_usertours",
    "text and media area": "mod_label",
}  # fmt: skip
"""The English names of components."""
_EVENTS = {
    "quiz attempt started": "attempt_started", "quiz attempt submitted": "attempt_submitted",
    "quiz attempt viewed": "attempt_viewed", "quiz attempt reviewed": "attempt_reviewed",
    "quiz attempt summary viewed": "attempt_summary_viewed", "quiz attempt preview started": "attempt_preview_started",
    "a submission has been submitted": "assessable_submitted", "some content has been posted": "assessable_uploaded",
    "course activity completion updated": "course_module_completion_updated",
    "the submission has been graded": "submission_graded",
    "the status of the submission has been viewed": "submission_status_viewed",
    "submission form viewed": "submission_form_viewed", "a file has been uploaded": "assessable_uploaded",
    "an online text has been uploaded": "assessable_uploaded", "submission created": "submission_created",
    "submission updated": "submission_updated", "user enrolled in course": "user_enrolment_created",
    "user unenrolled from course": "user_enrolment_deleted", "user has logged in": "user_loggedin",
    "user logged out": "user_loggedout", "user profile viewed": "user_profile_viewed", "role assigned": "role_assigned",
    "role unassigned": "role_unassigned", "sco launched": "sco_launched",
    "grade user report viewed": "grade_report_viewed", "sessions viewed": "sessions_viewed",
}  # fmt: skip
"""English names of events that differ from the name of their class; "Discussion viewed" is `discussion_viewed`, for one."""
_DESCRIBED = (
    (re.compile(r"viewed the '([a-z0-9_]+)' activity with course module id"), r"mod_\1", "course_module_viewed"),
    (re.compile(r"viewed the course with id '"), "core", "course_viewed"),
    (re.compile(r"viewed the section number '"), "core", "course_viewed"),
    (re.compile(r"has started the attempt with id '\d+' for the quiz"), "mod_quiz", "attempt_started"),
    (re.compile(r"has submitted the attempt with id '\d+' for the quiz"), "mod_quiz", "attempt_submitted"),
    (re.compile(r"has viewed the attempt with id '\d+'.* for the quiz"), "mod_quiz", "attempt_viewed"),
    (re.compile(r"has viewed the discussion with id '"), "mod_forum", "discussion_viewed"),
    (re.compile(r"has created the discussion with id '"), "mod_forum", "discussion_created"),
    (re.compile(r"has created the post with id '"), "mod_forum", "post_created"),
    (re.compile(r"has submitted the submission with id '\d+' for the assignment"), "mod_assign", "assessable_submitted"),
    (re.compile(r"has viewed the submission status page for the assignment"), "mod_assign", "submission_status_viewed"),
    (re.compile(r"has viewed the chapter with id '|viewed the chapter with id '"), "mod_book", "chapter_viewed"),
    (re.compile(r"updated the completion state for the course module with id '"), "core", "course_module_completion_updated"),
    (re.compile(r"has graded the submission"), "mod_assign", "submission_graded"),
    (re.compile(r"(?:enrolled|unenrolled|updated the enrolment).* the user with id '"), "core", "user_enrolment_updated"),
)
"""What descriptions say, for names of events in other languages."""


class ReportRow(NamedTuple):
    """A row of the report."""

    time: str
    full_name: str
    affected: str
    component: str
    event: str
    description: str
    ip: str

    @classmethod
    def of(cls, cells: Sequence[object]) -> "ReportRow | None":
        """Read the cells of a row by their place; None if they are not as many texts as a report has columns."""
        if len(cells) not in {_COLUMNS, _COLUMNS + 1} or not all(cell is None or isinstance(cell, str) for cell in cells):
            return None
        texts = [cell.strip() if isinstance(cell, str) else "" for cell in cells[-_COLUMNS:]]
        time, full_name, affected, _, component, event, description, _, ip = texts
        return cls(time, full_name, affected, component, event, description, ip)

    @property
    def event_class(self) -> EventClass | None:
        """The class of the event, as far as its description or its English name tells."""
        for pattern, of, event in _DESCRIBED:
            if (match := pattern.search(self.description)) is not None:
                return EventClass(match.expand(of) if "\\" in of else of, event)
        name = self.event.rstrip(".").lower()
        component = _COMPONENTS.get(self.component.lower())
        if component is not None and name.isascii() and name:
            return EventClass(component, _EVENTS.get(name) or "_".join(re.findall("[a-z0-9]+", name)))
        return None


def cells_of(record: Mapping[str, object] | Sequence[object]) -> Sequence[object]:
    """Return the cells of a record, which the report has as a list or, in newer versions, by the names of its columns."""
    return list(record.values()) if isinstance(record, Mapping) else record


def parse_row(cells: Sequence[object], site: Site, dates: DateForm, count: int = 0) -> Parsed:
    """Return the event of a row. `count` tells rows apart that are alike: times are those of a minute, in older versions."""
    row = ReportRow.of(cells)
    if row is None:
        return Refusal("", Reason.NOT_AN_EVENT)
    event = row.event_class
    if event is None:
        return Refusal(row.event[:100], Reason.UNKNOWN_TYPE)
    label = f"{event.component}\\{event.name}"
    kind = kind_of(event)
    if isinstance(kind, Reason):
        return Refusal(label, kind)
    try:
        at = parse_moment(row.time, dates)
    except ValueError as error:
        return Refusal(label, Reason.NO_TIME, f"{row.time[:50]!r} {error}")
    number = _first(_COURSE, row.description)
    module, learner = _first(_MODULE, row.description), _learner(row, event)
    user = _user(row, event, learner, site)
    courses = site.courses(*site.course_page(number), number) if number or site.course else ()
    if user is None or user is STAFF or not courses:
        return refuse(label, at, user)
    if kind is ActivityType.UNIT_COMPLETE:
        # The report does not say whether it was completed or the completion taken back.
        kind = f"{NAMESPACE}.{event.name}"
    return LogEvent(
        event_id=event_id_of(NAMESPACE, "report", at, learner, event.component, event.name, row.description, row.ip, count),
        type=label,
        at=at,
        user=user,
        courses=courses,
        activity_type=kind,
        places=site.unit(event.module, module) if module else (),
        needs_unit=needs_unit(kind),
        metadata={"type": label},
    )


def _learner(row: ReportRow, event: EventClass) -> str:
    if event.name == "course_module_completion_updated":
        return _first(_FOR_USER, row.description) or _first(_USER, row.description)
    return _first(_USER, row.description)


def _user(row: ReportRow, event: EventClass, learner: str, site: Site) -> UserName | None:
    if not learner:
        return None
    is_noted = event.name == "course_module_completion_updated"
    if not is_noted and set(_ANY_USER.findall(row.description)) != {learner}:
        # An attempt that staff look at, a submission that they hand in for somebody.
        return STAFF
    return site.user(learner, full_name=None if is_noted else row.full_name or None)


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return "" if match is None else match[1]
