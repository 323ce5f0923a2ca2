"""Reading everything back in pieces of a bounded size, to compare what is stored with what it follows from."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Table, Text, and_, bindparam, func, or_, select, tuple_

from headway.courses.tables import courses
from headway.db.database import ReadTransaction, Row
from headway.db.types import Id
from headway.enrollments.statistics import REVISION
from headway.enrollments.status import OPEN
from headway.enrollments.tables import course_statistics, enrollments, waiting_list
from headway.feed.tables import feed, feed_topics
from headway.learning.store import EventKey
from headway.learning.tables import learner_activity_logs, study_days, unit_progress
from headway.messaging.tables import conversations, messages

_LOWEST_ID, _HIGHEST_ID = -(2**63), 2**63 - 1


class Learners(NamedTuple):
    """The learners whose ids lie above `after`, up to and including `until`."""

    after: int
    until: int


class StoredLearners(NamedTuple):
    """The rows of some learners, except their events."""

    enrollments: Sequence[Row]
    units: Sequence[Row]
    days: Sequence[Row]


def _among(table: Table) -> ColumnElement[bool]:
    return and_(table.c.user_id > bindparam("after", type_=Id), table.c.user_id <= bindparam("until", type_=Id))


_number_of_events = select(func.count()).select_from(learner_activity_logs)
_last_learner = (
    select(enrollments.c.user_id)
    .where(enrollments.c.user_id > bindparam("after", type_=Id))
    .order_by(enrollments.c.user_id)
    .offset(bindparam("others"))
    .limit(1)
)
_enrollments = select(enrollments).where(_among(enrollments))
_units = select(unit_progress).where(_among(unit_progress))
_days = select(study_days).where(_among(study_days))
_events = (
    select(learner_activity_logs)
    .where(
        tuple_(learner_activity_logs.c.user_id, learner_activity_logs.c.event_id)
        > tuple_(bindparam("after_user", type_=Id), bindparam("after_event", type_=Text())),
        learner_activity_logs.c.user_id <= bindparam("until", type_=Id),
    )
    .order_by(learner_activity_logs.c.user_id, learner_activity_logs.c.event_id)
    .limit(bindparam("limit"))
)
_holds_seat = and_(
    enrollments.c.course_id == courses.c.id, or_(*(enrollments.c.status == status.value for status in sorted(OPEN)))
)
_seats = (
    select(courses.c.id, courses.c.capacity, courses.c.seats_taken, func.count(enrollments.c.user_id).label("holders"))
    .select_from(courses)
    .outerjoin(enrollments, _holds_seat)
    .group_by(courses.c.id, courses.c.capacity, courses.c.seats_taken)
    .order_by(courses.c.id)
)

_is_unread = and_(
    messages.c.user_id == conversations.c.user_id,
    messages.c.peer_id == conversations.c.peer_id,
    messages.c.sender_id == conversations.c.peer_id,
    messages.c.is_read.is_(False),
)
_unread = (
    select(conversations.c.user_id, conversations.c.peer_id, conversations.c.unread, func.count(messages.c.id).label("count"))
    .outerjoin(messages, _is_unread)
    .group_by(conversations.c.user_id, conversations.c.peer_id, conversations.c.unread)
    .having(conversations.c.unread != func.count(messages.c.id))
    .order_by(conversations.c.user_id, conversations.c.peer_id)
)
_last_seq = func.coalesce(func.max(feed.c.seq), 0)
_span = _last_seq - func.coalesce(func.min(feed.c.seq), 1) + 1
_feed = (
    select(
        feed_topics.c.topic,
        feed_topics.c.seq,
        _last_seq.label("last"),
        _span.label("span"),
        func.count(feed.c.seq).label("kept"),
    )
    .outerjoin(feed, feed.c.topic == feed_topics.c.topic)
    .group_by(feed_topics.c.topic, feed_topics.c.seq)
    .having(or_(feed_topics.c.seq != _last_seq, _span != func.count(feed.c.seq)))
    .order_by(feed_topics.c.topic)
)
_statistics = (
    select(course_statistics.c.course_id, course_statistics.c.name, func.sum(course_statistics.c.value).label("value"))
    .where(course_statistics.c.name != REVISION)
    .group_by(course_statistics.c.course_id, course_statistics.c.name)
)
_waiting = (
    select(courses.c.id, func.count().label("waiting"))
    .join(waiting_list, waiting_list.c.course_id == courses.c.id)
    .where(or_(courses.c.capacity.is_(None), courses.c.seats_taken < courses.c.capacity))
    .group_by(courses.c.id)
    .order_by(courses.c.id)
)


async def count_events(tx: ReadTransaction) -> int:
    """Count all events."""
    return int((await tx.one(_number_of_events))[0])


async def all_learners(tx: ReadTransaction, *, enrollments_at_once: int) -> AsyncIterator[Learners]:
    """Give all learners, in ranges with about as many enrollments as asked for; together they leave out no id."""
    learners = Learners(_LOWEST_ID, _LOWEST_ID)
    while learners.until != _HIGHEST_ID:
        row = await tx.first(_last_learner, after=learners.until, others=enrollments_at_once - 1)
        learners = Learners(learners.until, _HIGHEST_ID if row is None else row["user_id"])
        yield learners


async def read_learners(tx: ReadTransaction, learners: Learners) -> StoredLearners:
    """Read the enrollments, unit progress and study days of these learners, also those of nobody's account."""
    return StoredLearners(
        enrollments=await tx.all(_enrollments, after=learners.after, until=learners.until),
        units=await tx.all(_units, after=learners.after, until=learners.until),
        days=await tx.all(_days, after=learners.after, until=learners.until),
    )


async def all_events(tx: ReadTransaction, learners: Learners, *, at_once: int) -> AsyncIterator[Sequence[Row]]:
    """Give the events of these learners in the order of their keys, so many at once."""
    after: EventKey = (learners.after + 1, "")
    is_last = False
    while not is_last:
        page = await tx.all(_events, after_user=after[0], after_event=after[1], until=learners.until, limit=at_once)
        is_last = len(page) < at_once
        if page:
            after = (page[-1]["user_id"], page[-1]["event_id"])
            yield page


async def read_seats(tx: ReadTransaction) -> Sequence[Row]:
    """Read each course's capacity, the seats taken and the learners who hold one."""
    return await tx.all(_seats)


async def read_waiting_beside_free_seats(tx: ReadTransaction) -> Sequence[Row]:
    """Read the courses with free seats for which learners wait, and how many they are."""
    return await tx.all(_waiting)


async def read_wrong_unread(tx: ReadTransaction) -> Sequence[Row]:
    """Read the conversations whose number of unread messages is not the one that is stored."""
    return await tx.all(_unread)


async def read_statistics(tx: ReadTransaction) -> Sequence[Row]:
    """Read the tallies of all courses."""
    return await tx.all(_statistics)


async def read_wrong_feeds(tx: ReadTransaction) -> Sequence[Row]:
    """Read the topics whose newest entry is not the one that is stored, or whose kept entries have gaps."""
    return await tx.all(_feed)
