"""First schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
SEQUENCES = ("ids_of_enrollments", "ids_of_unit_progress")
TABLES = (
    "users",
    "sessions",
    "courses",
    "assessments",
    "course_gradings",
    "course_prerequisites",
    "course_staff",
    "modules",
    "units",
    "course_statistics",
    "enrollments",
    "waiting_list",
    "learner_activity_logs",
    "study_days",
    "unit_progress",
    "chapter_progress",
    "quiz_scores",
    "tutorial_progress",
    "submissions",
    "conversations",
    "messages",
    "audit_entries",
    "audit_head",
    "feed",
    "feed_topics",
    "idempotency_keys",
    "rate_limits",
    "index_keys",
    "revisions",
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for sequence in SEQUENCES:
            op.execute(sa.schema.CreateSequence(sa.Sequence(sequence)))
    _create_accounts()
    _create_courses()
    _create_course_structure()
    _create_enrollments()
    _create_learning()
    _create_tutorials()
    _create_assessments()
    _create_messaging()
    _create_audit()
    _create_feed()
    _create_idempotency()
    _create_limits()
    _create_db()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for sequence in SEQUENCES:
            op.execute(sa.schema.DropSequence(sa.Sequence(sequence)))


def _create_accounts() -> None:
    op.create_table(
        "users",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), comment="encrypted"),
        sa.Column("email_hash", sa.Text(), comment="of the normalized address, under the key `email`"),
        sa.Column("external_id", sa.Text()),
        sa.Column("password_hash", sa.Text()),
        sa.Column("interests", sa.Text()),
        sa.Column("learning_goals", sa.Text()),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP, nullable=False),
        sa.CheckConstraint("role IN ('PARTICIPANT', 'INSTRUCTOR', 'ADMIN', 'SYSTEM')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email_hash", name=op.f("uq_users_email_hash")),
        sa.UniqueConstraint("external_id", name=op.f("uq_users_external_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sessions",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False, comment="of the refresh token; grows with each use"),
        sa.Column("replaced", sa.Text(), nullable=False, comment="[[generation, when it was used], ...] of late"),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("expires_at", TIMESTAMP, nullable=False),
        sa.Column("ended_at", TIMESTAMP),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_ended_at"), "sessions", ["ended_at"])
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])


def _create_courses() -> None:
    op.create_table(
        "courses",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("slug", sa.Text()),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("subject", sa.Text()),
        sa.Column("level", sa.Text()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("capacity", sa.Integer()),
        sa.Column("seats_taken", sa.Integer(), nullable=False),
        sa.Column("starts_at", TIMESTAMP),
        sa.Column("ends_at", TIMESTAMP),
        sa.Column("enroll_from", TIMESTAMP),
        sa.Column("enroll_until", TIMESTAMP),
        sa.Column("access_days", sa.Integer()),
        sa.Column("is_sequential", sa.Boolean(), nullable=False),
        sa.Column("is_published", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP, nullable=False),
        sa.CheckConstraint("kind IN ('course', 'session')", name=op.f("ck_courses_kind")),
        sa.CheckConstraint("seats_taken >= 0 AND (capacity IS NULL OR seats_taken <= capacity)", name=op.f("ck_courses_seats")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_courses")),
        sa.UniqueConstraint("slug", name=op.f("uq_courses_slug")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "course_gradings",
        sa.Column("course_id", ID, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, comment="of the course, from which on this applied"),
        sa.Column("units", sa.Text(), nullable=False, comment="JSON by unit: [rule, threshold, whether it counts]"),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_course_gradings_course_id")),
        sa.PrimaryKeyConstraint("course_id", "revision", name=op.f("pk_course_gradings")),
    )
    op.create_table(
        "course_prerequisites",
        sa.Column("course_id", ID, nullable=False),
        sa.Column("prerequisite_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_course_prerequisites_course_id")),
        sa.ForeignKeyConstraint(["prerequisite_id"], ["courses.id"], name=op.f("fk_course_prerequisites_prerequisite_id")),
        sa.PrimaryKeyConstraint("course_id", "prerequisite_id", name=op.f("pk_course_prerequisites")),
    )
    op.create_table(
        "course_staff",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.CheckConstraint("role IN ('owner', 'instructor')", name=op.f("ck_course_staff_role")),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_course_staff_course_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_course_staff_user_id")),
        sa.PrimaryKeyConstraint("user_id", "course_id", name=op.f("pk_course_staff")),
    )
    op.create_index(op.f("ix_course_staff_course_id"), "course_staff", ["course_id"])


def _create_course_structure() -> None:
    op.create_table(
        "assessments",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("due_at", TIMESTAMP),
        sa.Column("max_grade", sa.Double(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("retired_at", TIMESTAMP),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_assessments_course_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessments")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_assessments_course_id"), "assessments", ["course_id"])
    op.create_table(
        "modules",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("slug", sa.Text()),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("retired_at", TIMESTAMP),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_modules_course_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_modules")),
        sa.UniqueConstraint("course_id", "slug", name=op.f("uq_modules_course_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "units",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("module_id", ID, nullable=False),
        sa.Column("slug", sa.Text()),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text()),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("is_required", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Double()),
        sa.Column("retired_at", TIMESTAMP),
        sa.CheckConstraint("rule IN ('manual', 'viewed', 'time', 'scroll', 'video', 'quiz')", name=op.f("ck_units_rule")),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_units_course_id")),
        sa.ForeignKeyConstraint(["module_id"], ["modules.id"], name=op.f("fk_units_module_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_units")),
        sa.UniqueConstraint("course_id", "slug", name=op.f("uq_units_course_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_units_module_id"), "units", ["module_id"])


def _create_enrollments() -> None:
    op.create_table(
        "course_statistics",
        sa.Column("course_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False, comment="so that writers rarely wait for each other; the sum counts"),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("course_id", "name", "shard", name=op.f("pk_course_statistics")),
        postgresql_with={"fillfactor": 80},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "enrollments",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False, comment="for those who want one number; unique, and nothing is looked up by it"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("study_ms", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("last_activity_at", TIMESTAMP),
        sa.Column("enrolled_at", TIMESTAMP, nullable=False),
        sa.Column("completed_at", TIMESTAMP),
        sa.Column("certificate_url", sa.Text()),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP, nullable=False),
        sa.Column(
            "completed_revision", sa.Integer(), comment="the revision of the course whose required units were all complete"
        ),
        sa.CheckConstraint(
            "status IN ('ENROLLED', 'IN_PROGRESS', 'COMPLETED', 'CERTIFIED', 'DROPPED', 'EXPIRED')",
            name=op.f("ck_enrollments_status"),
        ),
        sa.CheckConstraint("percent BETWEEN 0 AND 10000", name=op.f("ck_enrollments_percent")),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_enrollments_course_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_enrollments_user_id")),
        sa.PrimaryKeyConstraint("user_id", "course_id", name=op.f("pk_enrollments")),
        postgresql_with={"fillfactor": 80},
        sqlite_with_rowid=False,
    )
    op.create_index("ix_enrollments_course_completed_at", "enrollments", ["course_id", "status", "completed_at", "user_id"])
    op.create_index("ix_enrollments_course_enrolled_at", "enrollments", ["course_id", "status", "enrolled_at", "user_id"])
    op.create_index("ix_enrollments_course_id", "enrollments", ["course_id", "user_id"])
    op.create_index("ix_enrollments_course_percent", "enrollments", ["course_id", "status", "percent", "user_id"])
    op.create_table(
        "waiting_list",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="in the order of arrival"),
        sa.Column("joined_at", TIMESTAMP, nullable=False),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_waiting_list_course_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_waiting_list_user_id")),
        sa.PrimaryKeyConstraint("user_id", "course_id", name=op.f("pk_waiting_list")),
    )
    op.create_index("ix_waiting_list_course_id", "waiting_list", ["course_id", "number"])


def _create_learning() -> None:
    op.create_table(
        "learner_activity_logs",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("activity_type", sa.Text(), nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("module_id", ID),
        sa.Column("unit_id", ID),
        sa.Column("duration_seconds", sa.Double()),
        sa.Column("scroll_depth", sa.Double()),
        sa.Column("video_watch_percentage", sa.Double()),
        sa.Column("interaction_count", sa.BigInteger()),
        sa.Column("start_time", TIMESTAMP),
        sa.Column("end_time", TIMESTAMP),
        sa.Column("session_id", sa.Text()),
        sa.Column("metadata", sa.Text()),
        sa.Column("sent_at", TIMESTAMP),
        sa.Column("received_at", TIMESTAMP, nullable=False),
        sa.Column("occurred_at", TIMESTAMP, nullable=False, comment="by the server's clock"),
        sa.Column("claimed_ms", sa.Integer(), nullable=False, comment="study time claimed up to occurred_at"),
        sa.Column("is_shifted", sa.Boolean(), nullable=False, comment="ended ahead of the server's clock"),
        sa.PrimaryKeyConstraint("user_id", "event_id", name=op.f("pk_learner_activity_logs")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "study_days",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False, comment="whole UTC days since 1970-01-01"),
        sa.Column(
            "spans", sa.Text(), nullable=False, comment="by unit, 0 for the course alone: [[start, end], ...] in ms of the day"
        ),
        sa.PrimaryKeyConstraint("user_id", "course_id", "day", name=op.f("pk_study_days")),
        postgresql_with={"fillfactor": 80},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "unit_progress",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("unit_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False, comment="for those who want one number; unique, and nothing is looked up by it"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("study_ms", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("client_metadata", sa.Text(), comment="JSON of the client's own"),
        sa.Column("last_activity_at", TIMESTAMP, nullable=False),
        sa.Column("completed_at", TIMESTAMP),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP, nullable=False),
        sa.Column("met_rule", sa.Text(), comment="the rule that was met first, also if the unit has another one now"),
        sa.Column("met_threshold", sa.Double(), comment="of met_rule"),
        sa.CheckConstraint("status IN ('NOT_STARTED', 'IN_PROGRESS', 'COMPLETED')", name=op.f("ck_unit_progress_status")),
        sa.CheckConstraint("percent BETWEEN 0 AND 10000", name=op.f("ck_unit_progress_percent")),
        sa.PrimaryKeyConstraint("user_id", "course_id", "unit_id", name=op.f("pk_unit_progress")),
        postgresql_with={"fillfactor": 80},
        sqlite_with_rowid=False,
    )


def _create_tutorials() -> None:
    op.create_table(
        "chapter_progress",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("tutorial_id", sa.Text(), nullable=False),
        sa.Column("chapter_id", sa.Text(), nullable=False),
        sa.Column("watch_time", sa.Double(), nullable=False, comment="seconds"),
        sa.Column("is_completed", sa.Boolean(), nullable=False),
        sa.Column("last_position", sa.Double(), comment="seconds; none where no client told one"),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP, nullable=False),
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
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("completed_at", TIMESTAMP, nullable=False, comment="the newest attempt"),
        sa.CheckConstraint("score >= 0 AND score <= max_score", name=op.f("ck_quiz_scores_score")),
        sa.PrimaryKeyConstraint("user_id", "tutorial_id", "quiz_id", name=op.f("pk_quiz_scores")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tutorial_progress",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("tutorial_id", sa.Text(), nullable=False),
        sa.Column("total_chapters", sa.Double(), nullable=False),
        sa.Column("is_certificate_earned", sa.Boolean(), nullable=False),
        sa.Column("last_watched_at", TIMESTAMP, nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tutorial_progress_user_id")),
        sa.PrimaryKeyConstraint("user_id", "tutorial_id", name=op.f("pk_tutorial_progress")),
        sqlite_with_rowid=False,
    )


def _create_assessments() -> None:
    op.create_table(
        "submissions",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("assessment_id", ID, nullable=False),
        sa.Column("submission_url", sa.Text()),
        sa.Column("grade", sa.Double()),
        sa.Column("feedback", sa.Text(), comment="encrypted"),
        sa.Column("submitted_at", TIMESTAMP, nullable=False),
        sa.Column("graded_at", TIMESTAMP),
        sa.Column("graded_by", ID),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessments.id"], name=op.f("fk_submissions_assessment_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_submissions_user_id")),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_submissions")),
    )
    op.create_index("ix_submissions_assessment_id", "submissions", ["assessment_id", "user_id", "submitted_at"])
    op.create_index(op.f("ix_submissions_id"), "submissions", ["id"])


def _create_messaging() -> None:
    op.create_table(
        "conversations",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("peer_id", ID, nullable=False),
        sa.Column("last_message_id", sa.Text(), nullable=False),
        sa.Column("last_message_at", TIMESTAMP, nullable=False),
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
        sa.Column("message", sa.Text(), nullable=False, comment="encrypted"),
        sa.Column("is_read", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.ForeignKeyConstraint(["peer_id"], ["users.id"], name=op.f("fk_messages_peer_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_messages_user_id")),
        sa.PrimaryKeyConstraint("user_id", "peer_id", "id", name=op.f("pk_messages")),
        sa.UniqueConstraint("user_id", "id", name=op.f("uq_messages_user_id")),
        sqlite_with_rowid=False,
    )


def _create_audit() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("seq", ID, autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text()),
        sa.Column("is_actor_verified", sa.Boolean(), nullable=False),
        sa.Column("recorded_by", ID, comment="none for Headway itself"),
        sa.Column("recorded_role", sa.Text(), nullable=False),
        sa.Column("target_type", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("performed_at", TIMESTAMP, nullable=False),
        sa.Column("content", sa.Text(), nullable=False, comment="all the rest, encrypted"),
        sa.Column("content_hash", sa.Text(), nullable=False, comment="SHA-256 of what was encrypted"),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False, comment="SHA-256 of all but the content itself"),
        sa.CheckConstraint(
            "recorded_role IN ('PARTICIPANT', 'INSTRUCTOR', 'ADMIN', 'SYSTEM')", name=op.f("ck_audit_entries_recorded_role")
        ),
        sa.CheckConstraint("status IN ('SUCCESS', 'FAILURE')", name=op.f("ck_audit_entries_status")),
        sa.CheckConstraint(
            "target_type IN ('USER', 'COURSE', 'LESSON', 'ENROLLMENT', 'COHORT', 'FILE', 'NOTE', 'DISCUSSION', 'SYSTEM', 'OTHER')",
            name=op.f("ck_audit_entries_target_type"),
        ),
        sa.CheckConstraint("seq > 0", name=op.f("ck_audit_entries_seq")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_entries")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_entries_id")),
    )
    op.create_index("ix_audit_entries_action", "audit_entries", ["action", "seq"])
    op.create_index("ix_audit_entries_actor_id", "audit_entries", ["actor_id", "seq"])
    op.create_index("ix_audit_entries_performed_at", "audit_entries", ["performed_at"])
    op.create_index("ix_audit_entries_recorded_by", "audit_entries", ["recorded_by", "seq"])
    op.create_index("ix_audit_entries_target", "audit_entries", ["target_type", "target_id", "seq"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, comment="always 1"),
        sa.Column("seq", ID, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("at", TIMESTAMP, nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )


def _create_feed() -> None:
    op.create_table(
        "feed",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", TIMESTAMP, nullable=False),
        sa.Column("data", sa.Text(), nullable=False, comment="JSON; encrypted where it is personal"),
        sa.PrimaryKeyConstraint("topic", "seq", name=op.f("pk_feed")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "feed_topics",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_feed_topics")),
    )


def _create_idempotency() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", ID, nullable=False, comment="0 for callers without an account"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False, comment="a hash of method, path and body"),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False, comment="encrypted"),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])


def _create_limits() -> None:
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.Text(), nullable=False, comment="a keyed hash of what is limited, and for whom"),
        sa.Column("times", sa.Text(), nullable=False, comment="[ms since 1970, ...]"),
        sa.Column("expires_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_limits")),
    )
    op.create_index(op.f("ix_rate_limits_expires_at"), "rate_limits", ["expires_at"])


def _create_db() -> None:
    op.create_table(
        "index_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="encrypted"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_index_keys")),
    )
    op.create_table(
        "revisions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_revisions")),
    )
