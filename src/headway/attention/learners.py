"""Which learners of a course a list shows, and in which order."""

from enum import StrEnum
from typing import NamedTuple

from headway.attention.model import MAX_FILTER_NAME, RuleName
from headway.courses.completion import COMPLETE, Percent
from headway.enrollments.status import OPEN, EnrollmentStatus
from headway.errors import Invalid
from headway.text import is_blank

MAX_QUERY = 1_000


class LearnerSort(StrEnum):
    """What a list of learners is sorted by."""

    NAME = "name"
    PERCENT = "percent"
    STUDY_TIME = "study_time"
    LAST_SEEN = "last_seen"
    ENROLLED = "enrolled"


class LearnerOrder(NamedTuple):
    """The order of a list of learners; where what they are sorted by is equal, by their ids."""

    sort: LearnerSort = LearnerSort.NAME
    is_descending: bool = False


class LearnerFilter(NamedTuple):
    """Which learners of a course a list shows: those who meet all of it."""

    statuses: tuple[EnrollmentStatus, ...] = tuple(sorted(OPEN))
    name: str | None = None
    """Words that are all in the name, also as parts of words."""
    percent_from: Percent = 0
    percent_to: Percent = COMPLETE
    unit_id: int | None = None
    """The unit in which they were active last."""
    is_listed: bool = False
    """Only those who are listed as needing attention."""
    rule: RuleName | None = None
    """Only those who are listed by this rule, if `is_listed`."""


class SavedFilter(NamedTuple):
    """A filter that a member of staff saved: the query of the list's URL under a name."""

    name: str
    query: str


def check_saved(saved: SavedFilter) -> None:
    """Reject a filter without a name or with too long a one. Raises Invalid."""
    if is_blank(saved.name) or len(saved.name) > MAX_FILTER_NAME or "\0" in saved.name:
        raise Invalid.field("name", f"must have 1 to {MAX_FILTER_NAME} characters, none of them NUL")
    if len(saved.query) > MAX_QUERY or "\0" in saved.query:
        raise Invalid.field("query", f"must have at most {MAX_QUERY} characters")
