"""The forms of a course, what they show of it, and how they change it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from headway.accounts.model import User
from headway.courses.model import MAX_ACCESS_DAYS, MAX_CAPACITY, CourseTree, NewCourse
from headway.csv_files import csv_of
from headway.enrollments.enrolling_model import EnrollVerdict, Invitation, VerdictStatus
from headway.enrollments.model import Enrollment, NamedEnrollment
from headway.enrollments.seating import Waiting
from headway.errors import Conflict, FieldError, Invalid
from headway.identity import CourseRole
from headway.instants import SECOND, Instant, from_datetime, iso, to_datetime
from headway.web.refusals import N_, said
from headway.web.texts import Viewer

_LOCAL_TIME: Final = "%Y-%m-%dT%H:%M"
"""How browsers write what is typed into an input of the type `datetime-local`."""
_LocalTime = Annotated[str, Meta(max_length=30)]
_TIMES: Final = ("starts_at", "ends_at", "enroll_from", "enroll_until")


class DetailsForm(msgspec.Struct):
    """The details of a course; times are local ones of the viewer. `seen` is what the page showed; see `fingerprint`."""

    title: str
    seen: str
    description: str | None = None
    subject: str | None = None
    level: str | None = None
    external_id: str | None = None
    source: str | None = None
    starts_at: _LocalTime | None = None
    ends_at: _LocalTime | None = None
    enroll_from: _LocalTime | None = None
    enroll_until: _LocalTime | None = None
    capacity: Annotated[int, Meta(ge=0, le=MAX_CAPACITY)] | None = None
    access_days: Annotated[int, Meta(ge=1, le=MAX_ACCESS_DAYS)] | None = None
    published: bool = False
    sequential: bool = False


class AddressesForm(msgspec.Struct):
    """E-mail addresses of learners to enroll."""

    addresses: Annotated[str, Meta(max_length=100_000)]
    wait: bool = False


class PlaceForm(msgspec.Struct):
    """Another place on the waiting list."""

    position: Annotated[int, Meta(ge=1, le=1_000_000)]


class AppointForm(msgspec.Struct):
    """A member of staff to appoint."""

    email: Annotated[str, Meta(max_length=400)]
    role: CourseRole


class RoleForm(msgspec.Struct):
    """Another role of a member of staff."""

    role: CourseRole


def fingerprint(course: NewCourse) -> str:
    """Return a short text that changes with any of the details of a course."""
    own = msgspec.structs.replace(course, modules=(), assessments=())
    return blake2b(msgspec.json.encode(own), digest_size=12).hexdigest()


def change_details(form: DetailsForm, zone: ZoneInfo) -> Callable[[CourseTree], NewCourse]:
    """Return the change of a course that a form asks for. It raises Invalid, and Conflict COURSE_CHANGED."""

    def edit(stored: CourseTree) -> NewCourse:
        if fingerprint(stored.course) != form.seen:
            message = "Somebody else has changed the course meanwhile. Look at what is different, and save again."
            raise Conflict(message, code="COURSE_CHANGED")
        errors: list[FieldError] = []
        times = {name: _instant(errors, name, getattr(form, name), getattr(stored.course, name), zone) for name in _TIMES}
        if errors:
            raise Invalid(errors)
        return msgspec.structs.replace(
            stored.unchanged,
            title=form.title,
            description=form.description,
            subject=form.subject,
            level=form.level,
            external_id=form.external_id,
            source=form.source,
            capacity=form.capacity,
            access_days=form.access_days,
            is_published=form.published,
            is_sequential=form.sequential,
            **times,
        )

    return edit


def local_time(instant: Instant | None, viewer: Viewer) -> str:
    """Return an instant as an input of the type `datetime-local` holds it."""
    return "" if instant is None else to_datetime(instant, viewer.zone).strftime(_LOCAL_TIME)


def _instant(errors: list[FieldError], field: str, text: str | None, stored: Instant | None, zone: ZoneInfo) -> Instant | None:
    """Return the instant of a local time; the stored one, which may have seconds, where the form shows it unchanged."""
    if text is None:
        return None
    if stored is not None and text == to_datetime(stored, zone).strftime(_LOCAL_TIME):
        return stored
    try:
        return local_instant(field, text, zone)
    except Invalid as error:
        errors += error.fields
        return None


def local_instant(field: str, text: str, zone: ZoneInfo) -> Instant:
    """Return the instant of a local time. Raises Invalid naming the field."""
    try:
        return from_datetime(datetime.fromisoformat(text).replace(tzinfo=zone))
    except (ValueError, OverflowError) as error:
        raise Invalid.field(field, "must be a date and a time, such as 2026-01-31T12:00") from error


class AddressResult(NamedTuple):
    """What became of an address, as the page says it; the tone is `good`, `warn`, `bad` or none."""

    address: str
    text: str
    tone: str
    user: User | None
    is_settled: bool
    """Whether there is nothing left to do about it."""


def address_result(viewer: Viewer, address: str, verdict: EnrollVerdict) -> AddressResult:
    """Return what became of an address."""
    is_settled = verdict.status is not VerdictStatus.REJECTED
    return AddressResult(address, *_outcome(viewer, verdict), verdict.user, is_settled)


def _outcome(viewer: Viewer, verdict: EnrollVerdict) -> tuple[str, str]:
    is_unchanged = verdict.status is VerdictStatus.UNCHANGED
    match verdict.place:
        case Enrollment() if is_unchanged:
            return viewer.text("Was enrolled already"), ""
        case Enrollment():
            return viewer.text("Enrolled"), "good"
        case Waiting(position=position):
            return viewer.text("Waits for a seat, place %(position)s", position=viewer.number(position)), "warn"
        case Invitation():
            return viewer.text("Was invited already") if is_unchanged else viewer.text(
                "Invited: there is no account yet"
            ), "warn"
    error = verdict.error
    assert error is not None  # noqa: S101 - there is a place otherwise
    return viewer.text(_REASONS[error.kind]) if error.kind in _REASONS else said(viewer, error.message), "bad"


_REASONS = {
    "ACCESS_ENDED": N_("Access has ended; renew it on the learner's page"),
    "COURSE_FULL": N_("Every seat is taken"),
    "USER_DISABLED": N_("The account is disabled"),
    "USER_NOT_FOUND": N_("There is no account with this address"),
    "VALIDATION_ERROR": N_("This is not an e-mail address"),
    "DUPLICATE_ITEM": N_("The same account comes earlier in the list"),
    "TOO_MANY_INVITATIONS": N_("The course has too many invitations: withdraw some first"),
}


def csv_of_enrollments(viewer: Viewer, found: Sequence[NamedEnrollment]) -> bytes:
    """Return enrollments as CSV; percents are of 100, study time is in seconds."""
    text = viewer.text
    header = [
        *(text("Learner"), text("Id"), text("Status"), text("Enrolled"), text("Progress (%)"), text("Study time (seconds)")),
        *(text("Last active"), text("Completed"), text("Certificate")),
    ]
    rows = (
        (
            name,
            each.user_id,
            each.status.value,
            iso(each.enrolled_at),
            each.percent / 100,
            each.study_ms // SECOND,
            None if each.last_activity_at is None else iso(each.last_activity_at),
            None if each.completed_at is None else iso(each.completed_at),
            each.certificate_url,
        )
        for each, name in found
    )
    return csv_of(header, rows)
