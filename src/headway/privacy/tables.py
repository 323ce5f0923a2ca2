"""The tables of erasures and of retention."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Identity, Integer, Table, Text

from headway.db.types import Id, Timestamp, encrypted_column, metadata

erasures = Table(
    "erasures",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False, unique=True),
    Column("receipt", Text, nullable=False, comment="JSON, as it was signed"),
    Column("signature", Text, nullable=False),
    Column("erased_at", Timestamp, nullable=False),
    sqlite_autoincrement=True,
)
"""The receipts of erasures, which hold nothing personal."""

receipt_keys = Table(
    "receipt_keys",
    metadata,
    Column("name", Text, primary_key=True),
    encrypted_column("private_key"),
    Column("public_key", Text, nullable=False),
)
"""The Ed25519 key that signs receipts. Key rotation encrypts it anew, so old receipts can be verified for ever."""

retention_runs = Table(
    "retention_runs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("claimed_by", Text, comment="the run that goes on now"),
    Column("claimed_until", Timestamp, comment="when another one may begin; it is put off while it goes on"),
    Column("finished_at", Timestamp),
    Column("removed", Text, comment="JSON: how much of what the last run removed"),
    CheckConstraint("id = 1", name="id"),
)
"""What the last retention run did, and which one goes on."""
