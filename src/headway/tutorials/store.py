"""Progress in tutorials as rows: what clients reported, merged; nothing that follows from it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import ColumnElement, Table, and_, bindparam, delete, func, select

from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import UpdateRows, WriteRows, insert
from headway.instants import Instant
from headway.tutorials.model import Chapter, QuizScore, Tutorial, TutorialProgress
from headway.tutorials.tables import chapter_progress, quiz_scores, tutorial_progress, tutorials

_decode_ids = msgspec.json.Decoder(frozenset[str]).decode
_Part = TypeVar("_Part", Chapter, QuizScore)


def _is_in_tutorial(table: Table) -> ColumnElement[bool]:
    return and_(table.c.user_id == bindparam("of_user"), table.c.tutorial_id == bindparam("of_tutorial"))


_find = select(tutorial_progress).where(_is_in_tutorial(tutorial_progress))
_chapters = select(chapter_progress).where(_is_in_tutorial(chapter_progress))
_quizzes = select(quiz_scores).where(_is_in_tutorial(quiz_scores))
_lock = _find.with_for_update()
_learners = (
    select(tutorial_progress)
    .where(tutorial_progress.c.tutorial_id == bindparam("of_tutorial"), tutorial_progress.c.user_id > bindparam("after"))
    .order_by(tutorial_progress.c.user_id)
    .limit(bindparam("limit"))
    .with_for_update()
)
_chapters_of_learners, _quizzes_of_learners = (
    select(table).where(
        table.c.user_id.between(bindparam("first"), bindparam("last")), table.c.tutorial_id == bindparam("of_tutorial")
    )
    for table in (chapter_progress, quiz_scores)
)
_tutorial = select(tutorials).where(tutorials.c.tutorial_id == bindparam("of_tutorial"))
_first_tutorial = insert(tutorials).values(
    tutorial_id=bindparam("of_tutorial"), retired_chapters="[]", created_at=bindparam("now"), updated_at=bindparam("now")
)
_make_and_lock_tutorial = _first_tutorial.on_conflict_do_update(
    index_elements=["tutorial_id"], set_={"created_at": tutorials.c.created_at}
).returning(*tutorials.c)
_update_tutorial = UpdateRows(tutorials, ["total_chapters", "retired_chapters", "updated_at"])
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


async def lock_tutorial(tx: WriteTransaction, tutorial_id: str, now: Instant) -> Tutorial:
    """Lock what is settled for all learners of a tutorial until the transaction ends, and return it."""
    return _settled(await tx.one(_make_and_lock_tutorial, of_tutorial=tutorial_id, now=now))


async def write_tutorial(tx: WriteTransaction, tutorial_id: str, tutorial: Tutorial, now: Instant) -> None:
    """Overwrite what is settled for all learners of a tutorial."""
    retired = msgspec.json.encode(sorted(tutorial.retired_chapters)).decode()
    await tx.write_rows((_update_tutorial, [(tutorial.total_chapters, retired, now, tutorial_id)]))


async def lock_learners(
    tx: WriteTransaction, tutorial_id: str, tutorial: Tutorial, *, after: int, limit: int
) -> list[tuple[int, TutorialProgress]]:
    """Lock and read the progress of some learners, with their ids in ascending order after `after`."""
    rows = await tx.all(_learners, of_tutorial=tutorial_id, after=after, limit=limit)
    if not rows:
        return []
    params = {"of_tutorial": tutorial_id, "first": rows[0]["user_id"], "last": rows[-1]["user_id"]}
    parts: list[defaultdict[int, list[Row]]] = []
    for statement in (_chapters_of_learners, _quizzes_of_learners):
        by_learner: defaultdict[int, list[Row]] = defaultdict(list)
        for row in await tx.all(statement, **params):
            by_learner[row["user_id"]].append(row)
        parts.append(by_learner)
    chapters, quizzes = parts
    return [(id_ := row["user_id"], _build(row, chapters[id_], quizzes[id_], tutorial)) for row in rows]


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
    own = (_write, [(*place, progress.reported_chapters, certificate, progress.last_watched_at, now)])
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
    # Read after the learner's row is locked: whoever settles something waits for it.
    tutorial = _settled(await tx.first(_tutorial, of_tutorial=row["tutorial_id"]))
    return _build(row, await tx.all(_chapters, **params), await tx.all(_quizzes, **params), tutorial)


def _settled(row: Row | None) -> Tutorial:
    return Tutorial() if row is None else Tutorial(row["total_chapters"], _decode_ids(row["retired_chapters"]))


def _build(row: Row, chapters: Sequence[Row], quizzes: Sequence[Row], tutorial: Tutorial) -> TutorialProgress:
    return TutorialProgress(
        reported_chapters=row["total_chapters"],
        is_certificate_earned=bool(row["is_certificate_earned"]),
        last_watched_at=row["last_watched_at"],
        chapters=_parts(Chapter, chapters, "chapter_id", "is_completed"),
        quizzes=_parts(QuizScore, quizzes, "quiz_id", "is_passed"),
        tutorial=tutorial,
    )


def _parts(kind: type[_Part], stored: Sequence[Row], id_column: str, flag: str) -> dict[str, _Part]:
    """Read chapters or quizzes by id, in the order in which they were begun."""
    columns = [name for name in kind.__struct_fields__ if name not in {"id", flag}]
    parts = [
        kind(id=row[id_column], **{flag: bool(row[flag])}, **{column: row[column] for column in columns}) for row in stored
    ]
    return {part.id: part for part in sorted(parts, key=lambda part: (part.created_at, part.id))}
