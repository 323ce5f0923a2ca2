"""Disclosures: that somebody was shown the record of somebody else."""

from enum import StrEnum
from typing import NamedTuple

from headway.identity import Channel, Role
from headway.instants import Instant

EVERYBODY = 0
"""The learner of a disclosure of all records of a course; with `NO_COURSE`, of all records of the installation."""
NO_COURSE = 0
NO_KEY = 0


class RecordKind(StrEnum):
    """What was shown."""

    PROGRESS = "PROGRESS"
    """Progress in a course."""
    RECORD = "RECORD"
    """All of a learner's record in a course: progress, study time, work handed in, notes."""
    SUBMISSION = "SUBMISSION"
    """Work handed in, and its grade."""
    TUTORIAL = "TUTORIAL"
    LEARNERS = "LEARNERS"
    """A list of learners of a course, with something about each."""
    EXPORT = "EXPORT"
    """A file of records."""
    LIVE = "LIVE"
    """What happens in a course, told while it happens."""
    WEBHOOK = "WEBHOOK"
    """What happens in a course, or in all, sent to another server."""
    ACCOUNT = "ACCOUNT"
    """An account: name, address, role, sign-ins."""
    AUDIT_LOG = "AUDIT_LOG"
    """What somebody did, or what was done to somebody."""


class Disclosed(NamedTuple):
    """What was shown to whom, and how."""

    learner_id: int
    """`EVERYBODY`, or the learner whose record it is."""
    reader_id: int
    """0 is an operator at the command line."""
    course_id: int
    kind: RecordKind
    channel: Channel
    key_id: int
    """The API key, or the webhook; 0 for none."""
    role: Role
    """The role of the reader at that time: why they may see it."""


class Disclosure(NamedTuple):
    """All disclosures of one kind on one day: a row of the log."""

    id: str
    """Grows with the time of the first one."""
    disclosed: Disclosed
    first_at: Instant
    last_at: Instant
    times: int


class DisclosureFilter(NamedTuple):
    """Which disclosures to list; None matches any. `since` is inclusive, `until` exclusive."""

    learner_id: int | None = None
    reader_id: int | None = None
    since: Instant | None = None
    until: Instant | None = None
