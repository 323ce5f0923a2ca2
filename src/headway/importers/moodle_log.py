"""Logs of Moodle, in the three forms in which they leave it.

- Statements of the Experience API (xAPI) as the plugin `logstore_xapi` makes them.
- Rows of the table `logstore_standard_log`, as JSON or CSV.
- The report "Logs" of a course or a site, downloaded as CSV or JSON; see `moodle_report`.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

from headway import instants
from headway.importers.log_model import LogEvent, Parsed, Place, Reason, Refusal, UserName, event_id_of, is_number, names
from headway.importers.log_site import Site
from headway.importers.moodle_types import ATTENDED, NAMESPACE, EventClass, kind_of
from headway.instants import SECOND, Instant, Milliseconds
from headway.learning.model import ActivityType

Record: TypeAlias = Mapping[str, Any]
_INFO = "http://lrs.learninglocker.net/define/extensions/info"
"""The extension of a statement that has the event from which it was made."""
_COURSE_TYPES = {"https://w3id.org/xapi/cmi5/activitytype/course", "http://id.tincanapi.com/activitytype/lms/course"}
_ACTIVITY_PATH = re.compile(r"(?P<site>.*)/mod/(?P<module>[a-z0-9_]+)/[a-z]+\.php")
_COURSE_PATH = re.compile(r".*/course/view\.php")
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_MODULE_CONTEXT = "70"
"""The level of contexts that are activities in a course."""
_NOBODY = {"", "0"}
_FRONT_PAGE = {"", "0", "1"}
_COMPLETE = {1, 2, 3}
_STATE = re.compile(r'completionstate"?[;:]\s*(?:[is]:)?(?:\d+:)?"?(\d)')
"""The state of a completion in `other`, which is JSON, or a serialised array in older versions."""


def is_statement(record: Record) -> bool:
    """Return whether a record is a statement."""
    return "verb" in record and "actor" in record


def is_log_row(record: Record) -> bool:
    """Return whether a record is a row of the table `logstore_standard_log`."""
    return "eventname" in record and "timecreated" in record


def parse_statement(record: Record, site: Site) -> Parsed:
    """Return the event of a statement. Statements of other sources than Moodle's plugin name no event of Moodle."""
    info = _object(_object(_object(record.get("context")).get("extensions")).get(_INFO))
    event = EventClass.parse(_text(info.get("event_name")))
    verb = _text(_object(record.get("verb")).get("id")).rstrip("/").rpartition("/")[2].lower()
    if event is None:
        return Refusal(verb, Reason.NOT_AN_EVENT, "names no event of Moodle: it is not of the plugin logstore_xapi")
    label = f"{event.component}\\{event.name}" + (f" ({verb})" if verb in {"answered", "uncompleted"} else "")
    kind = kind_of(event, verb=verb)
    if isinstance(kind, Reason):
        return Refusal(label, kind)
    at, actor = _instant(record.get("timestamp")) or _instant(record.get("stored")), _object(record.get("actor"))
    user = _actor(actor, site)
    activities = _activities(record)
    courses = site.courses(
        *(text for each in activities if _is_course(each) for text in _with_number(_text(each.get("id")), "id"))
    )
    if at is None or user is None or not courses:
        return refuse(label, at, user)
    result = _object(record.get("result"))
    identity = (
        (_text(record.get("id")),) if _text(record.get("id")) else (at, verb, actor, activities, result, info.get("event_name"))
    )
    takes_time = kind in {ActivityType.QUIZ_SUBMIT, ActivityType.ASSESSMENT_SUBMIT, ATTENDED}
    duration = _duration(_text(result.get("duration"))) if takes_time else 0
    return LogEvent(
        event_id=event_id_of(NAMESPACE, "statement", *identity),
        type=label,
        at=at,
        user=user,
        courses=courses,
        activity_type=kind,
        places=_places(activities),
        needs_unit=needs_unit(kind),
        started_at=at - duration if duration else None,
        metadata={"type": label}
        | {key: value for key in ("completion", "success") if isinstance(value := result.get(key), bool)},
        score=_score(_object(result.get("score"))) if kind is ActivityType.QUIZ_SUBMIT else None,
    )


def parse_log_row(record: Record, site: Site) -> Parsed:
    """Return the event of a row of the table `logstore_standard_log`. Cells of CSV files are texts."""
    event = EventClass.parse(_text(record.get("eventname")))
    if event is None:
        return Refusal(_text(record.get("eventname"))[:100], Reason.NOT_AN_EVENT)
    label = f"{event.component}\\{event.name}"
    level = _digits(record.get("edulevel"))
    kind = kind_of(event, edulevel=int(level) if level else None)
    if kind is ActivityType.UNIT_COMPLETE:
        kind = _completion(record)
    if isinstance(kind, Reason):
        return Refusal(label, kind)
    created, user = _digits(record.get("timecreated")), _learner(record, event, site)
    number = _digits(record.get("courseid"))
    # The course 1 is the front page of the site.
    courses = site.courses(*site.course_page(number), number) if number not in _FRONT_PAGE or site.course else ()
    if not created or user is None or user is STAFF or not courses:
        return refuse(label, int(created) * SECOND if created else None, user)
    keys = ("id", "eventname", "userid", "courseid", "contextinstanceid", "objectid", "relateduserid", "timecreated", "ip")
    is_in_activity = _digits(record.get("contextlevel")) in {"", _MODULE_CONTEXT} and event.name != "course_viewed"
    return LogEvent(
        event_id=event_id_of(NAMESPACE, "row", *(_digits(record.get(key)) or _text(record.get(key)) for key in keys)),
        type=label,
        at=min(int(created) * SECOND, instants.END_OF_TIME - 1),
        user=user,
        courses=courses,
        activity_type=kind,
        places=site.unit(_module_of(record, event), _digits(record.get("contextinstanceid"))) if is_in_activity else (),
        needs_unit=needs_unit(kind),
        metadata={"type": label},
    )


STAFF = UserName(())
"""Stands for whoever did something with a learner's work."""


def refuse(label: str, at: Instant | None, user: UserName | None) -> Refusal:
    """Return why an event without a time, a learner or a course is not taken."""
    if at is None:
        return Refusal(label, Reason.NO_TIME)
    if user is None:
        return Refusal(label, Reason.NO_USER)
    return Refusal(label, Reason.STAFF if user is STAFF else Reason.NO_COURSE)


def needs_unit(kind: str) -> bool:
    """Return whether an event is of the content of an activity alone."""
    return kind in {ActivityType.UNIT_VIEW, ActivityType.UNIT_COMPLETE, ActivityType.QUIZ_START, ActivityType.QUIZ_SUBMIT}


def _learner(record: Record, event: EventClass, site: Site) -> UserName | None:
    """Return the learner: who did it, or, where the platform notes a completion, of whom it is."""
    user, related = _digits(record.get("userid")), _digits(record.get("relateduserid"))
    if event.name in {"course_module_completion_updated", "course_completed"}:
        user = related or user
    elif user in _NOBODY:
        # A task of the platform hands in what a learner left open.
        user = related
    elif related not in _NOBODY and related != user:
        # An attempt that staff look at, a submission that they hand in for somebody.
        return None if event.module is None else STAFF
    return None if user in _NOBODY else site.user(user)


def _completion(record: Record) -> str | Reason:
    """Return whether the completion of an activity was reached or taken back, which `other` says."""
    other = record.get("other")
    state = other.get("completionstate") if isinstance(other, dict) else None
    if state is None and isinstance(other, str) and (found := _STATE.search(other)) is not None:
        state = found[1]
    text = _digits(state)
    if not text:
        return Reason.UNKNOWN_TYPE
    return ActivityType.UNIT_COMPLETE if int(text) in _COMPLETE else Reason.UNDONE


def _module_of(record: Record, event: EventClass) -> str | None:
    other = record.get("other")
    named = other.get("modulename") if isinstance(other, dict) else None
    return event.module or (named if isinstance(named, str) else None)


def _actor(actor: Record, site: Site) -> UserName | None:
    account, email = _object(actor.get("account")), _text(actor.get("mbox")).removeprefix("mailto:")
    name = account.get("name") or actor.get("openid")
    text = str(name) if isinstance(name, str | int) and not isinstance(name, bool) else ""
    return site.user(text, email=email or None, full_name=_text(actor.get("name")) or None)


def _activities(record: Record) -> list[dict[str, Any]]:
    """Return the object of a statement, and what it is part of, the nearest first."""
    around = _object(_object(record.get("context")).get("contextActivities"))
    found: list[dict[str, Any]] = [_object(record.get("object"))]
    for key in ("parent", "grouping"):
        value = around.get(key)
        found += [_object(each) for each in (value if isinstance(value, list) else [value])]
    return [each for each in found if each]


def _is_course(activity: Record) -> bool:
    is_typed = _text(_object(activity.get("definition")).get("type")) in _COURSE_TYPES
    return is_typed or _COURSE_PATH.fullmatch(_text(activity.get("id")).partition("?")[0]) is not None


def _places(activities: list[dict[str, Any]]) -> tuple[Place, ...]:
    """Return the activity that is the unit here: by the address of its page, which is its id, and by its number."""
    texts: list[str] = []
    for activity in activities:
        url = _text(activity.get("id"))
        match = _ACTIVITY_PATH.fullmatch(url.partition("?")[0])
        if match is None:
            continue
        is_page = urlsplit(url).path.endswith("/view.php")
        number = _parameter(url, "id") if is_page else _parameter(url, "cmid")
        if number:
            texts += [f"{match['site']}/mod/{match['module']}/view.php?id={number}", number]
    return tuple(Place(text) for text in names(*texts))


def _with_number(url: str, parameter: str) -> list[str]:
    return [url, _parameter(url, parameter)]


def _parameter(url: str, name: str) -> str:
    try:
        return parse_qs(urlsplit(url).query, max_num_fields=50).get(name, [""])[0]
    except ValueError:
        return ""


def _duration(text: str) -> Milliseconds:
    """Return a duration of ISO 8601 with days and less; 0 for another text."""
    match = _DURATION.fullmatch(text) if len(text) < 50 else None
    if match is None:
        return 0
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return int((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * SECOND)


def _score(score: Record) -> tuple[float, float] | None:
    """Return a raw score and the largest one, both above the least."""
    raw, most, least = score.get("raw"), score.get("max"), score.get("min", 0)
    if not is_number(raw) or not is_number(most) or not is_number(least):
        return None
    return float(raw) - float(least), float(most) - float(least)


def _digits(value: object) -> str:
    """Return a number of a row, or of a text that is one."""
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if text.isascii() and text.isdigit() and len(text) <= 15 else ""


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _instant(value: object) -> Instant | None:
    try:
        return instants.parse(value) if isinstance(value, str) else None
    except ValueError:
        return None
