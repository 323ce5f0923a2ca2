"""Read all progress and events in pages of a bounded size, for verify."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Table, Text, and_, bindparam, func, select, tuple_

from headway.accounts.tables import users
from headway.courses.tables import course_statistics
from headway.db.database import ReadTransaction, Row
from headway.db.dialects import rows
from headway.db.types import Id
from headway.enrollments.statistics import REVISION
from headway.enrollments.tables import enrollments
from headway.learning.store import EventKey
from headway.learning.tables import (
    earlier_progress,
    learner_activity_logs,
    resets,
    set_aside_days,
    study_days,
    uncounted_events,
    unit_progress,
)

_LOWEST_ID, _HIGHEST_ID = -(2**63), 2**63 - 1


class Learners(NamedTuple):
    """The learners whose ids lie above `after`, up to and including `until`."""

    after: int
    until: int


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
_uncounted = select(uncounted_events).where(_among(uncounted_events))
_resets, _earlier, _set_aside = (select(table).where(_among(table)) for table in (resets, earlier_progress, set_aside_days))
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
_user_ids = rows("ids", {"id": Id})
_known_users = select(users.c.id).join(_user_ids, users.c.id == _user_ids.c.id)
_statistics = (
    select(course_statistics.c.course_id, course_statistics.c.name, func.sum(course_statistics.c.value).label("value"))
    .where(course_statistics.c.name != REVISION)
    .group_by(course_statistics.c.course_id, course_statistics.c.name)
)


async def count_events(tx: ReadTransaction) -> int:
    """Count all events."""
    return int((await tx.one(_number_of_events))[0])


async def all_learners(tx: ReadTransaction, *, enrollments_at_once: int) -> AsyncIterator[Learners]:
    """Yield ranges that together contain every learner, each with about this many enrollments."""
    learners = Learners(_LOWEST_ID, _LOWEST_ID)
    while learners.until != _HIGHEST_ID:
        row = await tx.first(_last_learner, after=learners.until, others=enrollments_at_once - 1)
        learners = Learners(learners.until, _HIGHEST_ID if row is None else row["user_id"])
        yield learners


async def read_learners(tx: ReadTransaction, learners: Learners) -> tuple[Sequence[Row], Sequence[Row], Sequence[Row]]:
    """Read the enrollments, unit progress and study days of these learners, also those of nobody's account."""
    enrolled = await tx.all(_enrollments, after=learners.after, until=learners.until)
    units = await tx.all(_units, after=learners.after, until=learners.until)
    return enrolled, units, await tx.all(_days, after=learners.after, until=learners.until)


async def read_uncounted(tx: ReadTransaction, learners: Learners) -> Sequence[Row]:
    """Read what is kept of the events of these learners that do not count."""
    return await tx.all(_uncounted, after=learners.after, until=learners.until)


async def read_resets(tx: ReadTransaction, learners: Learners) -> tuple[Sequence[Row], Sequence[Row], Sequence[Row]]:
    """Read the resets of these learners, what was reached before them, and the study that is set aside."""
    found = await tx.all(_resets, after=learners.after, until=learners.until)
    earlier = await tx.all(_earlier, after=learners.after, until=learners.until)
    return found, earlier, await tx.all(_set_aside, after=learners.after, until=learners.until)


async def all_events(tx: ReadTransaction, learners: Learners, *, page_size: int) -> AsyncIterator[Sequence[Row]]:
    """Yield the events of these learners in the order of their keys, in pages of this size."""
    after: EventKey = (learners.after + 1, "")
    is_last = False
    while not is_last:
        page = await tx.all(_events, after_user=after[0], after_event=after[1], until=learners.until, limit=page_size)
        is_last = len(page) < page_size
        if page:
            after = (page[-1]["user_id"], page[-1]["event_id"])
            yield page


async def known_users(tx: ReadTransaction, user_ids: Sequence[int]) -> set[int]:
    """Return those of these ids that users have."""
    return {row["id"] for row in await tx.all(_known_users, ids=[(user_id,) for user_id in user_ids])}


async def read_statistics(tx: ReadTransaction) -> Sequence[Row]:
    """Read the statistics of all courses."""
    return await tx.all(_statistics)
