"""Progress in tutorials as rows: what clients reported, merged; nothing that follows from it."""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, Table, and_, bindparam, delete, func, select

from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import WriteRows, insert
from headway.instants import Instant
from headway.tutorials.model import Chapter, QuizScore, TutorialProgress
from headway.tutorials.tables import chapter_progress, quiz_scores, tutorial_progress

_Part = TypeVar("_Part", Chapter, QuizScore)


def _is_in_tutorial(table: Table) -> ColumnElement[bool]:
    return and_(table.c.user_id == bindparam("of_user"), table.c.tutorial_id == bindparam("of_tutorial"))


_find = select(tutorial_progress).where(_is_in_tutorial(tutorial_progress))
_chapters = select(chapter_progress).where(_is_in_tutorial(chapter_progress))
_quizzes = select(quiz_scores).where(_is_in_tutorial(quiz_scores))
_lock = _find.with_for_update()
_insert = insert(tutorial_progress).values(
    user_id=bindparam("of_user"),
    tutorial_id=bindparam("of_tutorial"),
    total_chapters=0.0,
    is_certificate_earned=False,
    last_watched_at=bindparam("now"),
    created_at=bindparam("now"),
)
# The update changes nothing: it locks the row.
_make_and_lock = _insert.on_conflict_do_update(
    index_elements=["user_id", "tutorial_id"], set_={"created_at": tutorial_progress.c.created_at}
).returning(*tutorial_progress.c)
_write = WriteRows(
    tutorial_progress, tutorial_progress.c.keys(), update=["total_chapters", "is_certificate_earned", "last_watched_at"]
)
_write_chapter = WriteRows(
    chapter_progress, chapter_progress.c.keys(), update=["watch_time", "is_completed", "last_position", "updated_at"]
)
_write_quiz = WriteRows(
    quiz_scores, quiz_scores.c.keys(), update=["score", "max_score", "is_passed", "attempts", "completed_at"]
)
_deletes = [delete(table).where(_is_in_tutorial(table)) for table in (tutorial_progress, chapter_progress, quiz_scores)]
_count_passed_quizzes = (
    select(func.count().label("count"))
    .select_from(quiz_scores)
    .where(quiz_scores.c.user_id == bindparam("of_user"), quiz_scores.c.is_passed.is_(True))
)


async def find(tx: ReadTransaction, user_id: int, tutorial_id: str) -> TutorialProgress | None:
    """Read a learner's progress in a tutorial; None if it was never begun."""
    return await _progress(tx, await tx.first(_find, of_user=user_id, of_tutorial=tutorial_id))


async def lock(tx: WriteTransaction, user_id: int, tutorial_id: str) -> TutorialProgress | None:
    """Lock a learner's progress in a tutorial until the transaction ends and return it; None if it was never begun."""
    return await _progress(tx, await tx.first(_lock, of_user=user_id, of_tutorial=tutorial_id))


async def begin(tx: WriteTransaction, user_id: int, tutorial_id: str, now: Instant) -> TutorialProgress:
    """Lock a learner's progress in a tutorial until the transaction ends, creating it if there is none, and return it."""
    found = await _progress(tx, await tx.one(_make_and_lock, of_user=user_id, of_tutorial=tutorial_id, now=now))
    assert found is not None  # noqa: S101 - it has just been made or found
    return found


async def write(
    tx: WriteTransaction,
    user_id: int,
    tutorial_id: str,
    progress: TutorialProgress,
    *,
    changed: Chapter | QuizScore | None,
    now: Instant,
) -> None:
    """Overwrite a locked progress, and the chapter or quiz that changed in it."""
    place = (user_id, tutorial_id)
    certificate = progress.is_certificate_earned
    own = (_write, [(*place, progress.total_chapters, certificate, progress.last_watched_at, now)])
    match changed:
        case Chapter() as c:
            row = (*place, c.id, c.watch_time, c.is_completed, c.last_position, c.created_at, now)
            await tx.write_rows(own, (_write_chapter, [row]))
        case QuizScore() as q:
            scored = (q.score, q.max_score, q.is_passed, q.attempts, q.created_at, q.completed_at)
            await tx.write_rows(own, (_write_quiz, [(*place, q.id, *scored)]))
        case None:
            await tx.write_rows(own)


async def delete_all(tx: WriteTransaction, user_id: int, tutorial_id: str) -> None:
    """Delete a locked progress with all its chapters and quizzes."""
    for statement in _deletes:
        await tx.run(statement, of_user=user_id, of_tutorial=tutorial_id)


async def count_passed_quizzes(tx: ReadTransaction, user_id: int) -> int:
    """Count the quizzes that a user passed in all tutorials."""
    return int((await tx.one(_count_passed_quizzes, of_user=user_id))["count"])


async def _progress(tx: ReadTransaction, row: Row | None) -> TutorialProgress | None:
    if row is None:
        return None
    params = {"of_user": row["user_id"], "of_tutorial": row["tutorial_id"]}
    chapters = await tx.all(_chapters, **params)
    quizzes = await tx.all(_quizzes, **params)
    return TutorialProgress(
        total_chapters=row["total_chapters"],
        is_certificate_earned=bool(row["is_certificate_earned"]),
        last_watched_at=row["last_watched_at"],
        chapters=_parts(Chapter, chapters, "chapter_id", "is_completed"),
        quizzes=_parts(QuizScore, quizzes, "quiz_id", "is_passed"),
    )


def _parts(kind: type[_Part], stored: Sequence[Row], id_column: str, flag: str) -> dict[str, _Part]:
    """Read chapters or quizzes by id, in the order in which they were begun."""
    columns = [name for name in kind.__struct_fields__ if name not in {"id", flag}]
    parts = [
        kind(id=row[id_column], **{flag: bool(row[flag])}, **{column: row[column] for column in columns}) for row in stored
    ]
    return {part.id: part for part in sorted(parts, key=lambda part: (part.created_at, part.id))}
