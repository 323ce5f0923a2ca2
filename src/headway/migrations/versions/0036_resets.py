"""Resets of progress, what was reached before them, and the study that they set aside. Nothing was ever reset yet."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_SEQUENCE = "ids_of_resets"


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    if is_postgresql:
        op.execute(sa.schema.CreateSequence(sa.Sequence(_SEQUENCE)))
    op.add_column(
        "enrollments",
        sa.Column("counts_from", sa.Text(), comment="since when progress counts, if it was ever reset; see counting.py"),
    )
    op.create_table(
        "resets",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("course_id", _ID, nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("module_id", _ID),
        sa.Column("unit_id", _ID),
        sa.Column("unit_ids", sa.Text(), comment="JSON: the units that were reset; null for all of the course"),
        sa.Column("keeps_study", sa.Boolean(), nullable=False, comment="whether study time from before still counts as such"),
        sa.Column("is_attempt", sa.Boolean(), nullable=False, comment="whether it began a new attempt"),
        sa.Column("reason", sa.Text(), comment="encrypted"),
        sa.Column("reset_by", _ID, nullable=False),
        sa.Column("reset_at", _TIMESTAMP, nullable=False),
        sa.Column(
            "counts_from", _TIMESTAMP, nullable=False, comment="later than all that was known of the learner in the course"
        ),
        sa.Column("before", sa.Text(), nullable=False, comment="JSON: the enrollment as it was"),
        sa.Column("undone_at", _TIMESTAMP),
        sa.Column("undone_by", _ID),
        sa.PrimaryKeyConstraint("user_id", "course_id", "id", name="pk_resets"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "earlier_progress",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("course_id", _ID, nullable=False),
        sa.Column("reset_id", _ID, nullable=False),
        sa.Column("unit_id", _ID, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("study_ms", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("client_metadata", sa.Text(), comment="JSON of the client's own"),
        sa.Column("completed_at", _TIMESTAMP),
        sa.Column("met_rule", sa.Text()),
        sa.Column("met_threshold", sa.Double()),
        sa.CheckConstraint("status IN ('NOT_STARTED', 'IN_PROGRESS', 'COMPLETED')", name=op.f("ck_earlier_progress_status")),
        sa.CheckConstraint("percent BETWEEN 0 AND 10000", name=op.f("ck_earlier_progress_percent")),
        sa.PrimaryKeyConstraint("user_id", "course_id", "reset_id", "unit_id", name="pk_earlier_progress"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "set_aside_days",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("course_id", _ID, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False, comment="whole UTC days since 1970-01-01"),
        sa.Column("spans", sa.Text(), nullable=False, comment="as in study_days"),
        sa.PrimaryKeyConstraint("user_id", "course_id", "day", name="pk_set_aside_days"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("set_aside_days", "earlier_progress", "resets"):
        op.drop_table(table)
    op.drop_column("enrollments", "counts_from")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.DropSequence(sa.Sequence(_SEQUENCE)))
