"""Submissions and grades, and the rules of both."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from headway.courses.model import Assessment
from headway.errors import Invalid
from headway.instants import Instant
from headway.measures import settle_score

MAX_URL_LENGTH = 2_048
MAX_FEEDBACK_LENGTH = 10_000
_HOSTS = frozenset({"github.com", "gist.github.com", "drive.google.com", "docs.google.com"})
_S3_HOST = re.compile(
    r"(?:[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\.)?s3(?:[.-](?:dualstack\.)?[a-z]{2}(?:-[a-z]+)+-\d)?\.amazonaws\.com(?:\.cn)?"
)
_FORBIDDEN = re.compile(r"[\s\\\x00-\x1f\x7f]")


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

    def is_late(self, assessment: Assessment) -> bool:
        """Return whether it came after the due date."""
        return assessment.due_at is not None and self.submitted_at > assessment.due_at


def check_submission_url(url: str) -> str | None:
    """Return what is wrong with a submission's URL (S3, Google Drive or GitHub; contract, section 4.2), or None."""
    if len(url) > MAX_URL_LENGTH or _FORBIDDEN.search(url):
        return f"must be a URL of at most {MAX_URL_LENGTH} characters without spaces"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "must be a valid URL"
    if parts.scheme != "https":
        return "must begin with https://"
    if parts.username is not None or parts.password is not None:
        return "must not hold credentials"
    host = (parts.hostname or "").lower()
    is_known = host in _HOSTS or _S3_HOST.fullmatch(host) is not None
    if not is_known or port not in {None, 443}:
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
