"""The table of mails."""

from sqlalchemy import Column, Identity, Index, Integer, Table, Text, text

from headway.db.types import Id, NamedValues, Timestamp, encrypted_column, metadata, one_of
from headway.mail.model import MailStatus

_IS_PENDING = text("status = 'pending'")
_IS_FAILED = text("status = 'failed'")


def _receiver(row: NamedValues, _text: str) -> tuple[int, ...]:
    return () if row["user_id"] is None else (row["user_id"],)


mails = Table(
    "mails",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("message_id", Text, nullable=False, comment="of the Message-ID: the same in all attempts"),
    Column("kind", Text, nullable=False),
    # No foreign key: it would have each mail lock the row of the account.
    Column("user_id", Id, comment="the account of the receiver, if there is one"),
    encrypted_column("recipient", nullable=True, people=_receiver, comment="encrypted; deleted once it is sent"),
    encrypted_column("letter", nullable=True, people=_receiver, comment="encrypted JSON; deleted once it is sent or given up"),
    Column("at", Timestamp, nullable=False),
    Column("status", Text, nullable=False),
    Column("next_at", Timestamp, comment="of the next attempt; the end of the claim while one is made"),
    Column("until_at", Timestamp, nullable=False, comment="after this it is not sent any more"),
    Column("tries", Integer, nullable=False),
    encrypted_column("answer", nullable=True, people=_receiver, comment="encrypted: what the mail server said last"),
    Column("ended_at", Timestamp),
    one_of("status", MailStatus),
    Index("ix_mails_due", "next_at", "id", postgresql_where=_IS_PENDING, sqlite_where=_IS_PENDING),
    Index("ix_mails_failed", "id", postgresql_where=_IS_FAILED, sqlite_where=_IS_FAILED),
    Index(None, "user_id"),
    Index(None, "at"),
    sqlite_autoincrement=True,
)
"""What is, or was, sent to people: written in the transaction of what it tells.

Texts to somebody with an account are under the personal key of that account.
"""
