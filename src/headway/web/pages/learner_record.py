"""One learner of a course, as its staff sees them: progress and why, study by day, work, messages, and what happened when."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from headway.attention.model import MAX_NOTE, render_message
from headway.courses.model import MAX_ACCESS_DAYS
from headway.csv_files import csv_of
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments.renewing import AccessChange
from headway.enrollments.status import BY_STAFF, LIMITED, EnrollmentStatus, StatusChange, can_become
from headway.errors import FieldError, Forbidden, Invalid
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE
from headway.instants import MINUTE, Instant, Milliseconds, iso
from headway.learning.explanation import UnitExplanation
from headway.learning.study_calendar import begin_of, local_day
from headway.learning.unit_progress import UnitStatus
from headway.messaging.model import MAX_LENGTH
from headway.reports.learner_model import HandedIn, Happening, Position, mean_grade
from headway.reports.learner_record import LearnerRecord
from headway.services import Services
from headway.web.page_routes import Download, Page, PageRequest, Redirect, get, post
from headway.web.pages.course_forms import local_instant
from headway.web.pages.reasons import Reason, reasons, suggested_message
from headway.web.pages.resets import names_of
from headway.web.texts import Viewer

_PATH = "/app/courses/{course_id:str}/learners/{user_id:str}"
_ENTRIES = 20
_DAYS = 365
"""So many days are shown in the calendar, at most."""


class TimelineQuery(msgspec.Struct):
    """Where the timeline goes on."""

    before: str | None = None


class MessageForm(msgspec.Struct):
    """A message to the learner."""

    message: Annotated[str, Meta(max_length=MAX_LENGTH)]


class NoteForm(msgspec.Struct):
    """A note about the learner."""

    text: Annotated[str, Meta(max_length=MAX_NOTE)]


class StatusForm(msgspec.Struct):
    """Another status of the enrollment."""

    status: EnrollmentStatus
    certificate_url: Annotated[str, Meta(max_length=2_000)] | None = None


class AccessForm(msgspec.Struct):
    """Another end of access: so many days later, or a local time of the viewer."""

    days: Annotated[int, Meta(ge=1, le=MAX_ACCESS_DAYS)] | None = None
    until: Annotated[str, Meta(max_length=30)] | None = None


class LearnerRecordPages:
    """The page of one learner. To look at it changes nothing and is not counted as activity of anybody."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._staff = services.course_staff
        self._records = services.learner_records
        self._attention = services.attention
        self._enrollments = services.enrollments
        self._renewing = services.renewing
        self._resets = services.resets
        self._learning = services.learning

    @get(_PATH, query=TimelineQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[TimelineQuery, None], tx: ReadTransaction) -> Page:
        """Show the learner."""
        course_id, user_id = _ids(request)
        course = await self._staff.taught_course(tx, request.caller, course_id)
        record = await self._records.read(tx, request.caller, course_id, user_id)
        before = None if request.query.before is None else Position.parse(request.query.before)
        timeline = await self._records.timeline(tx, request.caller, record, before=before, limit=_ENTRIES)
        found = await self._attention.find(tx, request.caller, course_id, [user_id])
        (listed,) = await self._attention.read(tx, found, [user_id])
        why_listed = reasons(request.viewer, found, listed) if user_id in found.listed else []
        works, now = _by_assessment(record), self._services.clock()
        context = {
            "now": now,
            "course": course,
            "record": record,
            "reasons": why_listed,
            "messaged_at": listed.messaged_at,
            "suggestion": _suggestion(request, course.title, record.name, why_listed),
            "study": _study(record, request.viewer, now),
            "works": works,
            "graded": sum(versions[0].submission.graded_at is not None for versions in works),
            "mean_grade": mean_grade([versions[0] for versions in works]),
            "timeline": timeline,
            "before": before,
            "Happening": Happening,
            "can_renew": record.enrollment.status in LIMITED | {EnrollmentStatus.EXPIRED},
            "statuses_to_set": {each.value for each in BY_STAFF if can_become(record.enrollment.status, each)},
            "shown_units": [each for each in record.explanation.units if not _is_left_out(each)],
            "other_units": [each for each in record.explanation.units if _is_left_out(each)],
            "units": {each.unit.id: each.unit for each in record.explanation.units},
            "resets": await self._resets.read_resets(tx, request.caller, course_id, user_id),
            "attempts": await self._resets.read_attempts(tx, request.caller, course_id, user_id),
            "names": names_of(await self._learning.find_course(tx, request.caller, course_id)),
        }
        return Page("course/learner.html", context)

    @get(f"{_PATH}/study.csv", transaction=READ_LARGE)
    async def download_study(self, request: PageRequest[None, None], tx: ReadTransaction) -> Download:
        """Return the study time of each day of the viewer's time zone with study."""
        record = await self._records.read(tx, request.caller, *_ids(request))
        header = [request.text("Day"), request.text("Study time (minutes)")]
        rows = [(day.isoformat(), _minutes(length)) for day, length in record.study_by_day(request.viewer.zone).items()]
        return Download(f"study-{record.user_id}.csv", csv_of(header, rows))

    @get(f"{_PATH}/units.csv", transaction=READ_LARGE)
    async def download_units(self, request: PageRequest[None, None], tx: ReadTransaction) -> Download:
        """Return the units with the learner's progress."""
        record = await self._records.read(tx, request.caller, *_ids(request))
        text = request.text
        header = [text("Unit"), text("Status"), text("Progress (%)"), text("Study time (minutes)"), text("Completed")]
        completed = {unit.unit_id: unit.completed_at for unit in record.units if unit.is_complete}
        rows = [
            (each.unit.title, each.status.value, each.percent / 100, _minutes(each.study_ms), _iso(completed.get(each.unit.id)))
            for each in record.explanation.units
        ]
        return Download(f"units-{record.user_id}.csv", csv_of(header, rows))

    @post(f"{_PATH}/message", form=MessageForm, page="show", transaction=WRITE)
    async def send(self, request: PageRequest[None, MessageForm], tx: WriteTransaction) -> Redirect:
        """Send the learner a message."""
        course_id, user_id = _ids(request)
        sent = await self._attention.send(tx, request.caller, course_id, [user_id], request.form.message)
        if sent.repeated:
            raise Invalid.field("message", "was sent to this learner within the last day")
        if not sent.sent:
            raise Forbidden("Messages go to learners of a course from those who teach it.", code="NOT_A_PEER")
        return Redirect(_path(course_id, user_id), notice=request.text("Message sent."))

    @post(f"{_PATH}/status", form=StatusForm, page="show", transaction=WRITE)
    async def set_status(self, request: PageRequest[None, StatusForm], tx: WriteTransaction) -> Redirect:
        """Certify the learner, end the access, or remove the learner from the course."""
        course_id, user_id = _ids(request)
        change = StatusChange(request.form.status, request.form.certificate_url)
        await self._enrollments.set_status(tx, request.caller, course_id, user_id, change, client=request.client)
        return Redirect(_path(course_id, user_id), notice=request.text("The enrollment is changed."))

    @post(f"{_PATH}/access", form=AccessForm, page="show", transaction=WRITE)
    async def change_access(self, request: PageRequest[None, AccessForm], tx: WriteTransaction) -> Redirect:
        """Extend, limit or renew the learner's access."""
        course_id, user_id = _ids(request)
        form = request.form
        if (form.days is None) is (form.until is None):
            raise Invalid.field("days", "must be given, or a time, but not both")
        until = None if form.until is None else local_instant("until", form.until, request.viewer.zone)
        change = AccessChange(until, form.days)
        try:
            await self._renewing.change(tx, request.caller, course_id, user_id, change, client=request.client)
        except Invalid as error:
            raise Invalid([FieldError("until", each.message) for each in error.fields]) from error
        return Redirect(_path(course_id, user_id), notice=request.text("The access is changed."))

    @post(f"{_PATH}/note", form=NoteForm, page="show", transaction=WRITE)
    async def add_note(self, request: PageRequest[None, NoteForm], tx: WriteTransaction) -> Redirect:
        """Note something about the learner."""
        course_id, user_id = _ids(request)
        await self._attention.add_note(tx, request.caller, course_id, user_id, request.form.text)
        return Redirect(_path(course_id, user_id), notice=request.text("Note added."))

    @post(f"{_PATH}/notes/{{note_id:str}}/delete", transaction=WRITE)
    async def delete_note(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Delete an own note."""
        course_id, user_id = _ids(request)
        await self._attention.delete_note(tx, request.caller, course_id, user_id, request.path["note_id"])
        return Redirect(_path(course_id, user_id), notice=request.text("Note deleted."))


def _is_left_out(unit: UnitExplanation) -> bool:
    """Return whether the learner did nothing in an optional unit; a course may have hundreds of them."""
    return unit.counted is None and unit.status in {UnitStatus.NOT_STARTED, UnitStatus.LOCKED} and unit.study_ms == 0


def _minutes(length: Milliseconds) -> float:
    return round(length / MINUTE, 1)


def _iso(instant: Instant | None) -> str | None:
    return None if instant is None else iso(instant)


def _ids(request: PageRequest[Any, Any]) -> tuple[int, int]:
    """Return the course and the learner of the path."""
    return parse_id(request.path["course_id"]), parse_id(request.path["user_id"])


def _path(course_id: int, user_id: int) -> str:
    return f"/app/courses/{course_id}/learners/{user_id}"


def _suggestion(request: PageRequest[Any, Any], course_title: str, name: str, listed: Sequence[Reason]) -> str:
    """Return what to write to a learner who is listed; nothing to others."""
    if not listed:
        return ""
    return render_message(suggested_message(request.viewer, course_title, request.caller.name, listed[0].rule), name)


def _study(record: LearnerRecord, viewer: Viewer, now: Instant) -> dict[str, object]:
    """Return the days of the calendar: up to today, or up to the last day of study if that was long ago."""
    by_day = record.study_by_day(viewer.zone)
    last = local_day(now, viewer.zone)
    if by_day and last - max(by_day) >= timedelta(_DAYS):
        last = max(by_day)
    began = min([local_day(record.enrollment.enrolled_at, viewer.zone), *by_day])
    first = max(began, last - timedelta(_DAYS - 1))
    rows: list[tuple[tuple[str, str], Milliseconds]] = [
        ((day.isoformat(), viewer.date(begin_of(day, viewer.zone))), length)
        for day, length in by_day.items()
        if first <= day <= last
    ]
    return {"rows": rows, "from": first.isoformat(), "to": last.isoformat(), "days": len(by_day)}


def _by_assessment(record: LearnerRecord) -> list[list[HandedIn]]:
    """Return the versions of each work, the newest first, in the order of the course's assessments."""
    works: dict[int, list[HandedIn]] = {}
    for work in sorted(record.works, key=lambda work: work.assessment.position):
        works.setdefault(work.assessment.id, []).append(work)
    return list(works.values())
