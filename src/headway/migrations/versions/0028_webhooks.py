"""Webhooks, and what is sent to them."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", _ID, sa.Identity(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False, comment="encrypted"),
        sa.Column("events", sa.Text(), nullable=False, comment="their types, separated by spaces"),
        sa.Column("course_id", _ID, comment="NULL for all courses"),
        sa.Column("description", sa.Text()),
        sa.Column("secret", sa.Text(), nullable=False, comment="encrypted"),
        sa.Column("previous_secret", sa.Text(), comment="encrypted"),
        sa.Column("previous_until", _TIMESTAMP, comment="until when deliveries are signed with the previous secret too"),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_at", _TIMESTAMP),
        sa.Column("disabled_reason", sa.Text()),
        sa.Column("created_at", _TIMESTAMP, nullable=False),
        sa.Column("updated_at", _TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column(
            "id",
            _ID,
            sa.Identity(),
            nullable=False,
            comment="grows in the order of a learner's announcements in a course",
        ),
        sa.Column("webhook_id", _ID, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False, comment="the webhook-id: the same in all attempts"),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("user_id", _ID, nullable=False, comment="0 for a test"),
        sa.Column("course_id", _ID, nullable=False, comment="0 for a test"),
        sa.Column("data", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("at", _TIMESTAMP, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("next_at", _TIMESTAMP, comment="of the next attempt; the end of the claim while one is made"),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Text(), nullable=False, comment="JSON: the latest"),
        sa.Column("ended_at", _TIMESTAMP),
        sa.CheckConstraint("status IN ('pending', 'delivered', 'failed')", name=op.f("ck_webhook_deliveries_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sqlite_autoincrement=True,
    )
    is_pending = sa.text("status = 'pending'")
    _index("due", ["webhook_id", "next_at", "id"], is_pending)
    _index("line", ["webhook_id", "user_id", "course_id", "id"], is_pending)
    _index("log", ["webhook_id", "id"])
    _index("at", ["at"])


def _index(name: str, columns: list[str], condition: sa.TextClause | None = None) -> None:
    where: dict[str, Any] = {} if condition is None else {"postgresql_where": condition, "sqlite_where": condition}
    op.create_index(f"ix_webhook_deliveries_{name}", "webhook_deliveries", columns, **where)


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
