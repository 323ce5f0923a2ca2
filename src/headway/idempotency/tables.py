"""The table of stored responses."""

from sqlalchemy import Column, Index, Integer, Table, Text

from headway.db.types import Id, Timestamp, encrypted_column, metadata

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", Id, primary_key=True, comment="0 for callers without an account"),
    Column("key", Text, primary_key=True),
    Column("request", Text, nullable=False, comment="a hash of method, path and body"),
    Column("status", Integer, nullable=False),
    encrypted_column("answer", people=lambda row, _text: (row["user_id"],)),
    Column("created_at", Timestamp, nullable=False),
    Index(None, "created_at"),
)
"""Responses to repeat for requests with the same key; committed with the effects of the first request."""
