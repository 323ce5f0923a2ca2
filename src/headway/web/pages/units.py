"""A unit as a learner studies it: its content with the tracker at work, or what completes it, and its quiz."""

from typing import Any

import msgspec
from markupsafe import Markup

from headway.courses.completion import Rule
from headway.db.database import ReadTransaction
from headway.errors import Invalid, NotFound
from headway.http.params import parse_id
from headway.http.request import READ_LARGE
from headway.learning.explanation import UnitExplanation
from headway.learning.paths import OwnCourse
from headway.learning.unit_progress import UnitStatus
from headway.services import Services
from headway.settings import Settings
from headway.web import demo_content
from headway.web.demo_content import Quiz
from headway.web.page_routes import Page, PageRequest, Redirect, get, post
from headway.web.reader import COURSE_SLUG

_UNIT = "/app/learning/{course_id:str}/units/{unit_id:str}"
_MAX_QUESTIONS = 30


class AnswersQuery(msgspec.Struct):
    """The answers that were given to a quiz, by their places, with a point between them and `-` for none."""

    answers: str | None = None


AnswersForm = msgspec.defstruct("AnswersForm", [(f"answer{number}", int | None, None) for number in range(_MAX_QUESTIONS)])
"""The answers to a quiz, by their places: `answer0` is that to the first question."""


class UnitPages:
    """The units of a learner's courses. The content of units comes with the demo; other units are studied elsewhere."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self._learning = services.learning
        self._marking = services.marking
        self._is_demo = settings.demo

    @get(_UNIT, query=AnswersQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[AnswersQuery, None], tx: ReadTransaction) -> Page:
        """Show a unit with one's progress in it. Staff see it as learners do, and nothing of it is counted."""
        course = await self._learning.view(tx, request.caller, parse_id(request.path["course_id"]))
        unit = course.find_unit(parse_id(request.path["unit_id"]))
        if not (course.is_open or course.is_staff):
            raise NotFound("This unit is for those enrolled in the course.", code="UNIT_NOT_FOUND")
        is_locked = unit.status is UnitStatus.LOCKED and course.is_open
        quiz = None if is_locked else self._quiz(course, unit)
        before, after = course.neighbours(unit.unit.id)
        context = {
            "course": course,
            "each": unit,
            "is_locked": is_locked,
            "text": None if is_locked else self._text(course, unit),
            "quiz": quiz,
            "given": _read_answers(request.query.answers, quiz),
            "before": before,
            "after": after,
        }
        return Page("learning/unit.html", context)

    @post(f"{_UNIT}/complete", page="show")
    async def complete(self, request: PageRequest[None, None]) -> Redirect:
        """Mark a unit as complete, where that is its rule."""
        course_id, unit_id = _ids(request)
        async with request.read() as tx:
            unit = await self._marking.check(tx, request.caller, course_id, unit_id)
        await self._marking.mark(request.caller, unit)
        notice = request.text("You have completed “%(title)s”.", title=unit.title)
        return Redirect(f"/app/learning/{course_id}/units/{unit_id}", notice=notice)

    @post(f"{_UNIT}/answers", form=AnswersForm, page="show")
    async def answer(self, request: PageRequest[None, Any]) -> Redirect:
        """Answer the quiz of a unit; the best score counts."""
        course_id, unit_id = _ids(request)
        async with request.read() as tx:
            unit = await self._marking.check(tx, request.caller, course_id, unit_id, Rule.QUIZ)
            course = await self._learning.view(tx, request.caller, course_id)
        quiz = self._quiz(course, course.find_unit(unit_id))
        if quiz is None:
            raise NotFound("This unit has no quiz here.", code="UNIT_NOT_FOUND")
        answers = _given_answers(request.form, quiz)
        count, right = len(quiz.questions), quiz.count_right(answers)
        is_passed = await self._marking.submit_quiz(request.caller, unit, score=right, max_score=count)
        shown = ".".join("-" if each is None else str(each) for each in answers)
        notice = request.text("%(right)s of %(count)s answers are right.", right=right, count=count)
        return Redirect(f"/app/learning/{course_id}/units/{unit_id}?answers={shown}", notice=notice, is_good=is_passed)

    def _text(self, course: OwnCourse, unit: UnitExplanation) -> Markup | None:
        """Return the content of a unit of the demo's course, which comes with Headway and so is trusted."""
        slug = self._demo_slug(course, unit)
        text = None if slug is None else demo_content.text_of(slug)
        return None if text is None else Markup(text)  # noqa: S704 - a file of this package

    def _quiz(self, course: OwnCourse, unit: UnitExplanation) -> Quiz | None:
        slug = self._demo_slug(course, unit)
        return None if slug is None else demo_content.quiz_of(slug)

    def _demo_slug(self, course: OwnCourse, unit: UnitExplanation) -> str | None:
        return unit.unit.slug if self._is_demo and course.tree.course.slug == COURSE_SLUG else None


def _ids(request: PageRequest[Any, Any]) -> tuple[int, int]:
    return parse_id(request.path["course_id"]), parse_id(request.path["unit_id"])


def _given_answers(form: msgspec.Struct, quiz: Quiz) -> list[int | None]:
    """Return the answers of a form, in the order of the questions. Raises Invalid for one that a question does not have."""
    answers: list[int | None] = [getattr(form, f"answer{number}") for number in range(len(quiz.questions))]
    for number, (answer, asked) in enumerate(zip(answers, quiz.questions, strict=True)):
        if answer is not None and not 0 <= answer < len(asked.answers):
            raise Invalid.field(f"answer{number}", "must be one of the answers")
    return answers


def _read_answers(text: str | None, quiz: Quiz | None) -> list[int | None] | None:
    """Read the answers in a URL; None where there are none, or not those of this quiz."""
    parts = (text or "").split(".", _MAX_QUESTIONS)
    if quiz is None or len(parts) != len(quiz.questions):
        return None
    return [int(part) if part.isascii() and part.isdecimal() and len(part) == 1 else None for part in parts]
