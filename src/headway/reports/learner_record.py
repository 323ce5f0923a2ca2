"""The record of one learner in a course, for its staff. Reading it changes nothing, and nobody is told."""

from datetime import date, tzinfo
from typing import NamedTuple

from headway.accounts import store as users
from headway.attention.model import Note
from headway.attention.service import Attention
from headway.db.database import ReadTransaction
from headway.disclosures.model import RecordKind
from headway.enrollments.authorization import require_staff
from headway.enrollments.model import Enrollment
from headway.errors import NotFound
from headway.identity import Caller
from headway.instants import DAY, END_OF_TIME, START_OF_TIME, Milliseconds
from headway.learning import days_store
from headway.learning.explanation import CourseExplanation
from headway.learning.reads import ProgressAccess, ProgressReads
from headway.learning.study_calendar import by_local_day
from headway.learning.unit_progress import UnitProgress
from headway.reports import learner_store as store
from headway.reports.learner_model import (
    Entry,
    HandedIn,
    Position,
    StudyDays,
    Timeline,
    cut,
    first_study,
    happenings,
    message_entry,
    note_entry,
)

_FIRST_DAY, _LAST_DAY = START_OF_TIME // DAY, END_OF_TIME // DAY


class LearnerRecord(NamedTuple):
    """A learner in a course as its staff sees them."""

    user_id: int
    name: str
    enrollment: Enrollment
    explanation: CourseExplanation
    units: list[UnitProgress]
    study_days: StudyDays
    works: list[HandedIn]
    """All versions of all submissions, the newest first."""
    notes: list[Note]
    """What the staff noted, the newest first."""

    def study_by_day(self, zone: tzinfo) -> dict[date, Milliseconds]:
        """Return the study time of each day of a time zone on which there was any, in order; its sum is that of the course."""
        return by_local_day(((day, units.values()) for day, units in self.study_days), zone)


class LearnerRecords:
    """Reads the records of learners."""

    def __init__(self, progress: ProgressReads, attention: Attention) -> None:
        self._progress = progress
        self._attention = attention

    async def read(self, tx: ReadTransaction, caller: Caller, course_id: int, user_id: int) -> LearnerRecord:
        """Read the record of a learner in a course, for its staff.

        Raises NotFound COURSE_NOT_FOUND, USER_NOT_FOUND or NOT_ENROLLED, Forbidden.
        """
        await require_staff(tx, caller, course_id, shown=RecordKind.RECORD, learner_id=user_id)
        user = await users.find(tx, user_id)
        if user is None:
            raise NotFound("There is no such user.", code="USER_NOT_FOUND")
        progress = await self._progress.progress(tx, ProgressAccess(course_id, user_id, None), is_explained=True)
        if progress.enrollment is None or progress.explanation is None:
            raise NotFound("The user is not enrolled in this course.", code="NOT_ENROLLED")
        return LearnerRecord(
            user_id=user_id,
            name=user.name,
            enrollment=progress.enrollment,
            explanation=progress.explanation,
            units=progress.units,
            study_days=await days_store.list_days(tx, user_id, course_id=course_id, first=_FIRST_DAY, last=_LAST_DAY),
            works=await store.read_works(tx, user_id, course_id),
            notes=await self._attention.list_notes(tx, caller, course_id, user_id),
        )

    async def timeline(
        self, tx: ReadTransaction, caller: Caller, record: LearnerRecord, *, before: Position | None = None, limit: int
    ) -> Timeline:
        """Return what happened, with the caller's messages with the learner, the newest first; `record` is the caller's."""
        # One more than is shown tells whether there are more.
        messages = await store.read_messages(tx, caller.user_id, record.user_id, before=before, limit=limit + 1)
        entries: list[Entry] = [message_entry(each, caller.user_id) for each in messages]
        entries += map(note_entry, record.notes)
        entries += happenings(record.enrollment, record.units, record.works, first_study(record.study_days))
        return cut(entries, before, limit)
