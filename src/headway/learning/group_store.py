"""What a group of reports needs to know: read with a single statement, however many reports there are."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Text, and_, literal, null, select, union_all
from sqlalchemy.sql.expression import ColumnElement, FromClause
from sqlalchemy.sql.selectable import NamedFromClause

from headway.courses.tables import courses
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import lookup, rows
from headway.db.types import Id
from headway.enrollments.model import Enrollment, LearnerInCourse
from headway.enrollments.store import COLUMNS as ENROLLMENT_COLUMNS
from headway.enrollments.store import enrollment_of
from headway.enrollments.tables import enrollments
from headway.learning.archive_store import find_archived
from headway.learning.archived_ids import KnownContent
from headway.learning.store import (
    NO_DAY,
    UNIT_COLUMNS,
    DayKey,
    EventKey,
    SpansByUnit,
    StateKey,
    UnitKey,
    contents,
    decode_spans,
    unit_of,
)
from headway.learning.tables import archived_ids, learner_activity_logs, study_days, unit_progress
from headway.learning.unit_progress import UnitProgress

_keys = rows("keys", {"user_id": Id, "course_id": Id, "unit_id": Id, "day": study_days.c.day.type})
_event_keys = rows("event_keys", {"user_id": Id, "event_id": Text()})

_enrollment, _before, _course = enrollments.alias("enrollment"), enrollments.alias("before"), courses.alias("course")
_unit, _day, _event = unit_progress.alias("unit"), study_days.alias("study_day"), learner_activity_logs.alias("event")
_of = {enrollments: _enrollment, courses: _course}


def _by_key(table: NamedFromClause, keys: FromClause) -> ColumnElement[bool]:
    """Return the condition that a row of a table has the key of `keys`."""
    return and_(*(column == keys.c[column.name] for column in table.c if column.primary_key))


_state = lookup(_keys, _enrollment, _by_key(_enrollment, _keys), is_outer=True, is_locking=True)
_state = lookup(_state, _before, _by_key(_before, _keys), is_outer=True)
_state = lookup(_state, _course, _course.c.id == _keys.c.course_id, is_outer=True)
_state = lookup(_state, _unit, _by_key(_unit, _keys), is_outer=True)
_state = lookup(_state, _day, _by_key(_day, _keys), is_outer=True)
_ENROLLMENT_COLUMNS = [_of[column.table].c[column.name] for column in ENROLLMENT_COLUMNS[2:]]
_UNIT_COLUMNS = [_unit.c[column.name] for column in UNIT_COLUMNS[3:]]
_columns = [*_keys.c, *_ENROLLMENT_COLUMNS, *_UNIT_COLUMNS, _day.c.spans, _before.c.updated_at]
_found_events = lookup(_event_keys, _event, _by_key(_event, _event_keys))
_AN_ARCHIVED_EVENT = ""
"""Stands for the id of an event of a learner who has archived ones: no id is empty."""
_archived_id = select(archived_ids.c.user_id).where(archived_ids.c.user_id == _event_keys.c.user_id).limit(1).scalar_subquery()
_group = union_all(
    select(*_columns, null()).select_from(_state),
    select(_event_keys.c.user_id, *(null() for _ in _columns[1:]), _event.c.event_id).select_from(_found_events),
    select(_event_keys.c.user_id, *(null() for _ in _columns[1:]), literal(_AN_ARCHIVED_EVENT, Text()))
    .select_from(_event_keys)
    .where(_archived_id.is_not(None)),
)
_ENROLLMENT = slice(4, 4 + len(_ENROLLMENT_COLUMNS))
_UPDATED_AT = 4 + [column.name for column in _ENROLLMENT_COLUMNS].index("updated_at")
_BEFORE = -2
_UNIT = slice(_ENROLLMENT.stop, _ENROLLMENT.stop + len(_UNIT_COLUMNS))


class Group(NamedTuple):
    """The stored state that a group of reports changes. The enrollments are locked."""

    enrollments: dict[LearnerInCourse, Enrollment]
    units: dict[UnitKey, UnitProgress]
    """Progress in units, where there is any."""
    days: dict[DayKey, SpansByUnit]
    """What was studied on days; a day without any is empty."""
    events: set[EventKey]
    """The events that are in the table already."""
    have_archived: set[int]
    """The learners of whom any events were archived, among those with events."""

    def has_begun(self, unit: UnitKey) -> bool:
        """Return whether a learner has begun a unit, and it was not reset since."""
        return unit in self.units and self.units[unit].is_started


async def read_group(tx: WriteTransaction, keys: Collection[StateKey], events: Collection[EventKey] = ()) -> Group:
    """Lock the enrollments of these learners, in ascending order, and read the state of these keys and which events exist."""
    params = {"keys": sorted(keys), "event_keys": sorted(events)}
    found = await tx.all(_group, **params)
    if any(map(_is_outdated, found)):
        # Another transaction changed an enrollment while this one waited for its lock: of all else the statement sees the
        # state before that. Now that it is locked, a second look sees what is true.
        found = await tx.all(_group, **params)
    return _sort_out(found)


async def read_contents(tx: ReadTransaction, group: Group, events: Collection[EventKey]) -> dict[EventKey, KnownContent]:
    """Read what is known of these events of a group: contents of those in the table, and entries of archived ones.

    If all are new, and of learners who have no archived events, that costs no statement.
    """
    known: dict[EventKey, KnownContent] = {**await contents(tx, sorted(group.events))}
    # An event that was in the table when the group was read may have been archived since.
    others = [key for key in events if key not in known and (key[0] in group.have_archived or key in group.events)]
    if others:
        known.update(await find_archived(tx, others))
    return known


def _is_outdated(row: Row) -> bool:
    return bool(row[_UPDATED_AT] != row[_BEFORE])


def _sort_out(found: Sequence[Row]) -> Group:
    group = Group({}, {}, {}, set(), set())
    for row in map(tuple, found):
        user_id, course_id, unit_id, day, *_, spans, _, event_id = row
        if event_id == _AN_ARCHIVED_EVENT:
            group.have_archived.add(user_id)
            continue
        if event_id is not None:
            group.events.add((user_id, event_id))
            continue
        learner = user_id, course_id
        if learner not in group.enrollments and row[_UPDATED_AT] is not None:
            group.enrollments[learner] = enrollment_of((*learner, *row[_ENROLLMENT]))
        if (*learner, unit_id) not in group.units and row[_UNIT.start] is not None:
            group.units[*learner, unit_id] = unit_of((*learner, unit_id, *row[_UNIT]))
        if day != NO_DAY and (*learner, day) not in group.days:
            group.days[*learner, day] = {} if spans is None else decode_spans(spans)
    return group
