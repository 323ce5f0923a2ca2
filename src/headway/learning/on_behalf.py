"""Recording what services report for learners: each event for the user whom its item names.

It runs outside any request's transaction: it finds users in a read of its own, creates those who are missing, if a setting says
so, in a write of its own, and then waits for the collector, as reports of learners do.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from headway.accounts.model import MAX_NAME, NewUser, Operator, User, was_erased
from headway.accounts.naming import find_users
from headway.accounts.service import Accounts
from headway.audit.model import Action, Deed, caller_actor, enrollment_target, learner_in_course
from headway.audit.service import AuditRecorder
from headway.courses import store as catalogue
from headway.db.database import Database, WriteTransaction
from headway.enrollments import store as enrollments
from headway.enrollments.model import LearnerInCourse
from headway.enrollments.seating import Refusal as NoSeat
from headway.enrollments.seating import place
from headway.errors import Conflict, FieldError, Forbidden, HeadwayError, Invalid
from headway.identity import Caller, Client, Role, UserRef
from headway.instants import Instant
from headway.learning.model import Observation, Outcome, Refusal, Report, Verdict
from headway.learning.recording import Ingest

NamedItem = tuple[str, Observation | Verdict]
"""The user whom an item names, and its observation, or the verdict that rejects it."""
_Users = dict[str, User | HeadwayError]
_CODES = {Outcome.CONFLICT: "EVENT_ID_REUSED", Outcome.REJECTED: Invalid.code}
_NOT_ENROLLED = FieldError("course_id", "is a course in which the user is not enrolled")


class Reported(NamedTuple):
    """What became of an item; `code` says why it was not accepted."""

    event_id: str | None
    verdict: Verdict
    code: str | None = None


class _Sent(NamedTuple):
    """A request: who sent it, when, and how large it was."""

    caller: Caller
    received_at: Instant
    size_bytes: int
    client: Client | None


class ReportingForOthers:
    """The way in for events that service accounts report: the same as for the learners' own, once it is known whose they are.

    `creates_learners` creates users who are named by an external id or an address that nobody has, and enrolls users who
    never were in a course, by the rules for everybody.
    """

    def __init__(
        self, database: Database, ingest: Ingest, accounts: Accounts, audit: AuditRecorder, *, creates_learners: bool
    ) -> None:
        self._database = database
        self._ingest = ingest
        self._accounts = accounts
        self._audit = audit
        self._creates_learners = creates_learners

    async def record(
        self,
        caller: Caller,
        items: Sequence[NamedItem],
        received_at: Instant,
        *,
        size_bytes: int = 0,
        client: Client | None = None,
    ) -> list[Reported]:
        """Record items of many learners, and return what became of each, in their order.

        Raises Forbidden unless the caller is a service account; Overloaded, and then nothing is stored; Unavailable.
        """
        require_service(caller)
        sent = _Sent(caller, received_at, size_bytes, client)
        async with self._database.read() as tx:
            # In the order of the items: so come those who are created, and the last seats are given.
            found = await find_users(tx, dict.fromkeys(name for name, item in items if not isinstance(item, Verdict)))
        if self._creates_learners and any(_can_be_created(name, user) for name, user in found.items()):
            found = await self._create_users(sent, found)
        # Whose account was erased is nobody any more.
        found |= {
            name: was_erased(user) for name, user in found.items() if isinstance(user, User) and user.erased_at is not None
        }
        places, reports = _reports(sent, items, found)
        no_seat: dict[LearnerInCourse, HeadwayError] = {}
        if self._creates_learners and reports:
            reports = await self._ingest.find_courses(reports)
            no_seat = await self._enroll_missing(sent, reports)
        recorded = await self._ingest.record_all(reports) if reports else []
        results = dict(_results(places, reports, recorded, no_seat))
        verdicts = [results.get(index) or _unrecorded(name, item, found) for index, (name, item) in enumerate(items)]
        self._ingest.count_rejected([each.verdict for each in verdicts], unread=len(items) - len(results))
        return verdicts

    async def _enroll_missing(self, sent: _Sent, reports: Sequence[Report]) -> dict[LearnerInCourse, HeadwayError]:
        """Enroll users who never were in the course of an observation; return why some have no seat."""
        keys = dict.fromkeys((report.user_id, each.course_id) for report in reports for each in report.observations)
        async with self._database.read(single_statement=True) as tx:
            known = await enrollments.find_many(tx, sorted(keys))
        by_course: dict[int, list[int]] = defaultdict(list)
        for user_id, course_id in keys:
            if (user_id, course_id) not in known:
                by_course[course_id].append(user_id)
        no_seat: dict[LearnerInCourse, HeadwayError] = {}
        for course_id, user_ids in sorted(by_course.items()):
            async with self._database.write() as tx:
                no_seat |= await self._enroll(tx, sent, course_id, user_ids)
        return no_seat

    async def _create_users(self, sent: _Sent, found: _Users) -> _Users:
        faults: _Users = {}
        async with self._database.write() as tx:
            for name, user in found.items():
                if _can_be_created(name, user):
                    try:
                        await self._create_user(tx, sent, name)
                    except (Invalid, Conflict) as error:
                        faults[name] = error
            # Somebody else may have created them meanwhile.
            found = await find_users(tx, found)
        return found | {name: fault for name, fault in faults.items() if not isinstance(found[name], User)}

    async def _create_user(self, tx: WriteTransaction, sent: _Sent, name: str) -> None:
        ref = UserRef.parse(name)
        shown = ref.external_id if ref.email is None else ref.email.partition("@")[0]
        new = NewUser(Role.PARTICIPANT, (shown or "")[:MAX_NAME], ref.email, ref.external_id)
        await self._accounts.add_as_operator(tx, new, Operator(sent.caller, sent.client))

    async def _enroll(
        self, tx: WriteTransaction, sent: _Sent, course_id: int, user_ids: Sequence[int]
    ) -> dict[LearnerInCourse, HeadwayError]:
        """Enroll learners in a course while there are seats; return why some have none."""
        terms = await catalogue.hold_enrollment_terms(tx, course_id)
        if terms is None or not terms.is_published:
            return {}
        placed = await place(tx, terms, user_ids, now=sent.received_at)
        seated = [user_id for user_id, each in placed.items() if not isinstance(each, NoSeat)]
        await self._audit.record_all(tx, [_enrolled(sent, course_id, user_id) for user_id in seated])
        return {(user_id, course_id): each.error for user_id, each in placed.items() if isinstance(each, NoSeat)}


def require_service(caller: Caller) -> None:
    """Check that a caller is a service account. Raises Forbidden."""
    if caller.role is not Role.SYSTEM:
        raise Forbidden("Only service accounts report events for others.")


def _can_be_created(name: str, user: User | HeadwayError) -> bool:
    """Return whether there is nobody whom a text names, and it says what of: a bare text could be either."""
    return not isinstance(user, User) and name.startswith(("ext:", "email:")) and user.kind == "USER_NOT_FOUND"


def _reports(sent: _Sent, items: Sequence[NamedItem], found: _Users) -> tuple[list[list[int]], Sequence[Report]]:
    """Gather the items of each user in a report; return the places of its items, and the report, of each."""
    places: dict[int, list[int]] = defaultdict(list)
    observed: dict[int, list[Observation]] = defaultdict(list)
    for index, (name, item) in enumerate(items):
        if not isinstance(item, Verdict) and isinstance(user := found[name], User):
            places[user.id].append(index)
            observed[user.id].append(item)
    caller = sent.caller
    who: dict[str, Any] = {
        "caller_id": caller.user_id,
        "actor": caller_actor(caller),
        "client": sent.client,
        "key_id": caller.key_id,
    }
    size = sent.size_bytes // len(items) if items else 0
    reports = [Report(user_id, sent.received_at, tuple(each), size * len(each), **who) for user_id, each in observed.items()]
    return list(places.values()), reports


def _results(
    places: Sequence[Sequence[int]],
    reports: Sequence[Report],
    recorded: Sequence[Sequence[Verdict]],
    no_seat: Mapping[LearnerInCourse, HeadwayError],
) -> Iterator[tuple[int, Reported]]:
    """Yield what became of observations, by the places of their items."""
    for indexes, report, verdicts in zip(places, reports, recorded, strict=True):
        for index, observation, verdict in zip(indexes, report.observations, verdicts, strict=True):
            error = no_seat.get((report.user_id, observation.course_id)) if no_seat else None
            yield index, _reported(observation.event_id, verdict, error)


def _enrolled(sent: _Sent, course_id: int, user_id: int) -> Deed:
    target, record = enrollment_target(course_id, user_id), learner_in_course(course_id, user_id)
    return Deed(Action.ENROLL_LEARNER, caller_actor(sent.caller), target, record, sent.client)


def _unrecorded(name: str, item: Observation | Verdict, found: _Users) -> Reported:
    """Return the rejection of an item that could not be read, or whose user is not there."""
    if isinstance(item, Verdict):
        return Reported(item.event_id, item, Invalid.code)
    error = found[name]
    assert isinstance(error, HeadwayError)  # noqa: S101 - items of users are recorded
    messages = [each.message for each in error.fields] or [error.message]
    errors = tuple(FieldError("user", message) for message in messages)
    return Reported(item.event_id, Verdict(Outcome.REJECTED, item.event_id, errors), error.kind)


def _reported(event_id: str | None, verdict: Verdict, no_seat: HeadwayError | None) -> Reported:
    """Return a verdict with the code of a refusal; it does not call the caller the learner."""
    if verdict.refusal is Refusal.FORBIDDEN:
        fault = _NOT_ENROLLED if no_seat is None else FieldError("course_id", no_seat.message)
        refused = Verdict(Outcome.REJECTED, event_id, (fault,), verdict.refusal)
        return Reported(event_id, refused, "NOT_ENROLLED" if no_seat is None else no_seat.kind)
    return Reported(event_id, verdict, _CODES.get(verdict.outcome))
