"""Progress in tutorials, whose content is not in the catalogue: how what clients report merges, and what follows from it.

Times, scores and numbers of chapters may be decimals; shares are computed with fractions, so that nothing depends on rounding.
"""

from collections.abc import Mapping
from fractions import Fraction
from math import fsum
from typing import Any

import msgspec

from headway.errors import Conflict, Invalid
from headway.instants import Instant
from headway.measures import settle_score

PERCENT_FOR_CERTIFICATE = 95
MAX_ID_LENGTH = 255
MAX_PARTS = 1_000
"""The largest number of chapters, and of quizzes, of a tutorial: every response lists all of them."""
LARGEST_NUMBER = 1e15
"""Up to here a double holds every whole number."""

_UNREADABLE = "\ufffd"
"""What stands in a path for what is no text."""


class Tutorial(msgspec.Struct, frozen=True):
    """What is settled for all learners of a tutorial, whatever their clients report.

    Retired chapters count nowhere, but the time that was spent in them stays. Without a number of chapters, it is the largest
    that a learner's clients reported.
    """

    total_chapters: float | None = None
    retired_chapters: frozenset[str] = frozenset()

    def compare(self, before: "Tutorial") -> dict[str, object]:
        """Return what is different from before, for the audit log."""
        return {
            "totalChapters": {"from": before.total_chapters, "to": self.total_chapters},
            "retired": sorted(self.retired_chapters - before.retired_chapters),
            "restored": sorted(before.retired_chapters - self.retired_chapters),
        }


class Chapter(msgspec.Struct, frozen=True):
    """A learner's progress in a chapter; times in seconds."""

    id: str
    watch_time: float
    is_completed: bool
    last_position: float | None
    """Seconds; None if no client reported one, then it equals the watch time."""
    created_at: Instant


class QuizScore(msgspec.Struct, frozen=True):
    """The best of a learner's attempts at a quiz, and how many there were; `completed_at` is the newest."""

    id: str
    score: float
    max_score: float
    is_passed: bool
    attempts: int
    completed_at: Instant
    created_at: Instant


class ChapterReport(msgspec.Struct, frozen=True, kw_only=True):
    """A client's report about a chapter; None means no statement."""

    id: str
    watch_time: float
    is_completed: bool | None = None
    last_position: float | None = None
    total_chapters: float | None = None


class QuizAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at a quiz."""

    id: str
    score: float
    max_score: float
    is_passed: bool


class TutorialProgress(msgspec.Struct, frozen=True):
    """A learner in a tutorial; without chapters, quizzes and `last_watched_at` where it was never begun."""

    reported_chapters: float = 0
    """The largest number of chapters that a client reported."""
    is_certificate_earned: bool = False
    last_watched_at: Instant | None = None
    chapters: Mapping[str, Chapter] = {}
    quizzes: Mapping[str, QuizScore] = {}
    tutorial: Tutorial = Tutorial()

    @property
    def total_chapters(self) -> float:
        """How many chapters there are; 0 if it is not known."""
        settled = self.tutorial.total_chapters
        return self.reported_chapters if settled is None else settled

    @property
    def counted_chapters(self) -> list[Chapter]:
        """The chapters that are not retired, in the order in which they were begun."""
        return [chapter for chapter in self.chapters.values() if chapter.id not in self.tutorial.retired_chapters]

    @property
    def chapters_completed(self) -> int:
        """How many chapters are completed."""
        return sum(chapter.is_completed for chapter in self.counted_chapters)

    @property
    def percent(self) -> int:
        """The completed share, cut to a whole percent; 0 if the number of chapters is not known."""
        if self.is_certificate_earned:
            return 100
        if not self.total_chapters:
            return 0
        return min(100, 100 * self.chapters_completed // Fraction(self.total_chapters))

    @property
    def is_eligible(self) -> bool:
        """Whether the certificate may be had: nearly all is completed, and every quiz that was tried is passed."""
        is_done = self.percent >= PERCENT_FOR_CERTIFICATE and all(quiz.is_passed for quiz in self.quizzes.values())
        return self.is_certificate_earned or is_done

    @property
    def watch_time(self) -> float:
        """The sum over the chapters in seconds, the same in whichever order they came."""
        return fsum(chapter.watch_time for chapter in self.chapters.values())

    @property
    def visible_state(self) -> tuple[Any, ...]:
        """What live clients follow: nothing is published as long as it is equal."""
        scores = {quiz.id: (quiz.score, quiz.max_score, quiz.is_passed) for quiz in self.quizzes.values()}
        return self.percent, self.is_eligible, self.is_certificate_earned, scores

    def with_chapter(self, report: ChapterReport, now: Instant) -> "TutorialProgress":
        """Add what is said of a chapter: times by maximum; whether it is completed, and the position, by the latest word.

        Raises Invalid for one chapter too many.
        """
        known = self.chapters.get(report.id)
        if known is None:
            _check_room("chapter_id", self.chapters)
            known = Chapter(report.id, report.watch_time, False, None, now)
        chapter = msgspec.structs.replace(
            known,
            watch_time=max(known.watch_time, report.watch_time),
            is_completed=known.is_completed if report.is_completed is None else report.is_completed,
            last_position=known.last_position if report.last_position is None else report.last_position,
        )
        return msgspec.structs.replace(
            self._watched(now),
            reported_chapters=max(self.reported_chapters, report.total_chapters or 0),
            chapters={**self.chapters, chapter.id: chapter},
        )

    def with_attempt(self, attempt: QuizAttempt, now: Instant) -> "TutorialProgress":
        """Count an attempt at a quiz: the best one stays, and a quiz that was passed stays passed.

        Raises Invalid for one quiz too many.
        """
        known = self.quizzes.get(attempt.id)
        if known is None:
            _check_room("quiz_id", self.quizzes)
            known = QuizScore(attempt.id, attempt.score, attempt.max_score, attempt.is_passed, 0, now, now)
        score, max_score = max((known.score, known.max_score), (attempt.score, attempt.max_score), key=_worth)
        quiz = msgspec.structs.replace(
            known,
            score=score,
            max_score=max_score,
            is_passed=known.is_passed or attempt.is_passed,
            attempts=known.attempts + 1,
            completed_at=max(known.completed_at, now),
        )
        return msgspec.structs.replace(self._watched(now), quizzes={**self.quizzes, quiz.id: quiz})

    def completed(self, now: Instant) -> "TutorialProgress":
        """Earn the certificate, which stays. Raises Conflict NOT_ELIGIBLE."""
        if not self.is_eligible:
            raise Conflict("Not eligible for certificate", code="NOT_ELIGIBLE")
        return msgspec.structs.replace(self._watched(now), is_certificate_earned=True)

    def _watched(self, now: Instant) -> "TutorialProgress":
        return msgspec.structs.replace(self, last_watched_at=max(self.last_watched_at or now, now))


def check_id(field: str, text: str) -> str:
    """Return the id of a tutorial, a chapter or a quiz if it is valid. Raises Invalid."""
    if not 1 <= len(text) <= MAX_ID_LENGTH or "\0" in text or _UNREADABLE in text:
        raise Invalid.field(field, f"must have 1 to {MAX_ID_LENGTH} characters, all of them readable")
    return text


def settled(attempt: QuizAttempt) -> QuizAttempt:
    """Return an attempt whose score is possible, without errors of fractions at its bounds. Raises Invalid for any other."""
    score = settle_score(attempt.score, attempt.max_score)
    if score is None:
        raise Invalid.field("score", "must be between 0 and max_score")
    return msgspec.structs.replace(attempt, score=score)


def _check_room(field: str, known: Mapping[str, Chapter | QuizScore]) -> None:
    if len(known) >= MAX_PARTS:
        raise Invalid.field(field, f"must be one of the {MAX_PARTS} that this tutorial has already")


def _worth(attempt: tuple[float, float]) -> tuple[Fraction, float]:
    """Return the sort key of attempts: the share reached, then the maximum score."""
    score, max_score = attempt
    return Fraction(score) / Fraction(max_score), max_score
