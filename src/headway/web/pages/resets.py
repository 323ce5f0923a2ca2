"""Reset a learner's progress, with what is lost by it before it is done, and undo it: for the staff of a course."""

from collections.abc import Collection
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from headway.courses.completion import Percent, percent_of_course
from headway.courses.model import CourseTree
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import Invalid
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE
from headway.learning.explanation import CourseExplanation, UnitExplanation
from headway.learning.reset_model import MAX_REASON, ResetRequest
from headway.learning.unit_progress import UnitStatus
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, Redirect, get, post

_PATH = "/app/courses/{course_id:str}/learners/{user_id:str}"
_COURSE, _ATTEMPT, _MODULE, _UNIT = "course", "attempt", "module", "unit"


class ResetQuery(msgspec.Struct):
    """What to reset: `course`, `attempt`, or `module-5` or `unit-5`; None to choose first."""

    what: Annotated[str, Meta(max_length=40)] | None = None


class ResetForm(msgspec.Struct):
    """The same, whether study time is kept, and why."""

    what: Annotated[str, Meta(max_length=40)]
    keeps_study: bool = False
    reason: Annotated[str, Meta(max_length=MAX_REASON)] | None = None


class _Lost(NamedTuple):
    """What a reset takes away."""

    units: list[UnitExplanation]
    """Those with progress or study."""
    percent_after: Percent


class ResetPages:
    """The page on which progress is reset."""

    def __init__(self, services: Services) -> None:
        self._clock = services.clock
        self._staff = services.course_staff
        self._records = services.learner_records
        self._resetting = services.resetting
        self._learning = services.learning

    @get(f"{_PATH}/reset", query=ResetQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[ResetQuery, None], tx: ReadTransaction) -> Page:
        """Show what would be lost."""
        course_id, user_id = _ids(request)
        course = await self._staff.taught_course(tx, request.caller, course_id)
        record = await self._records.read(tx, request.caller, course_id, user_id)
        tree = await self._learning.find_course(tx, request.caller, course_id)
        what = request.query.what
        if request.failed is not None and "what" in request.failed.values:
            what = str(request.failed.value("what"))
        wholes = {_COURSE: request.text("The whole course"), _ATTEMPT: request.text("The whole course, as a new attempt")}
        name = None if what is None else (wholes | names_of(tree)).get(what)
        asked = ResetRequest() if what is None or name is None else _request_of(what) or ResetRequest()
        in_scope = _units_of(asked, record.explanation)
        context = {
            "course": course,
            "record": record,
            "modules": tree.active_modules,
            "what": None if name is None else what,
            "name": name,
            "lost": _lost(in_scope, record.explanation),
            "keeps_study": not asked.is_attempt,
            "undo_days": self._resetting.undo_for // 86_400_000,
        }
        return Page("course/reset.html", context)

    @post(f"{_PATH}/reset", form=ResetForm, page="show", transaction=WRITE)
    async def reset(self, request: PageRequest[None, ResetForm], tx: WriteTransaction) -> Redirect:
        """Reset what was chosen."""
        course_id, user_id = _ids(request)
        chosen = _request_of(request.form.what)
        if chosen is None:
            raise Invalid.field("what", "must be a choice of the list")
        asked = chosen._replace(keeps_study=request.form.keeps_study, reason=request.form.reason)
        await self._resetting.reset(tx, request.caller, course_id, user_id, asked, client=request.client)
        notice = request.text("A new attempt has begun.") if asked.is_attempt else request.text("The progress is reset.")
        return Redirect(f"{_record(request)}#resets", notice=notice)

    @post(f"{_PATH}/resets/{{reset_id:str}}/undo", page="show", transaction=WRITE)
    async def undo(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Undo the last reset."""
        course_id, user_id = _ids(request)
        reset_id = parse_id(request.path["reset_id"])
        await self._resetting.undo(tx, request.caller, course_id, user_id, reset_id, client=request.client)
        notice = request.text("The reset is undone. What was reached since counts too.")
        return Redirect(f"{_record(request)}#resets", notice=notice)


def names_of(tree: CourseTree) -> dict[str, str]:
    """Return the titles of the modules and units of a course, retired ones too, by `module-5` and `unit-5`."""
    modules = {f"{_MODULE}-{module.id}": module.title for module in tree.modules}
    return modules | {f"{_UNIT}-{unit.id}": unit.title for unit in tree.units}


def _request_of(what: str) -> ResetRequest | None:
    """Return the request of a choice; None for a choice that there is not."""
    kind, _, number = what.partition("-")
    if kind in {_COURSE, _ATTEMPT} and not number:
        return ResetRequest(is_attempt=kind == _ATTEMPT)
    if kind == _MODULE and number:
        return ResetRequest(module_id=parse_id(number))
    if kind == _UNIT and number:
        return ResetRequest(unit_id=parse_id(number))
    return None


def _units_of(asked: ResetRequest, explanation: CourseExplanation) -> list[UnitExplanation]:
    return [
        each
        for each in explanation.units
        if asked.unit_id in {None, each.unit.id} and asked.module_id in {None, each.unit.module_id}
    ]


def _lost(in_scope: Collection[UnitExplanation], explanation: CourseExplanation) -> _Lost:
    idle = {UnitStatus.NOT_STARTED, UnitStatus.LOCKED}
    units = [each for each in in_scope if each.percent or each.study_ms or each.status not in idle]
    left = explanation.sum_of_percents - sum(each.counted or 0 for each in in_scope)
    return _Lost(units, percent_of_course(left, explanation.required_units))


def _ids(request: PageRequest[Any, Any]) -> tuple[int, int]:
    return parse_id(request.path["course_id"]), parse_id(request.path["user_id"])


def _record(request: PageRequest[Any, Any]) -> str:
    course_id, user_id = _ids(request)
    return f"/app/courses/{course_id}/learners/{user_id}"
