"""The roster of a course: who its staff enrolls by e-mail address, and who waits for a seat."""

import re
from enum import StrEnum
from typing import NamedTuple

from headway.accounts import store as users
from headway.accounts.model import User, is_email
from headway.audit.model import Action, Deed, caller_actor, enrollment_target, learner_in_course
from headway.audit.service import AuditRecorder
from headway.courses import store as catalogue
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments import waiting_store as waiting
from headway.enrollments.authorization import course_not_found, require_staff
from headway.enrollments.model import WaitingLearner
from headway.enrollments.seating import Placed, Refusal, Waiting, place
from headway.errors import Conflict, Invalid, NotFound
from headway.identity import Caller, Client, settle_email
from headway.instants import Clock
from headway.paging.service import Walk
from headway.webhooks.announcements import LeftWaitingList

MAX_ADDRESSES = 200
"""How many addresses can be enrolled at once."""
_SEPARATORS = re.compile(r"[\r\n,;]+")
_IN_BRACKETS = re.compile(r"<([^<>\s]*@[^<>\s]*)>")


class Unplaced(StrEnum):
    """Why nobody is enrolled by an address."""

    DISABLED = "disabled"
    """The account is disabled, so that nobody could use the seat."""
    UNKNOWN = "unknown"
    """No account has the address; none is created."""
    NO_ADDRESS = "no-address"
    """The text is no e-mail address."""


class AddressResult(NamedTuple):
    """The outcome for an address as it was given: a place in the course, or why there is none."""

    address: str
    outcome: Placed | Unplaced
    user: User | None = None


class Roster:
    """What the staff of a course does about its learners before they are enrolled."""

    def __init__(self, clock: Clock, audit: AuditRecorder) -> None:
        self._clock = clock
        self._audit = audit

    async def enroll_addresses(
        self,
        tx: WriteTransaction,
        caller: Caller,
        course_id: int,
        text: str,
        *,
        may_wait: bool = False,
        client: Client | None = None,
    ) -> list[AddressResult]:
        """Enroll the accounts that have these e-mail addresses, as staff of the course, by the rules for everybody.

        Addresses are taken in order while there are seats; who comes after that waits for one if asked, or is told. Each
        address has a result of its own, and accounts are found, never created. The number of statements does not depend on how
        many there are. Raises Invalid naming `addresses`, Forbidden, NotFound COURSE_NOT_FOUND, Conflict COURSE_CLOSED if the
        course is not published.
        """
        addresses = read_addresses(text)
        if not addresses or len(addresses) > MAX_ADDRESSES:
            raise Invalid.field("addresses", f"must be 1 to {MAX_ADDRESSES} e-mail addresses")
        found = await users.find_by_emails(tx, [each for each in addresses if is_email(each)])
        terms = await catalogue.lock_enrollment_terms(tx, course_id)
        # Checked under the lock of the course's row: the caller may have left the staff while waiting for it.
        await require_staff(tx, caller, course_id)
        if terms is None:
            raise course_not_found()
        if not terms.is_published:
            raise Conflict("Publish the course before you enroll anybody.", code="COURSE_CLOSED")
        user_ids = list(dict.fromkeys(user.id for user in found.values() if not user.is_disabled))
        placed = await place(tx, terms, user_ids, now=self._clock(), may_wait=may_wait)
        await self._record(tx, caller, course_id, placed, client)
        return [_result(address, found.get(address), placed) for address in addresses]

    async def list_waiting(
        self, tx: ReadTransaction, caller: Caller, course_id: int, walk: Walk
    ) -> tuple[list[WaitingLearner], int]:
        """List who waits for a seat in a course, in order, for its staff, and how many they are.

        Raises NotFound COURSE_NOT_FOUND, Forbidden, Invalid naming `cursor`.
        """
        await require_staff(tx, caller, course_id)
        found, total = await waiting.list_page(tx, course_id, walk.slice)
        return walk.cut(found, lambda each: each.number), total

    async def remove_waiting(
        self, tx: WriteTransaction, caller: Caller, course_id: int, user_id: int, *, client: Client | None = None
    ) -> None:
        """Remove a learner from the waiting list of a course, as its staff.

        Raises Forbidden, NotFound COURSE_NOT_FOUND or ENROLLMENT_NOT_FOUND.
        """
        await catalogue.lock_enrollment_terms(tx, course_id)
        await require_staff(tx, caller, course_id)
        if not await waiting.stop_waiting(tx, course_id, [user_id]):
            raise NotFound("This learner does not wait for a seat any more.", code="ENROLLMENT_NOT_FOUND")
        tx.announce(LeftWaitingList(learner_id=user_id, course_id=course_id))
        record = learner_in_course(course_id, user_id) | {"from": "WAITING", "to": None}
        target, actor = enrollment_target(course_id, user_id), caller_actor(caller)
        await self._audit.record(tx, Action.CHANGE_ENROLLMENT, actor, target, metadata=record, client=client)

    async def _record(
        self,
        tx: WriteTransaction,
        caller: Caller,
        course_id: int,
        placed: dict[int, Placed],
        client: Client | None,
    ) -> None:
        deeds = []
        for user_id, result in placed.items():
            if not isinstance(result, Refusal):
                record = learner_in_course(course_id, user_id) | {"isWaiting": isinstance(result, Waiting)}
                target = enrollment_target(course_id, user_id)
                deeds.append(Deed(Action.ENROLL_LEARNER, caller_actor(caller), target, record, client))
        await self._audit.record_all(tx, deeds)


def read_addresses(text: str) -> list[str]:
    """Return the e-mail addresses of a text in order, each once, also what is to be one and is not.

    They are separated by commas, semicolons, spaces or lines; of `Ada Lovelace <ada@example.org>` it is what is in the
    brackets.
    """
    found: dict[str, str] = {}
    for part in _SEPARATORS.split(text):
        for address in _IN_BRACKETS.findall(part) or part.split():
            found.setdefault(settle_email(address), address)
    return list(found.values())


def _result(address: str, user: User | None, placed: dict[int, Placed]) -> AddressResult:
    if user is None:
        return AddressResult(address, Unplaced.UNKNOWN if is_email(address) else Unplaced.NO_ADDRESS)
    return AddressResult(address, Unplaced.DISABLED if user.is_disabled else placed[user.id], user)
