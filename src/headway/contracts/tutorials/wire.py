"""Bodies and answers exactly as they are on the wire: bare objects in camelCase, ids as texts, times in seconds."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.tutorials.model import LARGEST_NUMBER, MAX_ID_LENGTH

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
Amount = Annotated[float, Meta(ge=0, le=LARGEST_NUMBER)]
Size = Annotated[float, Meta(gt=0, le=LARGEST_NUMBER)]
Score = Annotated[float, Meta(description="From 0 to `maxScore`.")]
Number = int | float
"""A whole number is answered as one."""
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
UserId = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH, description="An external id, or an id as a text.")]


class UserQuery(msgspec.Struct, rename="camel"):
    """Whose progress is meant; the caller's own where nobody is named."""

    user_id: UserId | None = None


class ChapterBody(msgspec.Struct, rename="camel", kw_only=True):
    """What a learner reached in a chapter. What is left out, or null, stays as it is."""

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
    """Whose tutorial is complete."""

    user_id: UserId | None = None


class ChapterProgress(msgspec.Struct, rename="camel"):
    """A chapter that was begun."""

    chapter_id: str
    watch_time: Number
    completed: bool
    last_position: Number


class QuizScore(msgspec.Struct, rename="camel"):
    """A quiz that was tried: the best attempt, and the time of the newest."""

    quiz_id: str
    score: Number
    max_score: Number
    passed: bool
    attempts: int
    completed_at: Moment


class TutorialProgress(msgspec.Struct, rename="camel", kw_only=True):
    """A learner in a tutorial; zeros, empty lists and null where it was never begun."""

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
    """That nothing is left of a learner's progress."""

    success: bool = True
    message: str = "Progress reset successfully"


class TutorialFailure(msgspec.Struct, rename="camel"):
    """The envelope of every error; a 500 tells the request's id too, and nothing else."""

    error: str
    request_id: str | UnsetType = UNSET
