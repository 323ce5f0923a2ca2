"""Submissions and grades, and the rules of both."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from itertools import accumulate
from math import fsum
from typing import NamedTuple

import msgspec

from headway.courses.model import Assessment
from headway.errors import Invalid
from headway.instants import END_OF_TIME, Instant
from headway.measures import settle_score
from headway.text import URL_CHARACTERS, shown_url, split_url

MAX_SUBMISSION_URL_LENGTH = 2_048
"""Longer than other URLs: a signed one of S3 has hundreds of characters."""
MAX_FEEDBACK_LENGTH = 10_000
_HOSTS = frozenset({"github.com", "gist.github.com", "drive.google.com", "docs.google.com"})
_S3_HOST = re.compile(
    r"(?:[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\.)?s3(?:[.-](?:dualstack\.)?[a-z]{2}(?:-[a-z]+)+-\d)?\.amazonaws\.com(?:\.cn)?"
)
_SUBMISSION_HOSTS = "|".join([*map(re.escape, sorted(_HOSTS)), _S3_HOST.pattern])
SUBMISSION_PATTERN = rf"^https://({_SUBMISSION_HOSTS})(:443)?([/?#]{URL_CHARACTERS}*)?$"
"""What `check_submission_url` accepts, as JSON Schema states it; hosts may also have capitals, and paths any letters."""


class Submission(msgspec.Struct):
    """A learner's work for an assessment. `grade` is from 0 to `max_grade` of the assessment."""

    user_id: int
    id: str
    assessment_id: int
    submission_url: str | None
    grade: float | None
    feedback: str | None
    submitted_at: Instant
    graded_at: Instant | None
    graded_by: int | None

    @property
    def link(self) -> str | None:
        """The URL of the work, to be shown as a link."""
        return shown_url(self.submission_url, max_length=MAX_SUBMISSION_URL_LENGTH)

    def is_late(self, assessment: Assessment) -> bool:
        """Return whether it came after the due date."""
        return assessment.due_at is not None and self.submitted_at > assessment.due_at


class AssessmentState(StrEnum):
    """How far a learner is with an assessment."""

    TO_HAND_IN = "to hand in"
    LATE = "late"
    """Nothing is handed in, and the due date has passed; work is still accepted."""
    HANDED_IN = "handed in"
    GRADED = "graded"


class OwnAssessment(NamedTuple):
    """An assessment as a learner sees it: with all that the learner handed in, the newest first."""

    assessment: Assessment
    submissions: list[Submission]

    @property
    def submission(self) -> Submission | None:
        """The newest one, which counts."""
        return self.submissions[0] if self.submissions else None

    @property
    def is_graded(self) -> bool:
        """Whether work is graded, so that no other can be handed in."""
        return any(each.graded_at is not None for each in self.submissions)

    def state(self, now: Instant) -> AssessmentState:
        """Return how far the learner is."""
        if self.is_graded:
            return AssessmentState.GRADED
        if self.submissions:
            return AssessmentState.HANDED_IN
        due_at = self.assessment.due_at
        return AssessmentState.LATE if due_at is not None and due_at < now else AssessmentState.TO_HAND_IN


def check_submission_url(url: str) -> str | None:
    """Return what is wrong with a submission's URL (S3, Google Drive or GitHub; contract, section 4.2), or None."""
    try:
        parts = split_url(url, max_length=MAX_SUBMISSION_URL_LENGTH)
    except ValueError as error:
        return str(error)
    host = parts.hostname or ""
    is_known = host in _HOSTS or _S3_HOST.fullmatch(host) is not None
    if not is_known or parts.port not in {None, 443}:
        return "must be on GitHub, Google Drive or S3"
    return None


def check_grade(grade: float, feedback: str | None, assessment: Assessment) -> float:
    """Return a grade that the assessment can have; a sum that misses its maximum by an error of fractions equals it.

    Raises Invalid for any other grade, and for feedback that is too long.
    """
    settled = settle_score(grade, assessment.max_grade)
    if settled is None:
        raise Invalid.field("grade", f"must be between 0 and {assessment.max_grade:g}")
    if feedback is not None and (len(feedback) > MAX_FEEDBACK_LENGTH or "\0" in feedback):
        raise Invalid.field("feedback", f"must have at most {MAX_FEEDBACK_LENGTH} characters, none of them NUL")
    return settled


class SeenGrade(NamedTuple):
    """The grade that a caller saw before giving another one: when it was given, or None if there was none."""

    graded_at: Instant | None


class NewGrade(NamedTuple):
    """A grade that staff gives, from 0 to the assessment's `max_grade`; with `seen`, only if nobody graded meanwhile."""

    grade: float
    feedback: str | None = None
    seen: SeenGrade | None = None


class GradedResult(NamedTuple):
    """A submission that was graded elsewhere; `grade` is None if it is unknown."""

    user_id: int
    submission_id: str
    assessment_id: int
    grade: float | None
    submitted_at: Instant


class SubmissionPage(NamedTuple):
    """Some of the newest submissions of learners, each with the learner's name, and how many there are in all."""

    submissions: list[tuple[Submission, str]]
    total: int


class SubmissionSort(StrEnum):
    """The sort keys of a list of submissions."""

    LEARNER = "learner"
    NAME = "name"
    SUBMITTED_AT = "submitted_at"


class SubmissionOrder(NamedTuple):
    """An order of submissions; where what they are sorted by is equal, that of their learners."""

    sort: SubmissionSort
    is_descending: bool


class Work(StrEnum):
    """Which of the learners of an assessment to list."""

    ALL = "all"
    TO_GRADE = "to-grade"
    MISSING = "missing"
    """Those with access to the course who have handed nothing in, whether or not it is due."""
    GRADED = "graded"
    LATE = "late"
    """Those who handed in after the due date, graded or not."""


class WorkStage(IntEnum):
    """How far a learner is with an assessment. Lists for staff go by it: what waits for them comes first."""

    TO_GRADE = 0
    MISSING = 1
    GRADED = 2


STAGES: dict[Work, tuple[WorkStage, ...]] = {
    Work.ALL: tuple(WorkStage),
    Work.TO_GRADE: (WorkStage.TO_GRADE,),
    Work.MISSING: (WorkStage.MISSING,),
    Work.GRADED: (WorkStage.GRADED,),
    Work.LATE: (WorkStage.TO_GRADE, WorkStage.GRADED),
}


class LearnersWork(NamedTuple):
    """What a learner has handed in for an assessment: the newest submission, or None."""

    user_id: int
    name: str
    submission: Submission | None
    is_enrolled: bool
    """Whether the learner has access to the course; whoever left may still have work there."""

    @property
    def stage(self) -> WorkStage:
        """How far the learner is."""
        if self.submission is None:
            return WorkStage.MISSING
        return WorkStage.TO_GRADE if self.submission.graded_at is None else WorkStage.GRADED


class GradeCount(NamedTuple):
    """How many of the newest submissions for an assessment are alike."""

    is_graded: bool
    is_late: bool
    grade: float | None
    """None of one that is not graded, and of one that was graded elsewhere without a number."""
    learners: int


BINS = 10
"""Of equal width between 0 and the largest grade; the last one includes it."""


class GradeDistribution(NamedTuple):
    """How grades are distributed; where there are none, all is 0."""

    bins: tuple[int, ...]
    """How many grades there are by their share of the largest one."""
    total: int
    lowest: float
    mean: float
    median: float
    highest: float


class WorkSummary(NamedTuple):
    """The figures of an assessment, over the newest submission of each learner."""

    to_grade: int
    graded: int
    late: int
    missing: int
    grades: GradeDistribution

    @property
    def handed_in(self) -> int:
        """How many learners have handed something in."""
        return self.to_grade + self.graded

    def size_of(self, work: Work) -> int:
        """How many learners a list has."""
        match work:
            case Work.ALL:
                return self.handed_in + self.missing
            case Work.TO_GRADE:
                return self.to_grade
            case Work.MISSING:
                return self.missing
            case Work.GRADED:
                return self.graded
            case Work.LATE:
                return self.late


def summarize_work(counts: Sequence[GradeCount], max_grade: float, *, enrolled: int, left: int) -> WorkSummary:
    """Return the figures of an assessment, to whose course `enrolled` have access; `left` handed in and have it no more."""
    grades = Counter[float]()
    for each in counts:
        if each.is_graded and each.grade is not None:
            grades[each.grade] += each.learners
    return WorkSummary(
        to_grade=sum(each.learners for each in counts if not each.is_graded),
        graded=sum(each.learners for each in counts if each.is_graded),
        late=sum(each.learners for each in counts if each.is_late),
        missing=max(enrolled + left - sum(each.learners for each in counts), 0),
        grades=distribute(grades, max_grade),
    )


def distribute(grades: Mapping[float, int], max_grade: float) -> GradeDistribution:
    """Return how grades are distributed, each with its number. The median of an even number lies between two grades."""
    bins = [0] * BINS
    for grade, count in grades.items():
        # One that is larger than what the largest grade is now belongs to the last bin.
        bins[min(int(grade * BINS / max_grade), BINS - 1)] += count
    ordered = sorted(grades)
    total = sum(grades.values())
    if not total:
        return GradeDistribution(tuple(bins), 0, 0, 0, 0, 0)
    ends = list(accumulate(grades[grade] for grade in ordered))
    middle = (ordered[bisect_right(ends, place)] for place in ((total - 1) // 2, total // 2))
    mean = fsum(grade * count for grade, count in grades.items()) / total
    return GradeDistribution(tuple(bins), total, ordered[0], mean, sum(middle) / 2, ordered[-1])


class CourseAssessment(NamedTuple):
    """An assessment of a course with its figures, for staff."""

    assessment: Assessment
    summary: WorkSummary

    def urgency(self, now: Instant) -> tuple[int, Instant, int]:
        """What a list for staff is sorted by: what waits to be graded, first where it was due; then what is due next."""
        due_at, position = self.assessment.due_at, self.assessment.position
        is_over = due_at is not None and due_at < now
        if self.summary.to_grade:
            return 0 if is_over else 1, END_OF_TIME if due_at is None else due_at, position
        return 3 if is_over else 2, END_OF_TIME if due_at is None else due_at, position
