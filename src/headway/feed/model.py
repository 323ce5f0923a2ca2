"""The feed: numbered changes by topic, which live clients follow and resume."""

from enum import StrEnum
from typing import Any

import msgspec

from headway.instants import Instant

LARGEST_SEQ = 2**63 - 1
"""As large a number as the databases hold."""


class ChangeType(StrEnum):
    """What live clients are told of."""

    MESSAGE = "message"
    MESSAGES_READ = "messages_read"
    ENROLLMENT = "enrollment.updated"
    PROGRESS = "progress.updated"
    COURSE = "course.updated"
    SEAT = "seat"
    SUBMISSION = "submission"
    GRADE = "grade"
    TUTORIAL = "tutorial.updated"


PERSONAL = frozenset({ChangeType.MESSAGE, ChangeType.GRADE})
"""Changes that tell what people wrote."""


class Change(msgspec.Struct, frozen=True):
    """Something that happened, on its way into a topic. `data` is a struct or mapping in the words of the wire."""

    topic: str
    type: ChangeType
    data: Any


class Entry(msgspec.Struct, frozen=True):
    """A change in its place: `seq` grows without gaps within a topic. `data` is JSON."""

    topic: str
    seq: int
    type: str
    at: Instant
    data: msgspec.Raw


class Position(msgspec.Struct, frozen=True):
    """How far a topic goes: the newest `seq`, and the oldest that is still kept; both 0 where nothing happened."""

    newest: int
    oldest: int


def topic_of_user(user_id: int) -> str:
    """Name the topic of a user: what is meant for that user alone."""
    return f"user:{user_id}"


def topic_of_course(course_id: int) -> str:
    """Name the topic of a course: what its staff is told."""
    return f"course:{course_id}"
