"""Progress in tutorials as rows: what clients reported, merged; nothing that follows from it."""

from sqlalchemy import Select, Table, bindparam, delete, func, select

from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import WriteRows, insert
from headway.instants import Instant
from headway.tutorials.model import Chapter, QuizScore, TutorialProgress
from headway.tutorials.tables import chapter_progress, quiz_scores, tutorial_progress


def _of_tutorial(table: Table) -> Select[tuple[object, ...]]:
    return select(table).where(table.c.user_id == bindparam("of_user"), table.c.tutorial_id == bindparam("of_tutorial"))


_find = _of_tutorial(tutorial_progress)
_chapters = _of_tutorial(chapter_progress)
_quizzes = _of_tutorial(quiz_scores)
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
    tutorial_progress,
    ["user_id", "tutorial_id", "total_chapters", "is_certificate_earned", "last_watched_at", "created_at"],
    update=["total_chapters", "is_certificate_earned", "last_watched_at"],
)
_write_chapter = WriteRows(
    chapter_progress,
    ["user_id", "tutorial_id", "chapter_id", "watch_time", "is_completed", "last_position", "created_at", "updated_at"],
    update=["watch_time", "is_completed", "last_position", "updated_at"],
)
_write_quiz = WriteRows(
    quiz_scores,
    ["user_id", "tutorial_id", "quiz_id", "score", "max_score", "is_passed", "attempts", "created_at", "completed_at"],
    update=["score", "max_score", "is_passed", "attempts", "completed_at"],
)
_deletes = {
    table: delete(table).where(table.c.user_id == bindparam("of_user"), table.c.tutorial_id == bindparam("of_tutorial"))
    for table in (tutorial_progress, chapter_progress, quiz_scores)
}
_count_passed_quizzes = (
    select(func.count().label("count"))
    .select_from(quiz_scores)
    .where(quiz_scores.c.user_id == bindparam("of_user"), quiz_scores.c.is_passed.is_(True))
)


async def find(tx: ReadTransaction, user_id: int, tutorial_id: str) -> TutorialProgress | None:
    """Read a learner's progress in a tutorial; None where it was never begun."""
    return await _progress(tx, await tx.first(_find, of_user=user_id, of_tutorial=tutorial_id))


async def lock(tx: WriteTransaction, user_id: int, tutorial_id: str) -> TutorialProgress | None:
    """Lock a learner's progress in a tutorial until the transaction ends and give it; None where it was never begun."""
    return await _progress(tx, await tx.first(_lock, of_user=user_id, of_tutorial=tutorial_id))


async def begin(tx: WriteTransaction, user_id: int, tutorial_id: str, now: Instant) -> TutorialProgress:
    """Lock a learner's progress in a tutorial until the transaction ends, making it where there is none, and give it."""
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
    for statement in _deletes.values():
        await tx.run(statement, of_user=user_id, of_tutorial=tutorial_id)


async def count_passed_quizzes(tx: ReadTransaction, user_id: int) -> int:
    """Count the quizzes that a user passed in all tutorials."""
    return int((await tx.one(_count_passed_quizzes, of_user=user_id))["count"])


async def _progress(tx: ReadTransaction, row: Row | None) -> TutorialProgress | None:
    if row is None:
        return None
    params = {"of_user": row["user_id"], "of_tutorial": row["tutorial_id"]}
    chapters = [
        Chapter(each["chapter_id"], each["watch_time"], bool(each["is_completed"]), each["last_position"], each["created_at"])
        for each in await tx.all(_chapters, **params)
    ]
    quizzes = [
        QuizScore(
            id=each["quiz_id"],
            score=each["score"],
            max_score=each["max_score"],
            is_passed=bool(each["is_passed"]),
            attempts=each["attempts"],
            completed_at=each["completed_at"],
            created_at=each["created_at"],
        )
        for each in await tx.all(_quizzes, **params)
    ]
    return TutorialProgress(
        total_chapters=row["total_chapters"],
        is_certificate_earned=bool(row["is_certificate_earned"]),
        last_watched_at=row["last_watched_at"],
        chapters={chapter.id: chapter for chapter in sorted(chapters, key=lambda each: (each.created_at, each.id))},
        quizzes={quiz.id: quiz for quiz in sorted(quizzes, key=lambda each: (each.created_at, each.id))},
    )
