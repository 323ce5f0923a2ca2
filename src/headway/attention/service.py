"""Who needs help in a course, for its staff, and what staff do about it: put aside, write, note."""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence, Set
from typing import NamedTuple

from headway.attention import facts_store, store
from headway.attention.facts_store import CourseFacts
from headway.attention.model import (
    BACK_DAYS,
    FOLLOWED_DAYS,
    MAX_DISMISSED_DAYS,
    MAX_RECEIVERS,
    NOT_FOUND,
    SAME_TEXT_WITHIN,
    Dismissal,
    FailedResult,
    Finding,
    Judge,
    Note,
    Return,
    Rule,
    RuleName,
    Rules,
    Run,
    Values,
    away_days,
    check_note,
    check_rule,
    render_message,
)
from headway.bounded_cache import BoundedCache
from headway.db.database import ReadTransaction, WriteTransaction
from headway.disclosures.model import RecordKind
from headway.enrollments import lists_store as enrollment_lists
from headway.enrollments import store as enrollments
from headway.enrollments.authorization import require_staff
from headway.enrollments.model import Enrollment
from headway.errors import Conflict, Invalid, NotFound
from headway.identity import Caller
from headway.ids import NewId
from headway.instants import DAY, Clock, Instant
from headway.learning.store import CourseStructures
from headway.messaging.model import check_message
from headway.messaging.service import Messaging
from headway.paging.service import Moving, Slice, Walk

SHORTEST_KEPT_SECONDS, KEPT_TIMES, LONGEST_KEPT_SECONDS = 0.2, 10, 30
"""What took longer than this to find serves ten times as long, and half a minute at most. Changes of the rules, and what is put
aside, count at once.
"""
_KEPT_BYTES, _LEARNER_BYTES = 64 * 2**20, 200
_PLACES = {name: place for place, name in enumerate(RuleName)}
"""Where `Values` have the value of a rule."""


class ListedLearner(NamedTuple):
    """A learner of a course, with why staff should look at them, and what was done about it."""

    enrollment: Enrollment
    name: str
    findings: Sequence[Finding]
    failed: Sequence[FailedResult]
    """The results that do not pass, of a learner listed for them."""
    messaged_at: Instant | None
    """When the last message from the list was sent, if that was in the last FOLLOWED_DAYS."""
    returned: Return | None
    note: str | None = None
    """With which a dismissed learner was put aside."""


class CourseFindings(NamedTuple):
    """The findings in a course at an instant, about all of its learners or about some."""

    course: CourseFacts
    judge: Judge
    listed: Mapping[int, Values]
    """By learner; without those of whom all findings are put aside."""
    dismissed: Mapping[int, Sequence[Finding]]
    """The findings that are put aside, of learners who have no other."""
    returned: Mapping[int, Return]
    messaged: Mapping[int, Instant]

    @property
    def rules(self) -> Rules:
        """The rules of the course."""
        return self.judge.rules

    @property
    def counts(self) -> Mapping[RuleName, int]:
        """How many learners are listed by each rule."""
        values = self.listed.values()
        return {name: sum(each[place] != NOT_FOUND for each in values) for place, name in enumerate(RuleName)}

    def listed_by(self, rule: RuleName | None) -> Set[int]:
        """Return the learners who are listed by a rule, or at all."""
        if rule is None:
            return self.listed.keys()
        place = _PLACES[rule]
        return {user_id for user_id, values in self.listed.items() if values[place] != NOT_FOUND}

    def among(self, rule: RuleName | None) -> list[int]:
        """Return the learners who are listed, or listed by a rule, in order.

        Those with the most findings come first, of them whoever was seen last, who is easiest to reach.
        """
        listed = self.listed
        return sorted(sorted(self.listed_by(rule)), key=lambda user_id: _urgency(listed[user_id]), reverse=True)

    @property
    def came_back(self) -> list[int]:
        """The learners who came back and are neither listed nor put aside, the latest first."""
        found = (each for each in self.returned.values() if each.user_id not in self.listed.keys() | self.dismissed.keys())
        return [each.user_id for each in sorted(found, key=lambda each: (-each.last_activity_at, each.user_id))]


class _Known(NamedTuple):
    """What was found about all learners of a course, in a state of the course and its rules, and how long that serves."""

    state: tuple[int, Run, Rules]
    until: float
    values: dict[int, Values]


class Sent(NamedTuple):
    """What became of a message to several learners, in numbers of learners."""

    sent: int
    repeated: int
    """Those who had the same text already."""
    refused: int
    """Those to whom the caller may not write."""


class Attention:
    """Finds who needs help in courses, for their staff, and remembers what staff did about it."""

    def __init__(
        self,
        clock: Clock,
        new_id: NewId,
        structures: CourseStructures,
        messaging: Messaging,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._structures = structures
        self._messaging = messaging
        self._stopwatch = stopwatch
        self._known: BoundedCache[int, _Known] = BoundedCache(
            _KEPT_BYTES, lambda _course_id, known: len(known.values) * _LEARNER_BYTES
        )

    async def find(
        self, tx: ReadTransaction, caller: Caller, course_id: int, user_ids: Sequence[int] | None = None
    ) -> CourseFindings:
        """Find who needs help in a course, among all of its learners or among some.

        Raises NotFound COURSE_NOT_FOUND, Forbidden.
        """
        if user_ids is not None and len(user_ids) == 1:
            await require_staff(tx, caller, course_id, shown=RecordKind.RECORD, learner_id=user_ids[0])
        else:
            await require_staff(tx, caller, course_id)
        now = self._clock()
        course = await facts_store.read_course(tx, course_id, self._structures)
        rules, reachable = await store.read_rules(tx, course_id), course.structure.share_opened(now)
        judge = Judge(rules, course.run, now, reachable=reachable)
        messaged = await store.read_messaged(tx, course_id, since=now - FOLLOWED_DAYS * DAY)
        if not judge.applies:
            return CourseFindings(course, judge, {}, {}, {}, messaged)
        found = await self._find_listed(tx, course, judge, user_ids)
        dismissed = await self._put_aside(tx, course, judge, found)
        returned = await _read_returned(tx, course_id, judge, messaged, user_ids)
        return CourseFindings(course, judge, found, dismissed, returned, messaged)

    async def count(self, tx: ReadTransaction, caller: Caller, course_id: int) -> int:
        """Count the learners of a course who are listed. Raises NotFound COURSE_NOT_FOUND, Forbidden."""
        return len((await self.find(tx, caller, course_id)).listed)

    async def read(self, tx: ReadTransaction, found: CourseFindings, user_ids: Sequence[int]) -> list[ListedLearner]:
        """Read learners of a course with what was found about them, in the order of their ids that are given."""
        course_id = found.course.structure.course_id
        enrolled = await enrollments.find_many(tx, [(user_id, course_id) for user_id in user_ids])
        names = await enrollment_lists.read_names(tx, user_ids)
        listed = [user_id for user_id in user_ids if user_id in found.listed]
        findings = await self._explain(tx, found, listed)
        place = _PLACES[RuleName.FAILED_TWICE]
        failing = [user_id for user_id in listed if found.listed[user_id][place] != NOT_FOUND]
        needed = found.rules[RuleName.FAILED_TWICE].threshold
        failed = await facts_store.read_failed(tx, found.course, needed, failing) if failing else {}
        aside = [user_id for user_id in user_ids if user_id in found.dismissed]
        notes = await store.read_dismissal_notes(tx, course_id, aside) if aside else {}
        return [
            ListedLearner(
                enrolled[user_id, course_id],
                names[user_id],
                findings.get(user_id) or found.dismissed.get(user_id, ()),
                failed.get(user_id, ()),
                found.messaged.get(user_id),
                found.returned.get(user_id),
                notes.get(user_id),
            )
            for user_id in user_ids
            if (user_id, course_id) in enrolled
        ]

    async def page(self, tx: ReadTransaction, found: CourseFindings, rule: RuleName | None, walk: Walk) -> list[ListedLearner]:
        """Read some of those who are listed, or listed by a rule, in the order of `CourseFindings.among`."""
        ordered = found.among(rule)
        return await walk.read(tx, listing(ordered, lambda user_ids: self.read(tx, found, user_ids)))

    async def set_rule(self, tx: WriteTransaction, caller: Caller, course_id: int, rule: Rule) -> None:
        """Change a rule of a course. Raises Invalid, NotFound COURSE_NOT_FOUND, Forbidden."""
        await require_staff(tx, caller, course_id)
        check_rule(rule)
        await store.write_rule(tx, course_id, rule)

    async def dismiss(
        self, tx: WriteTransaction, caller: Caller, course_id: int, user_ids: Sequence[int], *, days: int, note: str | None
    ) -> int:
        """Put aside what is found about some learners now: until there is another finding, or for some days. Return how many
        learners that concerns. Raises Invalid, NotFound COURSE_NOT_FOUND, Forbidden.
        """
        if not 1 <= days <= MAX_DISMISSED_DAYS:
            raise Invalid.field("days", f"must be from 1 to {MAX_DISMISSED_DAYS}")
        if note is not None:
            check_note(note, "note")
        found = await self.find(tx, caller, course_id, user_ids)
        now = self._clock()
        dismissed = [
            Dismissal(user_id, finding.rule, finding.mark, now + days * DAY, caller.user_id, now, note)
            for user_id, findings in (await self._explain(tx, found, list(found.listed))).items()
            for finding in findings
        ]
        if dismissed:
            await store.write_dismissals(tx, course_id, dismissed, now)
        return len(found.listed)

    async def restore(self, tx: WriteTransaction, caller: Caller, course_id: int, user_ids: Sequence[int]) -> None:
        """Undo what `dismiss` did about some learners. Raises NotFound COURSE_NOT_FOUND, Forbidden."""
        await require_staff(tx, caller, course_id)
        await store.delete_dismissals(tx, course_id, user_ids)

    async def send(
        self, tx: WriteTransaction, caller: Caller, course_id: int, user_ids: Collection[int], template: str
    ) -> Sent:
        """Send learners of a course a message, in which `{name}` stands for the name of each, as a member of its staff.

        Nobody gets the same text of the same course twice within a day, however often this is called.
        Raises Invalid, NotFound COURSE_NOT_FOUND, Forbidden, Conflict TOO_MANY_RECEIVERS.
        """
        await require_staff(tx, caller, course_id)
        check_message(template)
        if len(user_ids) > MAX_RECEIVERS:
            raise Conflict(f"A message goes to {MAX_RECEIVERS} learners at once.", code="TOO_MANY_RECEIVERS")
        enrolled = await enrollments.find_many(tx, [(user_id, course_id) for user_id in sorted(set(user_ids))])
        names = await enrollment_lists.read_names(tx, [user_id for user_id, _ in enrolled])
        texts = {user_id: render_message(template, name) for user_id, name in names.items()}
        now = self._clock()
        digests = {user_id: tx.keyring.sign(text) for user_id, text in texts.items()}
        new = await store.claim_texts(tx, course_id, caller.user_id, digests, now, sent_before=now - SAME_TEXT_WITHIN)
        sent = await self._messaging.send_to_learners(tx, caller.user_id, {user_id: texts[user_id] for user_id in new})
        await store.forget_texts(tx, course_id, {user_id: digests[user_id] for user_id in new - {m.receiver_id for m in sent}})
        return Sent(len(sent), len(texts) - len(new), len(new) - len(sent))

    async def add_note(self, tx: WriteTransaction, caller: Caller, course_id: int, user_id: int, text: str) -> Note:
        """Note something about a learner of a course, for its staff. Raises Invalid, NotFound COURSE_NOT_FOUND or NOT_ENROLLED,
        Forbidden.
        """
        await require_staff(tx, caller, course_id)
        check_note(text)
        if await enrollments.find(tx, user_id, course_id) is None:
            raise NotFound("The learner is not enrolled in the course.", code="NOT_ENROLLED")
        note = Note(user_id, course_id, self._new_id(), caller.user_id, caller.name, text, self._clock())
        await store.insert_note(tx, note)
        return note

    async def list_notes(self, tx: ReadTransaction, caller: Caller, course_id: int, user_id: int) -> list[Note]:
        """List the notes of the staff about a learner of a course, the newest first.

        Raises NotFound COURSE_NOT_FOUND, Forbidden.
        """
        await require_staff(tx, caller, course_id, shown=RecordKind.RECORD, learner_id=user_id)
        return await store.list_notes(tx, course_id, user_id)

    async def delete_note(self, tx: WriteTransaction, caller: Caller, course_id: int, user_id: int, note_id: str) -> None:
        """Delete an own note. Raises NotFound COURSE_NOT_FOUND or NOTE_NOT_FOUND, Forbidden."""
        await require_staff(tx, caller, course_id)
        if not await store.delete_note(tx, course_id, user_id, note_id, caller.user_id):
            raise NotFound("There is no such note of yours.", code="NOTE_NOT_FOUND")

    async def _find_listed(
        self, tx: ReadTransaction, course: CourseFacts, judge: Judge, user_ids: Sequence[int] | None
    ) -> dict[int, Values]:
        """Return what the rules find about all learners, or about some.

        Of a course with so many learners that it takes long, it serves for a while: see KEPT_TIMES.
        """
        if user_ids is not None:
            return await facts_store.find_listed(tx, course, judge, user_ids)
        begin = self._stopwatch()
        known = self._known.get(course.structure.course_id)
        state = course.structure.revision, course.run, judge.rules
        if known is None or known.state != state or known.until < begin:
            values = await facts_store.find_listed(tx, course, judge)
            took = self._stopwatch() - begin
            known = _Known(state, begin + min(took * KEPT_TIMES, LONGEST_KEPT_SECONDS), values)
            if took > SHORTEST_KEPT_SECONDS:
                self._known.put(course.structure.course_id, known)
        return dict(known.values)

    async def _explain(self, tx: ReadTransaction, found: CourseFindings, user_ids: Sequence[int]) -> dict[int, list[Finding]]:
        """Return the findings about these learners, who are listed; without those that are put aside."""
        explained = await _judge(tx, found.course, found.judge, user_ids)
        return {
            user_id: [finding for finding in findings if found.listed[user_id][_PLACES[finding.rule]] != NOT_FOUND]
            for user_id, findings in explained.items()
        }

    async def _put_aside(
        self, tx: ReadTransaction, course: CourseFacts, judge: Judge, found: dict[int, Values]
    ) -> dict[int, Sequence[Finding]]:
        """Take what is put aside from what was found, and return the findings of the learners of whom nothing is left."""
        aside = {
            (each.user_id, each.rule): each
            for each in await store.read_dismissals(tx, course.structure.course_id)
            if each.user_id in found and judge.now < each.until
        }
        user_ids = sorted({user_id for user_id, _ in aside})
        dismissed: dict[int, Sequence[Finding]] = {}
        for user_id, findings in (await _judge(tx, course, judge, user_ids) if user_ids else {}).items():
            covered = {
                each.rule for each in findings if (user_id, each.rule) in aside and aside[user_id, each.rule].covers(each)
            }
            if len(covered) == len(findings):
                del found[user_id]
                # What is known of a large course may be older: there may be no finding any more.
                if findings:
                    dismissed[user_id] = findings
            elif covered:
                days, points, stuck, failed = (
                    NOT_FOUND if name in covered else value for name, value in zip(RuleName, found[user_id], strict=True)
                )
                found[user_id] = (days, points, stuck, failed)
        return dismissed


async def _judge(tx: ReadTransaction, course: CourseFacts, judge: Judge, user_ids: Sequence[int]) -> dict[int, list[Finding]]:
    """Return all findings about these learners."""
    return {each.user_id: judge.findings(each) for each in await facts_store.read_learners(tx, course, judge, user_ids)}


def _urgency(values: Values) -> tuple[int, ...]:
    days, *others = values
    return sum(value != NOT_FOUND for value in values), -days, *others


def listing(
    ordered: Sequence[int], read: Callable[[Sequence[int]], Awaitable[Sequence[ListedLearner]]]
) -> Moving[ListedLearner]:
    """Return how to read a list of learners in an order that is known as a whole."""

    async def page(part: Slice) -> Sequence[ListedLearner]:
        return await read(ordered[part.offset : part.offset + part.limit])

    async def order() -> list[int]:
        return list(ordered)

    return Moving(page, order, read, lambda each: each.enrollment.user_id)


async def _read_returned(
    tx: ReadTransaction,
    course_id: int,
    judge: Judge,
    messaged: Mapping[int, Instant],
    user_ids: Sequence[int] | None,
) -> dict[int, Return]:
    """Return the learners who are active again: after as long away as lists them, or after a message."""
    rule = judge.rules[RuleName.NOT_SEEN]
    # A whole day: study is stored by days.
    since = (judge.now // DAY - BACK_DAYS) * DAY
    returned = {}
    for each in await facts_store.read_recent(tx, course_id, since=since, user_ids=user_ids):
        began_at = judge.run.began_at(each.enrolled_at)
        away = away_days(before=each.before, first=each.first, began_at=began_at, last_activity_at=each.last_activity_at)
        sent_at = messaged.get(each.user_id)
        is_answer = sent_at is not None and each.last_activity_at > sent_at
        if (rule.is_on and away >= rule.threshold) or is_answer:
            days = away if away >= rule.threshold else None
            returned[each.user_id] = Return(each.user_id, each.last_activity_at, days, sent_at if is_answer else None)
    return returned
