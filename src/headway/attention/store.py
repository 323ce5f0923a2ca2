"""Rules, dismissals, notes, messages and saved filters as rows."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Text, and_, bindparam, delete, func, select, true

from headway.accounts.tables import users
from headway.attention.model import DEFAULTS, Dismissal, Note, Rule, RuleName, Rules
from headway.attention.tables import attention_dismissals, attention_messages, attention_rules, course_notes
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import DeleteRows, WriteRows, insert, is_one_of, lookup, rows
from headway.db.personal_keys import reader, texts_for
from headway.db.types import Id, Timestamp
from headway.instants import Instant

_rules = select(attention_rules).where(attention_rules.c.course_id == bindparam("course_id"))
_write_rule = WriteRows(
    attention_rules, ["course_id", "rule", "is_on", "threshold", "hours"], update=["is_on", "threshold", "hours"]
)

_dismissal_columns = [column for column in attention_dismissals.c if column.name not in {"course_id", "note"}]
_dismissals = select(*_dismissal_columns).where(attention_dismissals.c.course_id == bindparam("in_course"))
_dismissed = rows("dismissed", {"user_id": Id})
_is_of = and_(
    attention_dismissals.c.user_id == _dismissed.c.user_id, attention_dismissals.c.course_id == bindparam("in_course")
)
_dismissal_notes = (
    select(attention_dismissals.c.user_id, attention_dismissals.c.note)
    .select_from(lookup(_dismissed, attention_dismissals, _is_of))
    .where(attention_dismissals.c.note.is_not(None))
)
_dismissal_fields = ["mark", "until", "note", "dismissed_by", "dismissed_at"]
_write_dismissals = WriteRows(
    attention_dismissals, ["user_id", "course_id", "rule", *_dismissal_fields], update=_dismissal_fields
)
_restored = rows("restored", {"user_id": Id})
_delete_dismissals = delete(attention_dismissals).where(
    attention_dismissals.c.course_id == bindparam("in_course"),
    is_one_of(attention_dismissals.c.user_id, select(_restored.c.user_id)),
)
_delete_expired = delete(attention_dismissals).where(
    attention_dismissals.c.course_id == bindparam("in_course"), attention_dismissals.c.until <= bindparam("now")
)

_texts = rows(
    "texts", {"user_id": Id, "course_id": Id, "digest": Text(), "sender_id": Id, "sent_at": attention_messages.c.sent_at.type}
)
_new_texts = insert(attention_messages).from_select(
    [column.name for column in _texts.c],
    # The condition keeps SQLite from reading ON CONFLICT as the beginning of a join.
    select(*_texts.c).where(true()).order_by(_texts.c.user_id),
)
_claim = _new_texts.on_conflict_do_update(
    index_elements=["user_id", "course_id", "digest"],
    set_={"sender_id": _new_texts.excluded.sender_id, "sent_at": _new_texts.excluded.sent_at},
    where=attention_messages.c.sent_at <= bindparam("sent_before", type_=Timestamp),
).returning(attention_messages.c.user_id)
_forget = DeleteRows(attention_messages)
_messaged = (
    select(attention_messages.c.user_id, func.max(attention_messages.c.sent_at).label("sent_at"))
    .where(attention_messages.c.course_id == bindparam("in_course"), attention_messages.c.sent_at > bindparam("since"))
    .group_by(attention_messages.c.user_id)
)

_insert_note = WriteRows(course_notes, ["user_id", "course_id", "id", "author_id", "text", "created_at"])
_of_learner = and_(course_notes.c.user_id == bindparam("of_user"), course_notes.c.course_id == bindparam("in_course"))
_notes = (
    select(*course_notes.c, users.c.name.label("author_name"))
    .select_from(lookup(course_notes, users, users.c.id == course_notes.c.author_id))
    .where(_of_learner)
    .order_by(course_notes.c.id.desc())
)
_delete_note = delete(course_notes).where(
    _of_learner, course_notes.c.id == bindparam("note_id"), course_notes.c.author_id == bindparam("of_author")
)


async def read_rules(tx: ReadTransaction, course_id: int) -> Rules:
    """Read the rules of a course."""
    changed = {
        RuleName(row["rule"]): Rule(RuleName(row["rule"]), row["threshold"], bool(row["is_on"]), row["hours"])
        for row in await tx.all(_rules, course_id=course_id)
    }
    return {name: changed.get(name, rule) for name, rule in DEFAULTS.items()}


async def write_rule(tx: WriteTransaction, course_id: int, rule: Rule) -> None:
    """Store a rule of a course."""
    await tx.write_rows((_write_rule, [(course_id, rule.name.value, rule.is_on, rule.threshold, rule.hours)]))


async def read_dismissals(tx: ReadTransaction, course_id: int) -> list[Dismissal]:
    """Read all dismissals of a course, without their notes."""
    return [
        Dismissal(
            row["user_id"],
            RuleName(row["rule"]),
            row["mark"],
            row["until"],
            row["dismissed_by"],
            row["dismissed_at"],
        )
        for row in await tx.all(_dismissals, in_course=course_id)
    ]


async def read_dismissal_notes(tx: ReadTransaction, course_id: int, user_ids: Sequence[int]) -> dict[int, str]:
    """Read the notes with which these learners were put aside, of those that have one."""
    found = await tx.all(_dismissal_notes, in_course=course_id, dismissed=[(user_id,) for user_id in user_ids])
    personal = await reader(tx, [row["note"] for row in found])
    return {row["user_id"]: personal.text(row["note"]) for row in found}


async def write_dismissals(tx: WriteTransaction, course_id: int, dismissed: Sequence[Dismissal], now: Instant) -> None:
    """Store dismissals in place of earlier ones of the same findings, and delete those of the course that have expired."""
    await tx.run(_delete_expired, in_course=course_id, now=now)
    noted = {each.user_id for each in dismissed if each.note is not None}
    personal = await texts_for(tx, noted)
    values = [
        (
            *(each.user_id, course_id, each.rule.value, each.mark, each.until),
            *(
                None if each.note is None else personal.encrypt(each.note, (each.user_id,)),
                each.dismissed_by,
                each.dismissed_at,
            ),
        )
        for each in dismissed
    ]
    await tx.write_rows((_write_dismissals, values))


async def delete_dismissals(tx: WriteTransaction, course_id: int, user_ids: Sequence[int]) -> None:
    """Delete all dismissals of some learners of a course."""
    await tx.run(_delete_dismissals, in_course=course_id, restored=[(user_id,) for user_id in user_ids])


async def claim_texts(
    tx: WriteTransaction, course_id: int, sender_id: int, digests: Mapping[int, str], now: Instant, *, sent_before: Instant
) -> set[int]:
    """Note that texts are sent now, by receiver; return those who did not get the same one since `sent_before`.

    Of two transactions that send the same text at the same time one waits for the other, and returns nobody.
    """
    texts = [(user_id, course_id, digest, sender_id, now) for user_id, digest in sorted(digests.items())]
    return {row["user_id"] for row in await tx.all(_claim, texts=texts, sent_before=sent_before)}


async def forget_texts(tx: WriteTransaction, course_id: int, digests: Mapping[int, str]) -> None:
    """Forget texts that were not sent after all."""
    await tx.write_rows((_forget, [(user_id, course_id, digest) for user_id, digest in digests.items()]))


async def read_messaged(tx: ReadTransaction, course_id: int, *, since: Instant) -> dict[int, Instant]:
    """Return when learners of a course were last sent a message from the list, if that was after an instant."""
    return {row["user_id"]: row["sent_at"] for row in await tx.all(_messaged, in_course=course_id, since=since)}


async def insert_note(tx: WriteTransaction, note: Note) -> None:
    """Store a new note."""
    text = (await texts_for(tx, (note.user_id,))).encrypt(note.text, (note.user_id,))
    await tx.write_rows((_insert_note, [(note.user_id, note.course_id, note.id, note.author_id, text, note.created_at)]))


async def list_notes(tx: ReadTransaction, course_id: int, user_id: int) -> list[Note]:
    """Read the notes about a learner of a course, the newest first."""
    found = await tx.all(_notes, of_user=user_id, in_course=course_id)
    personal = await reader(tx, [row["text"] for row in found])
    return [
        Note(
            row["user_id"],
            row["course_id"],
            row["id"],
            row["author_id"],
            row["author_name"],
            personal.text(row["text"]),
            row["created_at"],
        )
        for row in found
    ]


async def delete_note(tx: WriteTransaction, course_id: int, user_id: int, note_id: str, author_id: int) -> bool:
    """Delete a note of an author; False if there is none."""
    return await tx.run(_delete_note, in_course=course_id, of_user=user_id, note_id=note_id, of_author=author_id) > 0
