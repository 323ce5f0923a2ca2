"""Append events on SQLite, and keep their keys in an index, instead of clustering the table by the keys."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rebuild(is_clustered=False)


def downgrade() -> None:
    _rebuild(is_clustered=True)


def _rebuild(*, is_clustered: bool) -> None:
    """Copy the events in the order of their keys, which fills the pages of either form; PostgreSQL keeps its table."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.create_table(
        "learner_activity_logs_copy",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("activity_type", sa.Text(), nullable=False),
        sa.Column("course_id", sa.Integer(), nullable=False),
        sa.Column("module_id", sa.Integer()),
        sa.Column("unit_id", sa.Integer()),
        sa.Column("duration_seconds", sa.Double()),
        sa.Column("scroll_depth", sa.Double()),
        sa.Column("video_watch_percentage", sa.Double()),
        sa.Column("interaction_count", sa.BigInteger()),
        sa.Column("start_time", sa.BigInteger()),
        sa.Column("end_time", sa.BigInteger()),
        sa.Column("session_id", sa.Text()),
        sa.Column("metadata", sa.Text()),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_ms", sa.Integer(), nullable=False),
        sa.Column("is_shifted", sa.Boolean(), nullable=False),
        sa.Column("clock_offset_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("user_id", "event_id", name=op.f("pk_learner_activity_logs")),
        sqlite_with_rowid=not is_clustered,
    )
    op.execute("INSERT INTO learner_activity_logs_copy SELECT * FROM learner_activity_logs ORDER BY user_id, event_id")
    op.drop_table("learner_activity_logs")
    op.rename_table("learner_activity_logs_copy", "learner_activity_logs")
