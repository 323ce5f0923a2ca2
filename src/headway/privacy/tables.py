"""The tables of erasures."""

from sqlalchemy import Column, ForeignKey, Identity, Table, Text

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
