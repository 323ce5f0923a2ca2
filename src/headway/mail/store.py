"""Mails as rows: written with what they tell, claimed by a server process to be sent, and settled.

A claim sets the time at which the mail is due again, so what a process claimed and did not settle is sent by another one.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Text, and_, bindparam, delete, func, literal_column, select

from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import DeleteRows, UpdateRows, WriteRows, delete_before
from headway.db.keyring import WrongKeyError
from headway.db.personal_keys import PersonalTexts, reader, texts_for
from headway.db.types import Timestamp
from headway.instants import Instant
from headway.mail.model import Letter, Mail, MailFacts, MailKind, MailStatus
from headway.mail.tables import mails

MOST_COUNTED = 10_000
_MOST_SHOWN = 20
_decode = msgspec.json.Decoder(Letter).decode

_m = mails.c
_PENDING, _FAILED = (literal_column(f"'{each.value}'", Text()) for each in (MailStatus.PENDING, MailStatus.FAILED))
"""Written out: PostgreSQL does not see that a parameter has the value of a partial index."""
_NEW = ["message_id", "kind", "user_id", "recipient", "letter", "at", "status", "next_at", "until_at", "tries"]
_insert = WriteRows(mails, _NEW)
_is_due = and_(_m.status == _PENDING, _m.next_at <= bindparam("now", type_=Timestamp))
_first_due = select(_m.id).where(_is_due).order_by(_m.next_at, _m.id).limit(1)
_due = select(mails).where(_is_due).order_by(_m.next_at, _m.id).limit(bindparam("limit")).with_for_update(skip_locked=True)
_put_off = UpdateRows(mails, ["next_at"])
_STATE = ["kind", "user_id", "recipient", "letter", "status", "next_at", "until_at", "tries", "answer", "ended_at"]
_settle = UpdateRows(mails, _STATE)
_delete = DeleteRows(mails)
_purge = delete_before(_m.at)
_pending = select(_m.at).where(_m.status == _PENDING).limit(MOST_COUNTED).subquery("some_pending")
_backlog = select(func.count().label("pending"), func.min(_pending.c.at).label("oldest_at")).select_from(_pending)
_failed = select(_m.id).where(_m.status == _FAILED).limit(MOST_COUNTED).subquery("some_failed")
_count_failed = select(func.count().label("failed")).select_from(_failed)
_failures = select(mails).where(_m.status == _FAILED).order_by(_m.id.desc()).limit(_MOST_SHOWN)
_waiting = select(mails).where(_m.status == _PENDING).order_by(_m.next_at, _m.id).limit(_MOST_SHOWN)
_retried = select(mails).where(_m.status == _PENDING, _m.tries > 0).order_by(_m.next_at).limit(_MOST_SHOWN)
_of_user = select(mails).where(_m.user_id == bindparam("of_user")).order_by(_m.id)
_delete_of_user = delete(mails).where(_m.user_id == bindparam("of_user"))


async def insert_letters(tx: WriteTransaction, letters: Sequence[tuple[str, Letter]], now: Instant) -> None:
    """Insert mails that are due now, each with the id of its message."""
    personal = await texts_for(tx, {each.user_id for _, each in letters if each.user_id is not None})
    pending = MailStatus.PENDING.value
    rows = [
        (
            *(message_id, each.kind.value, each.user_id),
            *(personal.encrypt(text, _receiver(each.user_id)) for text in (each.to, _text(each))),
            *(now, pending, now, now + each.lifetime, 0),
        )
        for message_id, each in letters
    ]
    await tx.write_rows((_insert, rows))


async def has_due(tx: ReadTransaction, now: Instant) -> bool:
    """Return whether a mail is due."""
    return await tx.first(_first_due, now=now) is not None


async def claim(tx: WriteTransaction, now: Instant, *, limit: int, until: Instant) -> list[Mail]:
    """Claim some mails that are due, until a time."""
    found = await _mails(tx, await tx.all(_due, now=now, limit=limit))
    await tx.write_rows((_put_off, [(until, each.id) for each in found]))
    return found


async def settle(tx: WriteTransaction, settled: Sequence[Mail]) -> None:
    """Store claimed mails with what became of them."""
    personal = await texts_for(tx, {each.user_id for each in settled if each.user_id is not None})

    def encrypt(each: Mail, text: str | None) -> str | None:
        return None if text is None else personal.encrypt(text, _receiver(each.user_id))

    rows = [
        (
            *(each.kind.value, each.user_id),
            *(encrypt(each, each.to), encrypt(each, None if each.letter is None else _text(each.letter))),
            *(each.status.value, each.next_at, each.until_at, each.tries),
            *(encrypt(each, each.answer), each.ended_at, each.id),
        )
        for each in settled
    ]
    await tx.write_rows((_settle, rows))


async def release(tx: WriteTransaction, claimed: Sequence[Mail], now: Instant) -> None:
    """End claims of which no attempt has ended."""
    await tx.write_rows((_put_off, [(now, each.id) for each in claimed]))


async def delete_all(tx: WriteTransaction, mail_ids: Sequence[int]) -> None:
    """Delete mails."""
    await tx.write_rows((_delete, [(each,) for each in mail_ids]))


async def purge(tx: WriteTransaction, before: Instant) -> int:
    """Delete some mails of before a time, whatever became of them; return how many."""
    return await tx.run(_purge, before=before)


async def read_backlog(tx: ReadTransaction) -> tuple[int, Instant | None]:
    """Return how many mails wait, counted up to `MOST_COUNTED`, and since when the oldest does."""
    row = await tx.one(_backlog)
    return row["pending"], row["oldest_at"]


async def read_facts(tx: ReadTransaction) -> MailFacts:
    """Return what waits and what failed."""
    pending, oldest_at = await read_backlog(tx)
    failed = (await tx.one(_count_failed))["failed"]
    failures, retried = await _mails(tx, await tx.all(_failures)), await _mails(tx, await tx.all(_retried))
    waiting = [row["letter"] for row in await tx.all(_waiting)]
    personal = await reader(tx, waiting)
    unreadable = sum(each is not None and _read(personal, each) is None for each in waiting)
    return MailFacts(pending, oldest_at, failed, tuple(failures), tuple(retried), unreadable)


async def list_of_user(tx: ReadTransaction, user_id: int) -> list[Mail]:
    """List the mails to an account, the oldest first."""
    return await _mails(tx, await tx.all(_of_user, of_user=user_id))


async def delete_of_user(tx: WriteTransaction, user_id: int) -> None:
    """Delete the mails to an account."""
    await tx.run(_delete_of_user, of_user=user_id)


def _text(letter: Letter) -> str:
    return msgspec.json.encode(letter).decode()


def _receiver(user_id: int | None) -> tuple[int, ...]:
    return () if user_id is None else (user_id,)


async def _mails(tx: ReadTransaction, found: Sequence[Row]) -> list[Mail]:
    personal = await reader(tx, [row[name] for row in found for name in ("recipient", "letter", "answer")])
    return [_mail(personal, row) for row in found]


def _mail(personal: PersonalTexts, row: Row) -> Mail:
    letter = _read(personal, row["letter"])
    return Mail(
        id=row["id"],
        message_id=row["message_id"],
        kind=MailKind(row["kind"]),
        user_id=row["user_id"],
        to=_read(personal, row["recipient"]),
        letter=None if letter is None else _decode(letter),
        at=row["at"],
        status=MailStatus(row["status"]),
        next_at=row["next_at"],
        until_at=row["until_at"],
        tries=row["tries"],
        answer=_read(personal, row["answer"]),
        ended_at=row["ended_at"],
    )


def _read(personal: PersonalTexts, token: str | None) -> str | None:
    """Decrypt a text; None also if no present key does: one such row holds up no other."""
    try:
        return None if token is None else personal.read(token)
    except WrongKeyError:
        return None
