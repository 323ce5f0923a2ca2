"""Who needs help in a course: rules, dismissals, messages, notes, saved filters; and where each learner stands."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_RULES = "rule IN ('not_seen', 'behind_plan', 'stuck', 'failed_twice')"


def upgrade() -> None:
    op.add_column("enrollments", sa.Column("last_unit_id", _ID, comment="the unit with the newest activity"))
    op.add_column("enrollments", sa.Column("last_unit_at", _TIMESTAMP, comment="of the newest activity in a unit"))
    progress = "FROM unit_progress WHERE user_id = enrollments.user_id AND course_id = enrollments.course_id"
    newest = "ORDER BY last_activity_at DESC, unit_id DESC LIMIT 1"
    op.execute(
        f"""UPDATE enrollments SET last_unit_id = (SELECT unit_id {progress} {newest}),
            last_unit_at = (SELECT last_activity_at {progress} {newest})
            WHERE EXISTS (SELECT 1 {progress})"""
    )
    op.create_index("ix_submissions_grade", "submissions", ["assessment_id", "grade", "user_id"])
    op.create_table(
        "attention_rules",
        sa.Column("course_id", _ID, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False, comment="days, points or a percent"),
        sa.Column("hours", sa.Integer(), comment="the other threshold of stuck"),
        sa.CheckConstraint(_RULES, name=op.f("ck_attention_rules_rule")),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_attention_rules_course_id")),
        sa.PrimaryKeyConstraint("course_id", "rule", name=op.f("pk_attention_rules")),
        sqlite_with_rowid=False,
    )
    _create_of_learners(
        "attention_dismissals",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False, comment="what the finding was about"),
        sa.Column("until", _TIMESTAMP, nullable=False),
        sa.Column("note", sa.Text(), comment="encrypted"),
        sa.Column("dismissed_by", _ID, nullable=False),
        sa.Column("dismissed_at", _TIMESTAMP, nullable=False),
        sa.CheckConstraint(_RULES, name=op.f("ck_attention_dismissals_rule")),
    )
    op.create_index(op.f("ix_attention_dismissals_course_id"), "attention_dismissals", ["course_id"])
    _create_of_learners(
        "attention_messages",
        sa.Column("digest", sa.Text(), nullable=False, comment="HMAC of the text"),
        sa.Column("sender_id", _ID, nullable=False),
        sa.Column("sent_at", _TIMESTAMP, nullable=False),
    )
    op.create_index("ix_attention_messages_course_id", "attention_messages", ["course_id", "sent_at"])
    _create_of_learners(
        "course_notes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("author_id", _ID, nullable=False),
        sa.Column("text", sa.Text(), nullable=False, comment="encrypted"),
        sa.Column("created_at", _TIMESTAMP, nullable=False),
    )
    _create_of_learners(
        "saved_filters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False, comment="as in the URL of the list of learners"),
        sa.Column("saved_at", _TIMESTAMP, nullable=False),
    )


def _create_of_learners(name: str, third: sa.Column[str], *others: sa.Column[Any] | sa.CheckConstraint) -> None:
    """Create a table whose key is a user, a course and a third column."""
    op.create_table(
        name,
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("course_id", _ID, nullable=False),
        third,
        *others,
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{name}_user_id")),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f(f"fk_{name}_course_id")),
        sa.PrimaryKeyConstraint("user_id", "course_id", third.name, name=op.f(f"pk_{name}")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for name in ("saved_filters", "course_notes", "attention_messages", "attention_dismissals", "attention_rules"):
        op.drop_table(name)
    op.drop_index("ix_submissions_grade", table_name="submissions")
    op.drop_column("enrollments", "last_unit_at")
    op.drop_column("enrollments", "last_unit_id")
