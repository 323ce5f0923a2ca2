"""A learner's courses: all of them, and one with its modules, study by day and assessments."""

from typing import NamedTuple

import msgspec

from headway.assessments.model import AssessmentState, OwnAssessment
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments.seating import Waiting
from headway.enrollments.status import FINISHED
from headway.http.params import Page as PageNumber
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE
from headway.instants import Clock
from headway.learning.paths import CoursePath
from headway.learning.study_calendar import begin_of
from headway.learning.unit_progress import UnitStatus
from headway.paging.service import Walk
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, Redirect, get, post
from headway.web.pages.large_courses import is_large
from headway.web.pages.resets import names_of

_COURSES_ON_A_PAGE = 100
_DUE_AT_ONCE = 8
_WEEK_DAYS, _COURSE_DAYS = 7, 84
_COURSE = "/app/learning/{course_id:str}"


class PageQuery(msgspec.Struct):
    """Which page of a list."""

    page: PageNumber = 1


class EnrollForm(msgspec.Struct):
    """Whether to wait where every seat is taken."""

    waitlist: bool = False


class StreakForm(msgspec.Struct):
    """Whether to show streaks."""

    is_shown: bool = False


class Due(NamedTuple):
    """An assessment that is not handed in, with its course."""

    own: OwnAssessment
    course_title: str
    state: AssessmentState


class LearningPages:
    """What a learner learns, and where to go on."""

    def __init__(self, services: Services) -> None:
        self._clock = services.clock
        self._accounts = services.accounts
        self._learning = services.learning
        self._progress = services.progress
        self._enrollments = services.enrollments
        self._offers = services.offers
        self._resets = services.resets
        self._assessments = services.assessments
        self._messaging = services.messaging
        self._study_times = services.study_times

    @get("/app/learning", query=PageQuery, transaction=READ_LARGE)
    async def show_all(self, request: PageRequest[PageQuery, None], tx: ReadTransaction) -> Page:
        """List one's courses with the next step in each, and what is due."""
        user_id, zone = request.caller.user_id, request.viewer.zone
        page = request.query.page
        paths, total = await self._learning.paths(tx, user_id, Walk(_COURSES_ON_A_PAGE, page))
        account = await self._accounts.find_account(tx, user_id)
        week = await self._study_times.own(tx, user_id, zone, days=_WEEK_DAYS)
        context = {
            "courses": [path for path in paths if path.is_open and path.enrollment.status not in FINISHED],
            "finished": [path for path in paths if path.is_open and path.enrollment.status in FINISHED],
            "left": [path for path in paths if not path.is_open],
            "due": _due(await self._assessments.list_own(tx, user_id), paths, self._clock),
            "waiting": await self._offers.list_waiting(tx, user_id),
            "unread": await self._messaging.count_unread(tx, user_id),
            "week": week,
            "streak": await self._study_times.own_streak(tx, user_id, zone) if account.shows_streak else None,
            "page": page,
            "has_more": page * _COURSES_ON_A_PAGE < total,
        }
        return Page("learning/courses.html", context)

    @get(_COURSE, transaction=READ_LARGE)
    async def show(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Show a course with everything in it, and one's progress; to others what it is, and how to enroll."""
        caller, course_id = request.caller, parse_id(request.path["course_id"])
        course = await self._learning.view(tx, caller, course_id)
        offer = (await self._offers.read(tx, caller.user_id, [course.tree]))[course_id]
        calendar, zone = None, request.viewer.zone
        if course.path is not None:
            access = await self._progress.authorize(tx, caller, course_id, caller.user_id)
            calendar = await self._study_times.in_course(tx, access, zone, days=_COURSE_DAYS)
        own = await self._assessments.list_own(tx, caller.user_id, course_id)
        now = self._clock()
        assessments = [(each, each.state(now)) for each in own]
        studied = sorted(calendar.by_day.items()) if calendar else []
        context = {
            "course": course,
            "is_large": is_large(course.units),
            "complete_units": {unit_id for unit_id, each in course.units.items() if each.status is UnitStatus.COMPLETED},
            "offer": offer,
            "calendar": calendar,
            "study_rows": [((day.isoformat(), request.viewer.date(begin_of(day, zone))), length) for day, length in studied],
            "assessments": assessments,
            "resets": [],
            "attempts": [],
            "names": names_of(course.tree),
            "now": now,
        }
        if course.path is not None:
            context["resets"] = await self._resets.read_resets(tx, caller, course_id, caller.user_id)
            if course.path.enrollment.counts_from is not None:
                context["attempts"] = await self._resets.read_attempts(tx, caller, course_id, caller.user_id)
        return Page("learning/course.html", context)

    @post(f"{_COURSE}/enroll", form=EnrollForm, page="show", transaction=WRITE)
    async def enroll(self, request: PageRequest[None, EnrollForm], tx: WriteTransaction) -> Redirect:
        """Enroll, or wait for a seat."""
        user_id, course_id = request.caller.user_id, parse_id(request.path["course_id"])
        if not request.form.waitlist:
            await self._enrollments.enroll(tx, user_id, course_id)
            return Redirect(f"/app/learning/{course_id}", notice=request.text("You are enrolled."))
        place = await self._enrollments.enroll_or_wait(tx, user_id, course_id)
        notice = request.text("You are enrolled.")
        if isinstance(place, Waiting):
            notice = request.text("You are on the waiting list, at place %(position)s.", position=place.position)
        return Redirect(f"/app/learning/{course_id}", notice=notice)

    @post(f"{_COURSE}/leave", page="show", transaction=WRITE)
    async def leave(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Leave a course, or its waiting list."""
        await self._enrollments.leave(tx, request.caller.user_id, parse_id(request.path["course_id"]))
        return Redirect("/app/learning", notice=request.text("You have left the course. Your progress is kept."))

    @get("/app/certificates", transaction=READ_LARGE)
    async def show_certificates(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """List the courses that one completed, with their certificates."""
        finished = await self._learning.list_finished(tx, request.caller.user_id)
        return Page("learning/certificates.html", {"finished": finished})

    @post("/app/account/streak", form=StreakForm, transaction=WRITE)
    async def choose_streak(self, request: PageRequest[None, StreakForm], tx: WriteTransaction) -> Redirect:
        """Store whether to show streaks."""
        await self._accounts.show_streak(tx, request.caller.user_id, is_shown=request.form.is_shown)
        return Redirect("/app/account", notice=request.text("Your choice is stored."))


def _due(own: list[OwnAssessment], paths: list[CoursePath], clock: Clock) -> list[Due]:
    """Return what is to be handed in, the first due first, and what has no due date last."""
    titles, now = {path.enrollment.course_id: path.title for path in paths}, clock()
    due = [Due(each, titles[each.assessment.course_id], each.state(now)) for each in own if each.assessment.course_id in titles]
    left = [each for each in due if each.state in {AssessmentState.TO_HAND_IN, AssessmentState.LATE}]
    return sorted(left, key=lambda each: (each.own.assessment.due_at is None, each.own.assessment.due_at or 0))[:_DUE_AT_ONCE]
