"""Give units times and a mark that hides them, and keep the events that lie outside of the times. No unit has any yet."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_GRADING = "JSON by unit: [rule, threshold, whether it counts"


def upgrade() -> None:
    op.add_column("units", sa.Column("opens_at", _TIMESTAMP))
    op.add_column("units", sa.Column("closes_at", _TIMESTAMP))
    op.add_column(
        "units", sa.Column("is_hidden", sa.Boolean(), nullable=False, server_default=sa.false(), comment="from learners")
    )
    _describe_gradings(f"{_GRADING}, opens, closes]")
    op.create_table(
        "uncounted_events",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("course_id", _ID, nullable=False),
        sa.Column("unit_id", _ID, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", _TIMESTAMP, nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False, comment="JSON of the evidence that the event would leave"),
        sa.PrimaryKeyConstraint("user_id", "course_id", "unit_id", "event_id", name="pk_uncounted_events"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("uncounted_events")
    _describe_gradings(f"{_GRADING}]")
    for name in ("is_hidden", "closes_at", "opens_at"):
        op.drop_column("units", name)


def _describe_gradings(comment: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text(f"COMMENT ON COLUMN course_gradings.units IS '{comment}'"))
