"""Settle the number of chapters of a tutorial, and retire chapters, for all its learners."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "tutorials",
        sa.Column("tutorial_id", sa.Text(), nullable=False),
        sa.Column("total_chapters", sa.Double(), comment="none: as clients report"),
        sa.Column("retired_chapters", sa.Text(), nullable=False, comment="JSON list of ids"),
        sa.Column("created_at", _TIMESTAMP, nullable=False),
        sa.Column("updated_at", _TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("tutorial_id", name=op.f("pk_tutorials")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tutorial_progress_tutorial_id", "tutorial_progress", ["tutorial_id", "user_id"])


def downgrade() -> None:
    op.drop_index("ix_tutorial_progress_tutorial_id", "tutorial_progress")
    op.drop_table("tutorials")
