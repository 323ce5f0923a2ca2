"""When a learner studied: study time by day, and streaks."""

from datetime import timedelta, tzinfo

from headway.db.database import ReadTransaction
from headway.instants import DAY, Clock
from headway.learning import days_store
from headway.learning.reads import ProgressAccess
from headway.learning.study_calendar import StudyCalendar, begin_of, by_local_day, local_day

DAYS_OF_STREAKS = 366
"""How many days are read to count a streak: a longer one counts as so long."""


class StudyTimes:
    """Reads study days as a calendar. The zone is that of whoever looks, so the same study can fall on another day."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def in_course(self, tx: ReadTransaction, access: ProgressAccess, zone: tzinfo, *, days: int) -> StudyCalendar:
        """Read a learner's study in a course of the last `days` days, today included."""
        return await self._read(tx, access.user_id, access.course_id, zone, days)

    async def own(self, tx: ReadTransaction, user_id: int, zone: tzinfo, *, days: int) -> StudyCalendar:
        """Read one's own study in all courses: study in two at the same time counts in both, as in the total of a profile."""
        return await self._read(tx, user_id, None, zone, days)

    async def own_streak(self, tx: ReadTransaction, user_id: int, zone: tzinfo) -> int:
        """Count the days in a row, up to today or yesterday, on which one studied; at most `DAYS_OF_STREAKS`."""
        return (await self.own(tx, user_id, zone, days=DAYS_OF_STREAKS)).streak

    async def _read(self, tx: ReadTransaction, user_id: int, course_id: int | None, zone: tzinfo, days: int) -> StudyCalendar:
        last = local_day(self._clock(), zone)
        first = last - timedelta(days=days - 1)
        begin, end = begin_of(first, zone), begin_of(last + timedelta(days=1), zone)
        found = await days_store.list_days(tx, user_id, course_id=course_id, first=begin // DAY, last=(end - 1) // DAY)
        studied = by_local_day(((day, spans.values()) for day, spans in found), zone)
        # A UTC day that the first local day begins within has study of the day before it too.
        within = {day: length for day, length in studied.items() if first <= day <= last}
        return StudyCalendar(first, last, within)
