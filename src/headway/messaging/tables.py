"""The tables of messages and conversations."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from headway.db.types import Id, Timestamp, encrypted_column, metadata

messages = Table(
    "messages",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("peer_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("sender_id", Id, nullable=False),
    encrypted_column("message", people=lambda row, _text: (row["user_id"], row["peer_id"])),
    Column("is_read", Boolean, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    UniqueConstraint("user_id", "id"),
    sqlite_with_rowid=False,
)
"""Each message is stored twice, once for each user, so that a user reads rows of one shard only."""

conversations = Table(
    "conversations",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("peer_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("last_message_id", Text, nullable=False),
    Column("last_message_at", Timestamp, nullable=False),
    Column("unread", Integer, nullable=False),
    Index("ix_conversations_user_id", "user_id", "last_message_id"),
    sqlite_with_rowid=False,
)
