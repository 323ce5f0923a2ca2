"""The readable page of an export: one file of HTML, for people, beside the files of JSON, which have everything."""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from markupsafe import Markup

from headway.db.personal import Record
from headway.identity import NOBODY, Channel
from headway.instants import from_datetime
from headway.privacy.export_page import SHOWN, ExportedPerson, ExportedSection, RenderPage
from headway.web.refusals import N_
from headway.web.rendering import Pages
from headway.web.texts import Viewer

_STYLE = Markup((Path(__file__).parent / "templates" / "export" / "style.css").read_text())  # noqa: S704 - our own file
_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
_LONGEST_CELL = 1_000
_NOTHING = "\u2013"
_STATUSES = {
    "ENROLLED": N_("enrolled"),
    "NOT_STARTED": N_("not begun"),
    "IN_PROGRESS": N_("in progress"),
    "COMPLETED": N_("completed"),
    "CERTIFIED": N_("certified"),
    "DROPPED": N_("left"),
    "EXPIRED": N_("expired"),
}


def _moment(viewer: Viewer, value: Any) -> str:
    return viewer.datetime(from_datetime(datetime.fromisoformat(value)))


def _truth(viewer: Viewer, value: Any) -> str:
    return viewer.text("yes") if value else viewer.text("no")


def _percent(viewer: Viewer, value: Any) -> str:
    return viewer.percent(value * 100)


def _duration(viewer: Viewer, value: Any) -> str:
    return viewer.duration(value)


def _amount(viewer: Viewer, value: Any) -> str:
    return viewer.number(value, 2)


def _plain(_viewer: Viewer, value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…"


def _words(viewer: Viewer, value: Any) -> str:
    return _plain(viewer, ", ".join(msgspec.json.decode(msgspec.json.encode(value), type=list[str]))) or _NOTHING


def _status(viewer: Viewer, value: Any) -> str:
    return viewer.text(_STATUSES[value]) if value in _STATUSES else _plain(viewer, value)


def _action(viewer: Viewer, value: Any) -> str:
    """Return the name of an action, which is English in all languages, as words."""
    return _plain(viewer, value.replace("_", " ").capitalize())


_Write = Callable[[Viewer, Any], str]


class _Column(NamedTuple):
    """A field that is shown."""

    field: str
    heading: str
    write: _Write = _plain
    is_long: bool = False
    """Whether it is what people wrote, which needs room."""


class _Sheet(NamedTuple):
    """What the page says of a section; without columns it is only listed among the files."""

    title: str
    about: str
    columns: Sequence[_Column] = ()


_COURSE, _STATUS = _Column("courseTitle", N_("Course")), _Column("status", N_("Status"), _status)
_DISCLOSURE = (
    _Column("day", N_("Day")),
    _Column("readerName", N_("Who")),
    _Column("kind", N_("What"), _action),
    _COURSE,
    _Column("times", N_("How often")),
)

SHEETS: Mapping[str, _Sheet] = {
    "account": _Sheet(
        N_("Account"),
        N_("Your name, address and settings. Of a password, only a fingerprint is stored, which is not given to anybody."),
        (
            _Column("name", N_("Name")),
            _Column("email", N_("E-mail address")),
            _Column("externalId", N_("Id at another system")),
            _Column("role", N_("Role")),
            _Column("interests", N_("Interests"), _words),
            _Column("learningGoals", N_("Learning goals")),
            _Column("createdAt", N_("Since"), _moment),
            _Column("updatedAt", N_("Last change"), _moment),
            _Column("isDisabled", N_("Disabled"), _truth),
        ),
    ),
    "enrollments": _Sheet(
        N_("Courses"),
        N_("The courses in which you are or were enrolled, and how far you are."),
        (
            _COURSE,
            _STATUS,
            _Column("percent", N_("Progress"), _percent),
            _Column("studyMs", N_("Study time"), _duration),
            _Column("enrolledAt", N_("Enrolled"), _moment),
            _Column("lastActivityAt", N_("Last activity"), _moment),
            _Column("completedAt", N_("Completed"), _moment),
            _Column("accessUntil", N_("Access until"), _moment),
            _Column("certificateUrl", N_("Certificate")),
        ),
    ),
    "submissions": _Sheet(
        N_("Work and grades"),
        N_("What you handed in, with grades and feedback."),
        (
            _Column("assessmentTitle", N_("Assessment")),
            _Column("submissionUrl", N_("Work"), is_long=True),
            _Column("submittedAt", N_("Handed in"), _moment),
            _Column("grade", N_("Grade"), _amount),
            _Column("feedback", N_("Feedback"), is_long=True),
            _Column("gradedAt", N_("Graded"), _moment),
        ),
    ),
    "messages": _Sheet(
        N_("Messages"),
        N_("What you wrote to others, and what they wrote to you."),
        (
            _Column("createdAt", N_("Time"), _moment),
            _Column("peerName", N_("With")),
            _Column("isSent", N_("Sent by you"), _truth),
            _Column("message", N_("Message"), is_long=True),
        ),
    ),
    "unit-progress": _Sheet(
        N_("Units"),
        N_("Your progress in each unit of a course."),
        (
            _COURSE,
            _Column("unitTitle", N_("Unit")),
            _STATUS,
            _Column("percent", N_("Progress"), _percent),
            _Column("studyMs", N_("Study time"), _duration),
            _Column("lastActivityAt", N_("Last activity"), _moment),
            _Column("completedAt", N_("Completed"), _moment),
        ),
    ),
    "tutorials": _Sheet(
        N_("Tutorials"),
        N_("Your progress in tutorials."),
        (
            _Column("tutorialId", N_("Tutorial")),
            _Column("isCertificateEarned", N_("Certificate"), _truth),
            _Column("lastWatchedAt", N_("Last activity"), _moment),
        ),
    ),
    "tutorial-quizzes": _Sheet(
        N_("Quizzes of tutorials"),
        N_("Your best result in each quiz."),
        (
            _Column("tutorialId", N_("Tutorial")),
            _Column("quizId", N_("Quiz")),
            _Column("score", N_("Points"), _amount),
            _Column("maxScore", N_("of"), _amount),
            _Column("isPassed", N_("Passed"), _truth),
            _Column("completedAt", N_("Time"), _moment),
        ),
    ),
    "staff-notes": _Sheet(
        N_("Notes of staff"),
        N_("What the staff of courses noted about you."),
        (_COURSE, _Column("text", N_("Note"), is_long=True), _Column("createdAt", N_("Time"), _moment)),
    ),
    "waiting-list": _Sheet(
        N_("Waiting lists"), N_("Courses for which you wait."), (_COURSE, _Column("joinedAt", N_("Since"), _moment))
    ),
    "invitations": _Sheet(
        N_("Invitations"),
        N_("Courses to which your address was invited."),
        (_COURSE, _Column("invitedAt", N_("Time"), _moment)),
    ),
    "course-roles": _Sheet(
        N_("Roles in courses"),
        N_("Courses in which you teach."),
        (_COURSE, _Column("role", N_("Role")), _Column("since", N_("Since"), _moment)),
    ),
    "rosters": _Sheet(
        N_("Rosters"),
        N_("Other systems that say that you are in a course."),
        (_COURSE, _Column("source", N_("System")), _Column("since", N_("Since"), _moment)),
    ),
    "webhook-deliveries": _Sheet(
        N_("Told to other systems"),
        N_("Which other systems were told what about you."),
        (
            _Column("at", N_("Time"), _moment),
            _Column("receiver", N_("System")),
            _Column("type", N_("What was told")),
            _COURSE,
            _STATUS,
        ),
    ),
    "sessions": _Sheet(
        N_("Sign-ins"),
        N_("When you signed in, and until when that holds."),
        (
            _Column("createdAt", N_("Signed in"), _moment),
            _Column("expiresAt", N_("Ends"), _moment),
            _Column("endedAt", N_("Signed out"), _moment),
        ),
    ),
    "api-keys": _Sheet(
        N_("API keys"),
        N_("Keys of programs that use your account. The keys themselves are not stored."),
        (
            _Column("name", N_("Name")),
            _Column("scopes", N_("Allows")),
            _Column("createdAt", N_("Created"), _moment),
            _Column("usedAt", N_("Last used"), _moment),
            _Column("revokedAt", N_("Revoked"), _moment),
        ),
    ),
    "mails": _Sheet(
        N_("Mails"),
        N_("Which mails were sent to you. What they said is not kept."),
        (_Column("at", N_("Time"), _moment), _Column("kind", N_("About")), _STATUS),
    ),
    "links": _Sheet(
        N_("Links in mails"),
        N_("Links by which you choose a password or confirm an address, and until when they work."),
        (_Column("purpose", N_("For")), _Column("expiresAt", N_("Ends"), _moment)),
    ),
    "audit-log": _Sheet(
        N_("Audit log"),
        N_("What you did that is recorded, and what others did to your account or enrollments."),
        (
            _Column("performedAt", N_("Time"), _moment),
            _Column("action", N_("Action"), _action),
            _Column("isActor", N_("Done by you"), _truth),
            _Column("targetName", N_("To what")),
            _Column("clientAddress", N_("Network address")),
        ),
    ),
    "disclosures": _Sheet(
        N_("Who has seen your record"),
        N_("To whom your own record was shown, by day."),
        _DISCLOSURE,
    ),
    "disclosures-of-courses": _Sheet(
        N_("Who has seen all learners of your courses"),
        N_("To whom records of all learners of a course were shown while you were in it, by day: yours is among them."),
        _DISCLOSURE,
    ),
    "events": _Sheet(N_("Events"), N_("Each thing that you did while you studied, as your browser reported it.")),
    "archived-events": _Sheet(N_("Archived events"), N_("The same, of earlier times.")),
    "study-days": _Sheet(N_("Days of study"), N_("When you studied on each day, in milliseconds of the day in UTC, by unit.")),
    "resets": _Sheet(
        N_("Resets"),
        N_("When staff reset your progress, why, and whether it was undone."),
        (
            _COURSE,
            _Column("resetAt", N_("Reset"), _moment),
            _Column("isAttempt", N_("New attempt"), _truth),
            _Column("reason", N_("Reason"), is_long=True),
            _Column("undoneAt", N_("Undone"), _moment),
        ),
    ),
    "earlier-progress": _Sheet(N_("Earlier progress"), N_("What you had reached in units before a reset."), ()),
    "set-aside-days": _Sheet(N_("Study set aside"), N_("Study time from before a reset that does not count."), ()),
    "uncounted-events": _Sheet(
        N_("Events that do not count"), N_("What you did in a unit before it had opened, or after it had closed.")
    ),
    "client-clocks": _Sheet(N_("Clocks"), N_("By how much the clocks of your devices were wrong.")),
    "tutorial-chapters": _Sheet(N_("Chapters of tutorials"), N_("What you watched of each chapter.")),
    "conversations": _Sheet(N_("Conversations"), N_("With whom you exchanged messages, and how many you have not read.")),
    "feed": _Sheet(N_("Latest news"), N_("What your pages were told at once, such as grades and messages.")),
    "staff-messages": _Sheet(N_("Messages to several"), N_("When staff sent you a message that others got too.")),
    "saved-filters": _Sheet(N_("Saved filters"), N_("Filters of lists of learners that you saved.")),
    "staff-dismissals": _Sheet(N_("Dismissed findings"), N_("What staff took off the list of learners who need help.")),
    "repeatable-requests": _Sheet(
        N_("Repeatable requests"), N_("Keys by which a request of a program that is sent twice has one effect.")
    ),
}
"""What the page says of each section, what matters most first."""


class ReadableExports:
    """Renders the page, in the language and the time zone of whoever asked for the export."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def for_viewer(self, viewer: Viewer) -> RenderPage:
        """Return what renders the page for a viewer."""

        def render(exported: ExportedPerson) -> str:
            made = {each.name: each for each in exported.sections}
            ordered = [(made[name], sheet) for name, sheet in SHEETS.items() if name in made]
            values = {
                "exported": exported,
                "style": _STYLE,
                "policy": _POLICY,
                "shown": SHOWN,
                "sheets": [_shown(viewer, section, sheet) for section, sheet in ordered if sheet.columns and section.count],
                "files": [(section, viewer.text(sheet.about)) for section, sheet in ordered],
                "withheld": [viewer.text(SHEETS[name].title) for name in exported.withheld],
            }
            return self._pages.render("export/index.html", viewer, values)

        return render

    def for_languages(self, accept_language: str | None) -> RenderPage:
        """Return what renders the page for the Accept-Language of a request."""
        return self.for_viewer(self._pages.viewer_of(accept_language))


def _shown(viewer: Viewer, section: ExportedSection, sheet: _Sheet) -> dict[str, Any]:
    rows = [[_cell(viewer, column, record) for column in sheet.columns] for record in section.first]
    return {
        "name": section.name,
        "title": viewer.text(sheet.title),
        "about": viewer.text(sheet.about),
        "columns": [(viewer.text(column.heading), column.is_long) for column in sheet.columns],
        "rows": rows,
        "count": section.count,
        "files": section.files,
    }


def _cell(viewer: Viewer, column: _Column, record: Record) -> str:
    if column.field == "isSent":
        return _truth(viewer, record["senderId"] == record["userId"])
    if column.field == "readerName" and record["channel"] == Channel.WEBHOOK:
        return viewer.text("another system")
    if column.field == "readerName" and record["readerId"] == NOBODY:
        return viewer.text("an operator of the server")
    value = record.get(column.field)
    return _NOTHING if value is None or value == "" else column.write(viewer, value)
