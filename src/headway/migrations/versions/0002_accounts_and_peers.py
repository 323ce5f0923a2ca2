"""Sessions, waiting list, messages, the feed, and what accounts need for signing in by themselves."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("key", sa.Text(), nullable=False, comment="what is limited, and for whom"),
        sa.Column("times", sa.Text(), nullable=False, comment="[ms since 1970, ...]"),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_expires_at"), "attempts", ["expires_at"])
    op.create_table(
        "feed",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "seq", name=op.f("pk_feed")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "feed_topics",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_feed_topics")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", ID, nullable=False, comment="0 for callers without an account"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False, comment="a hash of method, path and body"),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])
    op.create_table(
        "conversations",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("peer_id", ID, nullable=False),
        sa.Column("last_message_id", sa.Text(), nullable=False),
        sa.Column("last_message_at", MOMENT, nullable=False),
        sa.Column("unread", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["peer_id"], ["users.id"], name=op.f("fk_conversations_peer_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_conversations_user_id")),
        sa.PrimaryKeyConstraint("user_id", "peer_id", name=op.f("pk_conversations")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_conversations_user_id", "conversations", ["user_id", "last_message_id"])
    op.create_table(
        "messages",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("peer_id", ID, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sender_id", ID, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("is_read", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["peer_id"], ["users.id"], name=op.f("fk_messages_peer_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_messages_user_id")),
        sa.PrimaryKeyConstraint("user_id", "peer_id", "id", name=op.f("pk_messages")),
        sa.UniqueConstraint("user_id", "id", name=op.f("uq_messages_user_id")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sessions",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False, comment="of the refresh token; grows with each use"),
        sa.Column("replaced", sa.Text(), nullable=False, comment="[[generation, when it was used], ...] of late"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_ended_at"), "sessions", ["ended_at"])
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])
    op.create_table(
        "waiting_list",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="in the order of arrival"),
        sa.Column("joined_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_waiting_list_course_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_waiting_list_user_id")),
        sa.PrimaryKeyConstraint("user_id", "course_id", name=op.f("pk_waiting_list")),
    )
    op.create_index("ix_waiting_list_course_id", "waiting_list", ["course_id", "number"])
    op.drop_index(op.f("ix_enrollments_course_id"), "enrollments")
    op.create_index("ix_enrollments_course_id", "enrollments", ["course_id", "user_id"])
    op.add_column("submissions", sa.Column("graded_by", ID, nullable=True))
    op.drop_index(op.f("ix_submissions_assessment_id"), "submissions")
    op.create_index("ix_submissions_assessment_id", "submissions", ["assessment_id", "user_id", "submitted_at"])
    op.create_index(op.f("ix_submissions_id"), "submissions", ["id"])
    op.add_column("enrollments", sa.Column("certificate_url", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("password_hash", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("interests", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("learning_goals", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "learning_goals")
    op.drop_column("users", "interests")
    op.drop_column("users", "password_hash")
    op.drop_column("enrollments", "certificate_url")
    op.drop_index(op.f("ix_submissions_id"), "submissions")
    op.drop_index("ix_submissions_assessment_id", "submissions")
    op.create_index(op.f("ix_submissions_assessment_id"), "submissions", ["assessment_id"])
    op.drop_column("submissions", "graded_by")
    op.drop_index("ix_enrollments_course_id", "enrollments")
    op.create_index(op.f("ix_enrollments_course_id"), "enrollments", ["course_id"])
    op.drop_index("ix_waiting_list_course_id", "waiting_list")
    op.drop_table("waiting_list")
    op.drop_index(op.f("ix_sessions_expires_at"), "sessions")
    op.drop_index(op.f("ix_sessions_ended_at"), "sessions")
    op.drop_table("sessions")
    op.drop_table("messages")
    op.drop_index("ix_conversations_user_id", "conversations")
    op.drop_table("conversations")
    op.drop_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("feed_topics")
    op.drop_table("feed")
    op.drop_index(op.f("ix_attempts_expires_at"), "attempts")
    op.drop_table("attempts")
