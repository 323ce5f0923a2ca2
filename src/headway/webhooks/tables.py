"""The tables of webhooks."""

from sqlalchemy import Boolean, Column, Identity, Index, Integer, Table, Text, text

from headway.db.types import Id, Timestamp, encrypted_column, metadata, one_of
from headway.webhooks.model import DeliveryStatus

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    encrypted_column("url"),
    Column("events", Text, nullable=False, comment="their types, separated by spaces"),
    Column("course_id", Id, comment="NULL for all courses"),
    Column("description", Text),
    encrypted_column("secret"),
    encrypted_column("previous_secret", nullable=True),
    Column("previous_until", Timestamp, comment="until when deliveries are signed with the previous secret too"),
    Column("is_enabled", Boolean, nullable=False),
    Column("disabled_at", Timestamp),
    Column("disabled_reason", Text),
    Column("paused_until", Timestamp, comment="until when the receiver has asked to be left alone"),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    sqlite_autoincrement=True,
)

_IS_PENDING = text("status = 'pending'")

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Id, Identity(), primary_key=True, comment="grows in the order of a learner's announcements in a course"),
    # No foreign key: it would have each announcement lock the row of the webhook.
    Column("webhook_id", Id, nullable=False),
    Column("message_id", Text, nullable=False, comment="the webhook-id: the same in all attempts"),
    Column("type", Text, nullable=False),
    Column("user_id", Id, nullable=False, comment="0 for a test"),
    Column("course_id", Id, nullable=False, comment="0 for a test"),
    Column("data", Text, nullable=False, comment="JSON"),
    Column("at", Timestamp, nullable=False),
    Column("status", Text, nullable=False),
    Column("next_at", Timestamp, comment="of the next attempt; the end of the claim while one is made"),
    Column("tries", Integer, nullable=False),
    Column("attempts", Text, nullable=False, comment="JSON: the latest"),
    Column("ended_at", Timestamp),
    one_of("status", DeliveryStatus),
    Index("ix_webhook_deliveries_due", "webhook_id", "next_at", "id", postgresql_where=_IS_PENDING, sqlite_where=_IS_PENDING),
    Index(
        "ix_webhook_deliveries_line",
        *("webhook_id", "user_id", "course_id", "id"),
        postgresql_where=_IS_PENDING,
        sqlite_where=_IS_PENDING,
    ),
    Index("ix_webhook_deliveries_log", "webhook_id", "id"),
    Index(None, "at"),
    sqlite_autoincrement=True,
)
"""What is, or was, sent to a webhook: written in the transaction of what happened."""
