"""Tracking logs of Open edX: one event a line, as the platform writes them to `tracking.log` or sends them over its event bus.

A line is mapped by its type alone, whatever came before it; what was played of a video follows from several lines and is found
by `openedx_video`. Types that are not in the tables are taken if they name a learner and a course, under an open type: blocks
that others make for Open edX tell of learning with types of their own.
"""

import re
from typing import Any
from urllib.parse import unquote

import msgspec

from headway import instants
from headway.courses.video import LONGEST_VIDEO_SECONDS
from headway.importers.log_model import (
    LogEvent,
    Parsed,
    Place,
    Reason,
    Refusal,
    UserName,
    event_id_of,
    is_number,
    names,
    open_type,
)
from headway.importers.log_site import ANY_SITE, Site
from headway.importers.openedx_types import BY_SUBMITTING, KINDS, NAMESPACE, REFUSED, opened
from headway.instants import MINUTE, Instant

_COURSE_IN_BLOCK = r"(?P<prefix>|ccx-)block-v1:(?P<course>[^+\s/?#&]+\+[^+\s/?#&]+\+[^+\s/?#&]+(?:\+ccx@[0-9]+)?)"
_BLOCK = re.compile(rf"{_COURSE_IN_BLOCK}\+type@(?P<type>[a-z0-9_-]+)\+block@[\w.-]+")
_COURSE = re.compile(r"(?:ccx|course)-v1:[^+\s/?#&]+\+[^+\s/?#&]+\+[^+\s/?#&]+(?:\+ccx@[0-9]+)?")
_INPUT = re.compile(r"input_([0-9a-f]{32})_")
_CONTAINERS = ("vertical", "sequential")
"""The types of blocks that contain others and are pages or parts of a course, the innermost first."""
_MAX_SESSION = 100


_COMPLETION = "edx.completion.block_completion.changed"
_decode = msgspec.json.Decoder().decode


def parse_line(line: bytes, site: Site = ANY_SITE) -> Parsed:
    """Return the event of a line."""
    try:
        body = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refusal("", Reason.UNREADABLE, "is no JSON")
    if not isinstance(body, dict):
        return Refusal("", Reason.NOT_AN_EVENT)
    tracked = _Tracked(body)
    if not tracked.type:
        return Refusal("", Reason.NOT_AN_EVENT)
    reason = _refused(tracked)
    if reason is not None:
        # Addresses are many, and say no more than what they begin with.
        return Refusal(f"/{tracked.type.split('/')[1]}/…" if reason is Reason.REQUEST else tracked.type, reason)
    return _event(tracked, site)


class _Tracked:
    """A line: what is looked for may stand in several places, by the version of the platform and where the line comes from."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.context = _object(body.get("context"))
        event = body.get("data", body.get("event"))
        self.text = event if isinstance(event, str) else ""
        self.data = _object(event) or _object_in(self.text)
        self.type = _text(body.get("name")) or _text(body.get("event_type"))
        self.is_of_browser = "browser" in (body.get("event_source"), self.context.get("event_source"))

    @property
    def at(self) -> Instant | None:
        return _instant(self.body.get("time")) or _instant(self.body.get("timestamp"))

    @property
    def course(self) -> str:
        named = _text(self.context.get("course_id")) or _text(self.data.get("course_id"))
        if named:
            return named
        for url in self.urls:
            if (found := _COURSE.search(url)) is not None:
                return found[0]
            if (block := _BLOCK.search(url)) is not None:
                return f"{'ccx' if block['prefix'] else 'course'}-v1:{block['course']}"
        return ""

    @property
    def urls(self) -> list[str]:
        """The pages on which it happened, the nearest first."""
        of = (self.body, self.context)
        return [unquote(url) for place in of for key in ("page", "referer") if (url := _text(place.get(key)))]

    @property
    def session(self) -> str | None:
        return (_text(self.body.get("session")) or _text(self.context.get("session")))[:_MAX_SESSION] or None

    @property
    def usage_key(self) -> str:
        """The block that the server says it is about."""
        return _text(_object(self.context.get("module")).get("usage_key"))

    @property
    def learner(self) -> tuple[str, str]:
        """The login and the number of the learner: whom the data name, or else who made the request.

        That may be staff who act for a learner, whose login is not in the line then.
        """
        requested, told = (
            _id(self.context.get("user_id")),
            _id(self.data.get("user_id")) or _id(self.data.get("attempt_user_id")),
        )
        login = _text(self.context.get("username")) or _text(self.body.get("username"))
        if told and requested and told != requested:
            login = ""
        return _text(self.data.get("username")) or login, told or requested

    def user(self, source: str | None) -> UserName | None:
        """Return the names of the learner here. A number names nobody without the platform that counts so."""
        login, number = self.learner
        prefixed = [f"{source}:{each}" for each in (login, number) if each] if source else []
        texts = names(*prefixed, login)
        return UserName(texts, login if "@" in login else None, login or None) if texts else None


def _refused(tracked: _Tracked) -> Reason | None:
    name, data = tracked.type, tracked.data
    if name in KINDS:
        if name == _COMPLETION and data.get("completion") == 0:
            return Reason.UNDONE
        is_result = name.endswith(".grade_calculated")
        return Reason.STAFF if is_result and data.get("event_transaction_type") not in {None, BY_SUBMITTING} else None
    if name.startswith("/"):
        return Reason.REQUEST
    if name.endswith((".reported", ".unreported", ".pinned", ".unpinned", ".locked", ".unlocked")):
        return Reason.MODERATION
    if name.startswith("edx.forum.") and data.get("own_content") is False:
        return Reason.MODERATION
    return next((reason for start, reason in REFUSED.items() if name.startswith(start)), None)


def _event(tracked: _Tracked, site: Site) -> Parsed:
    at, user, course = tracked.at, tracked.user(site.source), tracked.course
    courses = site.courses(course)
    if at is None:
        return Refusal(tracked.type, Reason.NO_TIME)
    if user is None:
        detail = "names a user by a number alone: say of which platform, with --source" if any(tracked.learner) else ""
        return Refusal(tracked.type, Reason.NO_USER, detail)
    if not courses:
        return Refusal(tracked.type, Reason.NO_COURSE)
    kind = KINDS.get(tracked.type) or opened(tracked.type, "block")
    places = _places(tracked, kind.of, course)
    event = LogEvent(
        event_id=event_id_of(
            NAMESPACE, tracked.type, at, tracked.learner, course, tracked.session, tracked.data or tracked.text
        ),
        type=tracked.type,
        at=at,
        user=user,
        courses=courses,
        activity_type=kind.activity,
        part_type=kind.part,
        places=places,
        needs_unit=kind.of in {"video", "problem"} or (kind.of == "block" and kind.part is not None),
        session_id=tracked.session,
        metadata=_metadata(tracked, places),
    )
    if tracked.is_of_browser and tracked.type == "problem_check":
        # The server tells of the same answer, and of its score.
        return event._replace(activity_type=open_type(NAMESPACE, "problem_check_browser"), part_type=None)
    if tracked.type == _COMPLETION and tracked.data.get("completion") != 1:
        return event._replace(activity_type=event.part_type or event.activity_type)
    duration = tracked.data.get("duration")
    return event._replace(
        score=_score(tracked),
        started_at=_start(tracked, at),
        video_duration=float(duration) if is_number(duration) and 0 < duration <= LONGEST_VIDEO_SECONDS else None,
    )


def _places(tracked: _Tracked, of: str, course: str) -> tuple[Place, ...]:
    """Return the block that an event is of, and the pages around it."""
    itself = {
        "video": lambda: _named_block(tracked.data.get("id"), course, "video"),
        "problem": lambda: _problem(tracked, course),
        "sequence": lambda: _text(tracked.data.get("id")),
        "exam": lambda: _text(tracked.data.get("exam_content_id")),
        "block": lambda: _text(tracked.data.get("block_id")) or _text(tracked.data.get("usage_key")) or tracked.usage_key,
        "target": lambda: _last_block(unquote(_text(tracked.data.get("target_url")))),
    }.get(of, str)()
    around: dict[str, str] = {}
    for url in tracked.urls if of else ():
        for match in _BLOCK.finditer(url):
            around.setdefault(match["type"], match[0])
    texts = names(itself, *(around[each] for each in _CONTAINERS if each in around))
    return tuple(Place(text, is_whole=text == itself) for text in texts)


def _problem(tracked: _Tracked, course: str) -> str:
    named = next(
        (text for key in ("problem_id", "problem", "module_id", "usage_key") if (text := _text(tracked.data.get(key)))), ""
    )
    if named or tracked.usage_key:
        return named or tracked.usage_key
    entered = _INPUT.search(tracked.text)
    return "" if entered is None else _named_block(entered[1], course, "problem")


def _named_block(name: object, course: str, kind: str) -> str:
    """Return the usage key of a block that browsers name by the last part of its key alone."""
    text = _text(name)
    if not text or "@" in text or ":" in text:
        return text
    prefix, _, key = course.partition("-v1:")
    return f"{'ccx-' if prefix == 'ccx' else ''}block-v1:{key}+type@{kind}+block@{text}" if key else text


def _last_block(url: str) -> str:
    return ([match[0] for match in _BLOCK.finditer(url)] or [""])[-1]


def _score(tracked: _Tracked) -> tuple[float, float] | None:
    """Return the score and the largest possible one of an answer, or of all answers in a subsection."""
    for earned, possible in (
        ("grade", "max_grade"),
        ("weighted_earned", "weighted_possible"),
        ("weighted_graded_earned", "weighted_graded_possible"),
    ):
        score, most = tracked.data.get(earned), tracked.data.get(possible)
        if is_number(score) and is_number(most):
            return float(score), float(most)
    return None


def _start(tracked: _Tracked, at: Instant) -> Instant | None:
    """Return when an exam that is handed in was begun, at the most as long before as it may take."""
    started, minutes = _instant(tracked.data.get("attempt_started_at")), tracked.data.get("attempt_allowed_time_limit_mins")
    if not tracked.type.endswith(".attempt.submitted") or started is None or started >= at:
        return None
    longest = (
        int(minutes * MINUTE) if isinstance(minutes, int) and not isinstance(minutes, bool) and minutes > 0 else at - started
    )
    return max(started, at - longest)


_KEPT = {
    "currentTime": "position", "current_time": "position", "old_time": "from", "new_time": "to", "new_speed": "speed",
    "attempts": "attempts", "success": "success", "letter_grade": "letter_grade", "percent_grade": "percent_grade",
    "hint_index": "hint", "target_tab": "tab", "current_tab": "from_tab", "vote_value": "vote", "undo_vote": "undone",
    "thread_type": "thread_type", "completion": "completion",
}  # fmt: skip
"""What is kept of an event's data, and under which name: measures, and nothing that people wrote."""
_MAX_KEPT_CHARACTERS = 100


def _metadata(tracked: _Tracked, places: tuple[Place, ...]) -> dict[str, Any]:
    kept = {
        name: value
        for key, name in _KEPT.items()
        if is_number(value := tracked.data.get(key))
        or isinstance(value, bool)
        or (isinstance(value, str) and 0 < len(value) <= _MAX_KEPT_CHARACTERS)
    }
    block = {"block": places[0].external_id} if places else {}
    return {"type": tracked.type[:_MAX_KEPT_CHARACTERS], **block, **kept}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _object_in(text: str) -> dict[str, Any]:
    """Return the object that browsers send as a text within the line."""
    if not text.startswith("{"):
        return {}
    try:
        return _object(_decode(text))
    except (msgspec.DecodeError, RecursionError):
        return {}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _id(value: object) -> str:
    """Return a number of an account, which some types have as a text."""
    return "" if isinstance(value, bool) or not isinstance(value, int | str) else str(value).strip()


def _instant(value: object) -> Instant | None:
    try:
        return instants.parse(value) if isinstance(value, str) else None
    except ValueError:
        return None
