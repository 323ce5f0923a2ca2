"""Conversion between wire structs and models: pure functions."""

from headway.contracts.tutorials import wire
from headway.instants import iso
from headway.tutorials.model import Chapter, ChapterReport, QuizAttempt, Tutorial
from headway.tutorials.service import LearnerTutorial


def chapter_report(body: wire.ChapterBody) -> ChapterReport:
    """Return the report of progress in a chapter."""
    return ChapterReport(
        id=body.chapter_id,
        watch_time=body.watch_time,
        is_completed=body.completed,
        last_position=body.last_position,
        total_chapters=body.total_chapters,
    )


def quiz_attempt(body: wire.QuizBody) -> QuizAttempt:
    """Return an attempt at a quiz."""
    return QuizAttempt(id=body.quiz_id, score=body.score, max_score=body.max_score, is_passed=body.passed)


def tutorial_progress(tutorial: LearnerTutorial) -> wire.TutorialProgress:
    """Render a learner's progress in a tutorial."""
    progress = tutorial.progress
    return wire.TutorialProgress(
        tutorial_id=tutorial.tutorial_id,
        user_id=tutorial.learner.name,
        completion_percentage=progress.percent,
        chapters_completed=progress.chapters_completed,
        total_chapters=_number(progress.total_chapters),
        chapter_progress=[
            wire.ChapterProgress(each.id, _number(each.watch_time), each.is_completed, _number(_position(each)))
            for each in progress.counted_chapters
        ],
        quiz_scores=[
            wire.QuizScore(
                each.id, _number(each.score), _number(each.max_score), each.is_passed, each.attempts, iso(each.completed_at)
            )
            for each in progress.quizzes.values()
        ],
        certificate_eligible=progress.is_eligible,
        certificate_earned=progress.is_certificate_earned,
        total_watch_time=_number(progress.watch_time),
        last_watched_at=None if progress.last_watched_at is None else iso(progress.last_watched_at),
    )


def tutorial(tutorial_id: str, settled: Tutorial) -> wire.Tutorial:
    """Render what is settled for all learners of a tutorial."""
    total = settled.total_chapters
    return wire.Tutorial(tutorial_id, None if total is None else _number(total), sorted(settled.retired_chapters))


def _position(chapter: Chapter) -> float:
    return chapter.watch_time if chapter.last_position is None else chapter.last_position


def _number(value: float) -> wire.Number:
    return int(value) if value == int(value) else value
