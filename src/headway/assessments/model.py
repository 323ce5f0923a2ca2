"""Submissions and grades, and the rules of both."""

import re
from enum import StrEnum
from typing import NamedTuple

import msgspec

from headway.courses.model import Assessment
from headway.errors import Invalid
from headway.instants import Instant
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
