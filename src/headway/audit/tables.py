"""The tables of the audit log."""

from collections.abc import Collection

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, Table, Text

from headway.audit.model import EntryStatus, NamedIds, TargetType
from headway.db.types import Id, NamedValues, Timestamp, encrypted_column, metadata, one_of
from headway.identity import Role


def people_of_row(row: NamedValues, _content: str) -> Collection[int]:
    """Return the ids of the accounts whose names and texts the content of a row may hold."""
    return NamedIds(*(row[name] for name in NamedIds._fields)).people()


audit_entries = Table(
    "audit_entries",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("action", Text, nullable=False),
    Column("actor_id", Text),
    Column("is_actor_verified", Boolean, nullable=False),
    Column("recorded_by", Id, comment="none for Headway itself"),
    Column("recorded_role", Text, nullable=False),
    Column("target_type", Text, nullable=False),
    Column("target_id", Text),
    Column("status", Text, nullable=False),
    Column("performed_at", Timestamp, nullable=False),
    encrypted_column("content", people=people_of_row, comment="all the rest, encrypted"),
    Column("content_hash", Text, nullable=False, comment="SHA-256 of what was encrypted"),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False, comment="SHA-256 of all but the content itself"),
    Index("ix_audit_entries_actor_id", "actor_id", "seq"),
    Index("ix_audit_entries_recorded_by", "recorded_by", "seq"),
    Index("ix_audit_entries_action", "action", "seq"),
    Index("ix_audit_entries_target", "target_type", "target_id", "seq"),
    Index("ix_audit_entries_performed_at", "performed_at"),
    CheckConstraint("seq > 0", name="seq"),
    one_of("recorded_role", Role),
    one_of("target_type", TargetType),
    one_of("status", EntryStatus),
)
"""The audit log: one hash chain for the whole installation. Rows are never deleted, and changed by erasures alone.

Content that was erased before it was under personal keys is empty.
"""

audit_redactions = Table(
    "audit_redactions",
    metadata,
    Column("user_id", Id, primary_key=True, autoincrement=False, comment="the person who was erased"),
    Column("seq", Id, primary_key=True, autoincrement=False),
    Column("hash", Text, nullable=False, comment="of the entry as it was since"),
    sqlite_with_rowid=False,
)
"""The entries that named an erased person by other words than the account's id: these were replaced by the id.

The entry that tells of the erasure holds a hash of all of them, so nobody can add or change one unseen.
"""

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("seq", Id, nullable=False),
    Column("hash", Text, nullable=False),
    Column("at", Timestamp, nullable=False),
    Column("signature", Text, nullable=False),
    CheckConstraint("id = 1", name="id"),
)
"""The signed head of the audit log: its newest entry. A transaction that appends locks it."""

audit_verification = Table(
    "audit_verification",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("claimed_at", Timestamp, comment="when the verification began that runs now"),
    Column("verified_at", Timestamp),
    Column("took_ms", Integer),
    Column("entries", Id),
    Column("faults", Integer),
    Column("first_fault", Text),
    CheckConstraint("id = 1", name="id"),
)
"""What the last verification of the audit log found."""
