"""Erasing a person: everything that tells who it was goes for good, what the numbers need stays under the account's id.

One transaction does all of it, so an erasure has happened or has not. What takes long is read before: which stored responses,
and which entries of the audit log, tell of the person by other words than the account's id.
"""

import re
from collections.abc import Callable, Collection
from enum import StrEnum
from typing import NamedTuple

import msgspec

from headway.accounts import erasing_store as accounts_erasing
from headway.accounts import store as users
from headway.accounts.administration import require_admin
from headway.accounts.model import COMMAND_LINE, Account, Operator, User
from headway.accounts.service import Accounts
from headway.assessments import erasing_store as assessments_erasing
from headway.attention import erasing_store as attention_erasing
from headway.audit import erasing_store as audit_erasing
from headway.audit.erasing_store import Redacted, Wordings
from headway.audit.model import Action, Target, TargetType
from headway.audit.service import AuditRecorder
from headway.courses import staff_store
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments import erasing_store as enrollments_erasing
from headway.enrollments import waiting_store as waiting
from headway.enrollments.service import Enrollments
from headway.enrollments.staff import CourseStaff
from headway.errors import Conflict, Invalid, NotFound
from headway.feed import erasing_store as feed_erasing
from headway.feed.model import course_topic, user_topic
from headway.idempotency import erasing_store as responses_erasing
from headway.identity import Caller, Role, UserIds, settle_email
from headway.ids import NewId
from headway.instants import MINUTE, Clock, Instant, iso
from headway.learning import erasing_store as learning_erasing
from headway.mail import erasing_store as mail_erasing
from headway.messaging import erasing_store as messaging_erasing
from headway.paging import erasing_store as paging_erasing
from headway.paging.service import Walk
from headway.privacy import receipts, receipts_store
from headway.privacy.receipts import Erasure, Receipt
from headway.rosters import erasing_store as rosters_erasing
from headway.webhooks import erasing_store as webhooks_erasing
from headway.words import Mentions, words


class Reason(StrEnum):
    """Why a person is erased: one of a list, so that a receipt holds nothing personal."""

    REQUEST = "request"
    RETENTION = "retention"
    MISTAKE = "mistake"
    OTHER = "other"


class Findings(NamedTuple):
    """What was found before the transaction: how the person is named elsewhere, and where."""

    external_ids: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    mentions: tuple[int, ...] = ()
    responses: tuple[tuple[int, str], ...] = ()
    looked_until: int = 0
    """The number of the last entry of the audit log that was searched."""
    looked_at: Instant = 0


class ErasureRequest(NamedTuple):
    """Whom to erase and why. `confirmation` repeats the id or the address of the account: it guards against a slip."""

    user_id: int
    reason: Reason
    confirmation: str


class UserErasure:
    """Erases people, for administrators and for operators at the command line, and keeps the receipts."""

    def __init__(
        self,
        clock: Clock,
        new_id: NewId,
        accounts: Accounts,
        enrollments: Enrollments,
        staff: CourseStaff,
        audit: AuditRecorder,
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._accounts = accounts
        self._enrollments = enrollments
        self._staff = staff
        self._audit = audit

    async def prepare(self, tx: ReadTransaction, caller: Caller | None, wanted: ErasureRequest) -> Findings:
        """Check a request, and find what takes long to find. Raises as `erase`."""
        account = await self._find(tx, caller, wanted)
        if await receipts_store.find_of(tx, wanted.user_id) is not None:
            return Findings()
        now, known = self._clock(), await audit_erasing.find_identifiers(tx, wanted.user_id)
        external_ids = _with(known.external_ids, account.user.external_id)
        addresses = _with(known.addresses, account.user.email)
        until = await audit_erasing.last_number(tx)
        mentions = await audit_erasing.find_mentions(tx, addresses, after=0)
        wordings = _wordings(account.user, external_ids, addresses)
        mentions += await audit_erasing.find_wordings(tx, wanted.user_id, wordings, after=0)
        tells_of = _telling_of(account.user, addresses | external_ids)
        responses = await responses_erasing.find_responses(tx, tells_of, since=0)
        return Findings(external_ids, addresses, tuple(mentions), tuple(responses), until, now)

    async def erase(
        self, tx: WriteTransaction, wanted: ErasureRequest, found: Findings, operator: Operator = COMMAND_LINE
    ) -> Erasure:
        """Erase a person, with what `prepare` found; one who was erased before stays so, and the receipt is the same.

        Raises Forbidden, NotFound USER_NOT_FOUND, Invalid naming `confirmation`, and Conflict OWN_ACCOUNT, LAST_ADMIN,
        LAST_OWNER or ARCHIVE_UNFINISHED.
        """
        caller, user_id = operator.caller, wanted.user_id
        for each in sorted({user_id} if caller is None else {caller.user_id, user_id}):
            await users.lock_account(tx, each)
        account = await self._find(tx, caller, wanted)
        done = await receipts_store.find_of(tx, user_id)
        if done is not None:
            return done
        await learning_erasing.hold_archives(tx)
        await _check_admins(tx, account.user, caller)
        now = self._clock()
        courses = await enrollments_erasing.list_course_ids(tx, user_id)
        await self._leave_courses(tx, user_id, courses, operator)
        erased = await self._erase_texts(tx, account, found, courses, now)
        erased |= await accounts_erasing.erase(tx, user_id, found.addresses, now)
        public_key = await receipts_store.ensure_key(tx)
        await self._accounts.forget(tx, user_id)
        redacted = await _erase_from_log(tx, account.user, found, courses)
        receipt = Receipt(
            format=receipts.FORMAT,
            installation=receipts_store.installation_of(public_key),
            user_id=str(user_id),
            role=account.user.role.value,
            reason=wanted.reason.value,
            erased_at=iso(now),
            erased_by=None if caller is None else str(caller.user_id),
            erased=erased | {"auditContents": redacted.contents, "auditEntriesChanged": redacted.changed},
            left={"archivedEvents": await learning_erasing.count_archived(tx, user_id)},
        )
        made = await receipts_store.insert_signed(tx, user_id, receipt, now)
        await self._record(tx, wanted, made, redacted, caller)
        return made

    async def list_erasures(self, tx: ReadTransaction, caller: Caller, walk: Walk) -> tuple[list[Erasure], int]:
        """List the erasures, the newest first, and count them. Raises Forbidden."""
        await require_admin(tx, caller)
        found, total = await receipts_store.list_page(tx, walk.slice)
        return walk.cut(found, lambda each: each.id), total

    async def find(self, tx: ReadTransaction, caller: Caller, erasure_id: int) -> Erasure:
        """Read an erasure. Raises Forbidden, NotFound ERASURE_NOT_FOUND."""
        await require_admin(tx, caller)
        found = await receipts_store.find(tx, erasure_id)
        if found is None:
            raise NotFound("There is no such erasure.", code="ERASURE_NOT_FOUND")
        return found

    async def public_key(self, tx: ReadTransaction, caller: Caller | None) -> str:
        """Return the key that verifies receipts. Raises Forbidden, NotFound RECEIPT_KEY_NOT_FOUND before the first one."""
        if caller is not None:
            await require_admin(tx, caller)
        found = await receipts_store.public_key(tx)
        if found is None:
            raise NotFound("The key is made with the first receipt.", code="RECEIPT_KEY_NOT_FOUND")
        return found

    async def _find(self, tx: ReadTransaction, caller: Caller | None, wanted: ErasureRequest) -> Account:
        if caller is not None:
            await require_admin(tx, caller)
        account = await self._accounts.find_account(tx, wanted.user_id)
        email = account.user.email
        is_address = email is not None and settle_email(wanted.confirmation) == settle_email(email)
        is_confirmed = is_address or wanted.confirmation == str(wanted.user_id)
        # Who repeats a request whose response was lost may name an address that is gone.
        if not is_confirmed and account.user.erased_at is None:
            raise Invalid.field("confirmation", "must be the id or the address of the account")
        if caller is not None and caller.user_id == wanted.user_id:
            raise Conflict("Another administrator has to erase your account.", code="OWN_ACCOUNT")
        return account

    async def _leave_courses(self, tx: WriteTransaction, user_id: int, courses: list[int], operator: Operator) -> None:
        """Leave the staff of courses, waiting lists and seats, in the order of courses."""
        taught = {course.id for course in await staff_store.list_taught(tx, user_id)}
        waited_for = set(await waiting.list_waited_for(tx, user_id))
        for course_id in sorted(taught | waited_for | set(courses)):
            if course_id in taught:
                await self._staff.remove_erased(tx, course_id, user_id)
            if course_id in waited_for:
                await self._enrollments.leave(tx, user_id, course_id)
            if course_id in courses:
                await self._enrollments.drop_all(tx, course_id, [user_id])

    async def _erase_texts(
        self, tx: WriteTransaction, account: Account, found: Findings, courses: list[int], now: Instant
    ) -> dict[str, int]:
        """Erase what each room knows of a person, and count it by kind."""
        user_id = account.user.id
        peers = await messaging_erasing.list_peers(tx, user_id)
        topics = [*map(user_topic, peers), *map(course_topic, courses)]
        tells_of = _telling_of(account.user, found.addresses | found.external_ids)
        late = await responses_erasing.find_responses(tx, tells_of, since=found.looked_at - MINUTE)
        responses = sorted({*found.responses, *late})
        erased = await learning_erasing.erase(tx, user_id, self._new_id)
        for counts in (
            await enrollments_erasing.erase(tx, user_id, found.addresses, now),
            await assessments_erasing.erase(tx, user_id),
            await attention_erasing.erase(tx, user_id, account.user.name, found.addresses | found.external_ids),
            await rosters_erasing.erase(tx, user_id),
            await webhooks_erasing.erase(tx, user_id),
            await messaging_erasing.erase(tx, user_id),
            await mail_erasing.erase(tx, user_id, found.addresses),
            await feed_erasing.erase(tx, user_id, topics),
            await responses_erasing.erase(tx, user_id, responses),
        ):
            erased |= counts
        await paging_erasing.erase(tx, user_id)
        return erased

    async def _record(
        self, tx: WriteTransaction, wanted: ErasureRequest, made: Erasure, redacted: Redacted, caller: Caller | None
    ) -> None:
        """Record the erasure, without anybody's name: the entry has to be readable whoever is erased later."""
        metadata = {"reason": wanted.reason.value, "erasureId": str(made.id)} | redacted.metadata()
        nameless = None if caller is None else Caller(caller.user_id, caller.role)
        target = Target(TargetType.USER, str(wanted.user_id), TargetType.USER.model)
        await self._audit.record_for(tx, Action.ERASE_USER, nameless, target, metadata=metadata)


async def _check_admins(tx: WriteTransaction, user: User, caller: Caller | None) -> None:
    is_last = user.role is Role.ADMIN and not user.is_disabled and not await accounts_erasing.has_other_admin(tx, user.id)
    if caller is None and is_last:
        raise Conflict("This is the last administrator: make another one first.", code="LAST_ADMIN")


async def _erase_from_log(tx: WriteTransaction, user: User, found: Findings, courses: Collection[int]) -> Redacted:
    names = {name for each in found.external_ids for name in UserIds(user.id, each).stored_names} - {str(user.id)}
    names |= {f"email:{settle_email(each)}" for each in found.addresses}
    # What was appended since the log was searched.
    late = await audit_erasing.find_mentions(tx, found.addresses, after=found.looked_until)
    wordings = _wordings(user, found.external_ids, found.addresses)
    late += await audit_erasing.find_wordings(tx, user.id, wordings, after=found.looked_until)
    enrollments = [f"{course_id}-{user.id}" for course_id in courses]
    return await audit_erasing.erase(tx, user.id, names, enrollments, {*found.mentions, *late}, wordings)


def _wordings(user: User, external_ids: Collection[str], addresses: Collection[str]) -> Wordings:
    """Return what tells of a person where clients write what they like; a single word, such as `Will`, may tell of others."""
    full_names = [each for each in (user.name,) if len(words(each)) > 1]
    return Wordings(Mentions([user.name, *external_ids, *addresses]), Mentions([*full_names, *addresses]))


def _telling_of(user: User, others: Collection[str]) -> Callable[[str], bool]:
    """Return a function that says whether a response tells of a person: by the id, the name, or another of these words."""
    texts = [msgspec.json.encode(each).decode() for each in (str(user.id), user.name, *others)]
    pattern = re.compile("|".join(map(re.escape, texts)))
    return lambda response: pattern.search(response) is not None


def _with(known: frozenset[str], own: str | None) -> frozenset[str]:
    return known if own is None else known | {own}
