"""Enrolling by staff: wire <-> model."""

from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from headway import instants
from headway.contracts.learner import mapping, roster_wire, wire
from headway.enrollments.enrolling_model import EnrollVerdict, Invitation, VerdictStatus, Wanted
from headway.enrollments.model import Enrollment, WaitingLearner
from headway.enrollments.renewing import AccessChange
from headway.enrollments.seating import Waiting
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.errors import FieldError, Invalid, camel_case
from headway.http.decoding import Decoder
from headway.http.params import parse_instant

_decoder = Decoder(roster_wire.EnrollmentItem)


def wanted(items: Sequence[msgspec.Raw]) -> list[Wanted | Invalid]:
    """Return what each item asks for, or what is wrong with it."""
    return [_wanted(bytes(item)) for item in items]


def _wanted(item: bytes) -> Wanted | Invalid:
    try:
        body: roster_wire.EnrollmentItem = _decoder.decode(item)
    except Invalid as error:
        return error
    errors: list[FieldError] = []
    until = parse_instant(errors, "expires_at", body.expires_at)
    return Invalid(errors) if errors else Wanted(body.user, until, body.waitlist, body.invite)


def verdicts(found: Sequence[EnrollVerdict]) -> roster_wire.EnrollmentVerdicts:
    """Render verdicts, with how many there are of each kind."""
    counts = Counter(each.status.value for each in found)
    numbers = roster_wire.VerdictCounts(**{status.value: counts[status.value] for status in VerdictStatus})
    return roster_wire.EnrollmentVerdicts(data=[_verdict(i, each) for i, each in enumerate(found)], metadata=numbers)


def _verdict(index: int, verdict: EnrollVerdict) -> roster_wire.EnrollmentVerdict:
    made = roster_wire.EnrollmentVerdict(index, verdict.status.value)
    if verdict.user is not None:
        made.learner_id, made.name = str(verdict.user.id), verdict.user.name
    match verdict.place:
        case Enrollment() as enrollment:
            made.place, made.enrollment = "enrolled", mapping.enrollment(enrollment)
        case Waiting(position=position):
            made.place, made.position = "waitlisted", position
        case Invitation(id=invitation_id):
            made.place, made.invitation_id = "invited", str(invitation_id)
    if (error := verdict.error) is not None:
        made.code, made.message = error.kind, error.message
        problems = [wire.LearnerFieldProblem(camel_case(each.field), each.message) for each in error.fields]
        made.errors = problems or UNSET
    return made


def change(body: wire.EnrollmentChangeBody) -> StatusChange | AccessChange:
    """Return the change of an enrollment: of its status or of its access. Raises Invalid if it is neither or both."""
    given = [name for name in ("status", "expires_at", "extend_days") if getattr(body, name) is not UNSET]
    if len(given) != 1:
        raise Invalid.field(given[1] if given else "status", "must be the only one of status, expiresAt and extendDays")
    if isinstance(body.status, EnrollmentStatus):
        return StatusChange(body.status, body.certificate_url)
    if body.certificate_url is not None:
        raise Invalid.field("certificate_url", "goes with the status CERTIFIED only")
    errors: list[FieldError] = []
    until = None if body.expires_at is UNSET else parse_instant(errors, "expires_at", body.expires_at)
    if errors:
        raise Invalid(errors)
    return AccessChange(until, None if body.extend_days is UNSET else body.extend_days)


def invitation(stored: Invitation) -> roster_wire.Invitation:
    """Render an invitation."""
    return roster_wire.Invitation(
        id=str(stored.id),
        course_id=str(stored.course_id),
        email=stored.email,
        expires_at=None if stored.access_until is None else instants.iso(stored.access_until),
        invited_by=None if stored.invited_by is None else str(stored.invited_by),
        invited_at=instants.iso(stored.invited_at),
        valid_until=instants.iso(stored.ends_at),
        mailed_at=None if stored.mailed_at is None else instants.iso(stored.mailed_at),
    )


def waiting_learner(course_id: int, each: WaitingLearner) -> roster_wire.WaitingLearner:
    """Render a learner who waits, for staff."""
    joined_at = instants.iso(each.joined_at)
    return roster_wire.WaitingLearner(str(course_id), str(each.user_id), each.name, each.position, joined_at, each.is_disabled)


def own_place(course_id: int, own: WaitingLearner) -> roster_wire.OwnPlace:
    """Render a learner's own place."""
    return roster_wire.OwnPlace(str(course_id), own.position, instants.iso(own.joined_at))
