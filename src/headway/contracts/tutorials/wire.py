"""Request and response bodies of the contract: bare objects in camelCase, ids as strings, durations in seconds."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.http.params import Moment
from headway.tutorials.model import LARGEST_NUMBER, MAX_ID_LENGTH, MAX_PARTS

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
Amount = Annotated[float, Meta(ge=0, le=LARGEST_NUMBER)]
Size = Annotated[float, Meta(gt=0, le=LARGEST_NUMBER)]
Score = Annotated[float, Meta(description="From 0 to `maxScore`.")]
Number = int | float
"""Whole numbers are rendered without a fraction."""
UserId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_ID_LENGTH,
        description="A user: `id:5` by id, `ext:5` by external id, `5` by whichever exists.",
    ),
]


class UserQuery(msgspec.Struct, rename="camel"):
    """The learner; defaults to the caller."""

    user_id: UserId | None = None


class ChapterBody(msgspec.Struct, rename="camel", kw_only=True):
    """A learner's progress in a chapter. Omitted fields and null keep the stored values."""

    user_id: UserId | None = None
    chapter_id: Id
    watch_time: Amount
    completed: bool | None = None
    last_position: Amount | None = None
    total_chapters: Amount | None = None


class QuizBody(msgspec.Struct, rename="camel", kw_only=True):
    """An attempt at a quiz."""

    user_id: UserId | None = None
    quiz_id: Id
    score: Score
    max_score: Size
    passed: bool


class CompleteBody(msgspec.Struct, rename="camel"):
    """The learner who completed the tutorial; defaults to the caller."""

    user_id: UserId | None = None


class TutorialBody(msgspec.Struct, rename="camel", kw_only=True):
    """What to settle for all learners of a tutorial. Omitted fields stay; a null number leaves it to clients again."""

    total_chapters: Size | UnsetType | None = UNSET
    retired_chapters: Annotated[list[Id], Meta(max_length=MAX_PARTS)] | UnsetType = UNSET


class Tutorial(msgspec.Struct, rename="camel"):
    """What is settled for all learners of a tutorial; `totalChapters` is null where clients report it."""

    tutorial_id: str
    total_chapters: Number | None
    retired_chapters: list[str]


class ChapterProgress(msgspec.Struct, rename="camel"):
    """A learner's progress in a chapter."""

    chapter_id: str
    watch_time: Number
    completed: bool
    last_position: Number


class QuizScore(msgspec.Struct, rename="camel"):
    """A learner's best score in a quiz; `completedAt` is the time of the newest attempt."""

    quiz_id: str
    score: Number
    max_score: Number
    passed: bool
    attempts: int
    completed_at: Moment


class TutorialProgress(msgspec.Struct, rename="camel", kw_only=True):
    """A learner's progress in a tutorial; before the first activity all values are zero, empty or null."""

    tutorial_id: str
    user_id: str
    completion_percentage: int
    chapters_completed: int
    total_chapters: Number
    chapter_progress: list[ChapterProgress]
    quiz_scores: list[QuizScore]
    certificate_eligible: bool
    certificate_earned: bool
    total_watch_time: Number
    last_watched_at: Moment | None


class TutorialReset(msgspec.Struct):
    """The confirmation that a learner's progress was deleted."""

    success: bool = True
    message: str = "Progress reset successfully"


class TutorialFailure(msgspec.Struct, rename="camel"):
    """The envelope of every error; `requestId` is set for status 500 only."""

    error: str
    request_id: str | UnsetType = UNSET
