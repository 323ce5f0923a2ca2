"""Tutorials: chapters and quiz scores of content that is not in the catalogue."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "tutorial_progress",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("tutorial_id", sa.Text(), nullable=False),
        sa.Column("total_chapters", sa.Double(), nullable=False),
        sa.Column("is_certificate_earned", sa.Boolean(), nullable=False),
        sa.Column("last_watched_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tutorial_progress_user_id")),
        sa.PrimaryKeyConstraint("user_id", "tutorial_id", name=op.f("pk_tutorial_progress")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "chapter_progress",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("tutorial_id", sa.Text(), nullable=False),
        sa.Column("chapter_id", sa.Text(), nullable=False),
        sa.Column("watch_time", sa.Double(), nullable=False, comment="seconds"),
        sa.Column("is_completed", sa.Boolean(), nullable=False),
        sa.Column("last_position", sa.Double(), nullable=True, comment="seconds; none where no client told one"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "tutorial_id", "chapter_id", name=op.f("pk_chapter_progress")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quiz_scores",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("tutorial_id", sa.Text(), nullable=False),
        sa.Column("quiz_id", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False, comment="of the best attempt, out of max_score"),
        sa.Column("max_score", sa.Double(), nullable=False),
        sa.Column("is_passed", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("completed_at", MOMENT, nullable=False, comment="the newest attempt"),
        sa.CheckConstraint("score >= 0 AND score <= max_score", name=op.f("ck_quiz_scores_score")),
        sa.PrimaryKeyConstraint("user_id", "tutorial_id", "quiz_id", name=op.f("pk_quiz_scores")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("quiz_scores", "chapter_progress", "tutorial_progress"):
        op.drop_table(table)
