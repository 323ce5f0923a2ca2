"""Who needs attention in a course: the rules, those whom they list, messages, and what is dismissed."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from headway.attention.model import MAX_NOTE, MAX_RECEIVERS, Rule, RuleName
from headway.attention.service import CourseFindings, ListedLearner, Sent
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import Invalid
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE
from headway.messaging.model import MAX_LENGTH
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, Redirect, get, post, safe_next
from headway.web.pages.reasons import Reason, reasons, rule_cards, suggested_message

_PATH = "/app/courses/{course_id:str}/attention"
_ON_A_PAGE = 50
_BESIDE = 50
"""How many of those who came back, and of those who are dismissed, are shown."""


class AttentionQuery(msgspec.Struct):
    """Those listed by a rule, or at all, from a place in the list."""

    rule: RuleName | None = None
    cursor: str | None = None


class RuleForm(msgspec.Struct):
    """Another threshold."""

    threshold: int
    hours: int | None = None
    is_on: bool = False


class MessageForm(msgspec.Struct):
    """A message to learners, or to all who are listed by a rule or at all."""

    message: Annotated[str, Meta(max_length=MAX_LENGTH)]
    to: list[str] = []
    is_to_all: bool = False
    rule: RuleName | None = None
    back: str | None = None
    """The page to return to."""


class DismissForm(msgspec.Struct):
    """What to dismiss, for how long, and why."""

    to: list[str] = []
    days: int = 14
    note: Annotated[str, Meta(max_length=MAX_NOTE)] | None = None
    back: str | None = None


class RestoreForm(msgspec.Struct):
    """What to list again."""

    to: list[str] = []
    back: str | None = None


class ShownLearner(NamedTuple):
    """A learner with why they are listed, in words, and a message that fits."""

    learner: ListedLearner
    reasons: Sequence[Reason]
    message: str


class AttentionPages:
    """The page *Needs attention* of a course."""

    def __init__(self, services: Services) -> None:
        self._staff = services.course_staff
        self._attention = services.attention
        self._paging = services.paging

    @get(_PATH, query=AttentionQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[AttentionQuery, None], tx: ReadTransaction) -> Page:
        """Show the rules and those whom they list."""
        course_id, query, caller = parse_id(request.path["course_id"]), request.query, request.caller
        course = await self._staff.taught_course(tx, caller, course_id)
        found = await self._attention.find(tx, caller, course_id)
        bound = ("attention", course_id, query.rule)
        request.walk = self._paging.walk(caller.user_id, bound, cursor=query.cursor, page=1, limit=_ON_A_PAGE)
        listed = await self._attention.page(tx, found, query.rule, request.walk)
        came_back, dismissed = found.came_back, sorted(found.dismissed)
        context = {
            "course": course,
            "found": found,
            "attention_count": len(found.listed),
            "cards": rule_cards(request.viewer, found),
            "rule": query.rule,
            "learners": self._shown(request, found, course.title, listed),
            "total": len(found.listed_by(query.rule)),
            "came_back": await self._attention.read(tx, found, came_back[:_BESIDE]),
            "came_back_total": len(came_back),
            "dismissed": self._shown(request, found, course.title, await self._attention.read(tx, found, dismissed[:_BESIDE])),
            "dismissed_total": len(dismissed),
            "next_cursor": request.walk.next_cursor,
            "suggestion": suggested_message(request.viewer, course.title, caller.name, query.rule),
            "most_receivers": MAX_RECEIVERS,
        }
        return Page("course/attention.html", context)

    @get(f"{_PATH}/count", transaction=READ_LARGE)
    async def count(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Return how many are listed, for the tabs of the other pages of the course."""
        count = await self._attention.count(tx, request.caller, parse_id(request.path["course_id"]))
        return Page("course/attention_count.html", {"attention_count": count})

    @post(f"{_PATH}/rules/{{rule:str}}", form=RuleForm, page="show", transaction=WRITE)
    async def change_rule(self, request: PageRequest[None, RuleForm], tx: WriteTransaction) -> Redirect:
        """Change a rule."""
        form = request.form
        names = {each.value: each for each in RuleName}
        if request.path["rule"] not in names:
            raise Invalid.field("rule", f"must be one of {', '.join(names)}")
        rule = Rule(names[request.path["rule"]], form.threshold, form.is_on, form.hours)
        await self._attention.set_rule(tx, request.caller, parse_id(request.path["course_id"]), rule)
        return Redirect(_page_of(request), notice=request.text("The rule is changed."))

    @post(f"{_PATH}/message", form=MessageForm, page="show")
    async def send(self, request: PageRequest[None, MessageForm]) -> Redirect:
        """Send a message to learners."""
        form, caller, course_id = request.form, request.caller, parse_id(request.path["course_id"])
        user_ids = _ids(form.to)
        if form.is_to_all:

            async def find(tx: ReadTransaction) -> list[int]:
                found = await self._attention.find(tx, caller, course_id)
                # Whoever had no message yet comes first.
                ordered = sorted(found.among(form.rule), key=lambda user_id: found.messaged.get(user_id, 0))
                return ordered[:MAX_RECEIVERS]

            user_ids = await request.read_large(find)
        if not user_ids:
            raise Invalid.field("to", "is nobody: select somebody first")
        async with request.write() as tx:
            sent = await self._attention.send(tx, caller, course_id, user_ids, form.message)
        return Redirect(_back(request, form.back), notice=_told(request, sent), is_good=sent.sent > 0 and not sent.refused)

    @post(f"{_PATH}/dismiss", form=DismissForm, page="show", transaction=WRITE)
    async def dismiss(self, request: PageRequest[None, DismissForm], tx: WriteTransaction) -> Redirect:
        """Dismiss what is found about learners."""
        form, user_ids = request.form, _ids(request.form.to)
        if not user_ids:
            raise Invalid.field("to", "is nobody: select somebody first")
        course_id = parse_id(request.path["course_id"])
        count = await self._attention.dismiss(tx, request.caller, course_id, user_ids, days=form.days, note=form.note)
        told = request.viewer.ngettext(
            "%(count)s learner is dismissed. Below the list you can undo that.",
            "%(count)s learners are dismissed. Below the list you can undo that.",
            count,
        )
        return Redirect(_back(request, form.back), notice=told)

    @post(f"{_PATH}/restore", form=RestoreForm, page="show", transaction=WRITE)
    async def restore(self, request: PageRequest[None, RestoreForm], tx: WriteTransaction) -> Redirect:
        """List again what was dismissed."""
        form = request.form
        await self._attention.restore(tx, request.caller, parse_id(request.path["course_id"]), _ids(form.to))
        return Redirect(_back(request, form.back), notice=request.text("What was found is listed again."))

    @staticmethod
    def _shown(
        request: PageRequest[Any, Any], found: CourseFindings, title: str, learners: Sequence[ListedLearner]
    ) -> list[ShownLearner]:
        viewer, sender = request.viewer, request.caller.name
        shown = []
        for learner in learners:
            rule = learner.findings[0].rule if learner.findings else None
            message = suggested_message(viewer, title, sender, rule).replace("{name}", learner.name, 1)
            shown.append(ShownLearner(learner, reasons(viewer, found, learner), message))
        return shown


def _ids(texts: Sequence[str]) -> list[int]:
    """Return the ids of a form, without those that nobody has."""
    return [user_id for text in texts if (user_id := parse_id(text))]


def _page_of(request: PageRequest[Any, Any]) -> str:
    return f"/app/courses/{parse_id(request.path['course_id'])}/attention"


def _back(request: PageRequest[Any, Any], wanted: str | None) -> str:
    """Return the page that a form was on."""
    return _page_of(request) if wanted is None else safe_next(wanted)


def _told(request: PageRequest[Any, Any], sent: Sent) -> str:
    """Return what became of a message, in words."""
    viewer = request.viewer
    parts = [viewer.ngettext("Message sent to %(count)s learner.", "Message sent to %(count)s learners.", sent.sent)]
    if sent.repeated:
        parts.append(
            viewer.ngettext("%(count)s had the same message already.", "%(count)s had the same message already.", sent.repeated)
        )
    if sent.refused:
        parts.append(
            viewer.ngettext(
                "%(count)s cannot be messaged: without access to the course, or you do not teach it.",
                "%(count)s cannot be messaged: without access to the course, or you do not teach it.",
                sent.refused,
            )
        )
    return " ".join(parts)
