"""First schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "courses",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("slug", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("level", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("seats_taken", sa.Integer(), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=True),
        sa.Column("ends_at", MOMENT, nullable=True),
        sa.Column("enroll_from", MOMENT, nullable=True),
        sa.Column("enroll_until", MOMENT, nullable=True),
        sa.Column("access_days", sa.Integer(), nullable=True),
        sa.Column("is_sequential", sa.Boolean(), nullable=False),
        sa.Column("is_published", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint("kind IN ('course', 'session')", name=op.f("ck_courses_kind")),
        sa.CheckConstraint("seats_taken >= 0 AND (capacity IS NULL OR seats_taken <= capacity)", name=op.f("ck_courses_seats")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_courses")),
        sa.UniqueConstraint("slug", name=op.f("uq_courses_slug")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "learner_activity_logs",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("activity_type", sa.Text(), nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("module_id", ID, nullable=True),
        sa.Column("unit_id", ID, nullable=True),
        sa.Column("duration_seconds", sa.Double(), nullable=True),
        sa.Column("scroll_depth", sa.Double(), nullable=True),
        sa.Column("video_watch_percentage", sa.Double(), nullable=True),
        sa.Column("interaction_count", sa.BigInteger(), nullable=True),
        sa.Column("start_time", MOMENT, nullable=True),
        sa.Column("end_time", MOMENT, nullable=True),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False, comment="by the server's clock"),
        sa.Column("claimed_ms", sa.Integer(), nullable=False, comment="study time claimed up to occurred_at"),
        sa.Column("is_shifted", sa.Boolean(), nullable=False, comment="ended ahead of the server's clock"),
        sa.PrimaryKeyConstraint("user_id", "event_id", name=op.f("pk_learner_activity_logs")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "revisions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_revisions")),
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
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("study_ms", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("last_activity_at", MOMENT, nullable=False),
        sa.Column("completed_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint("status IN ('IN_PROGRESS', 'COMPLETED')", name=op.f("ck_unit_progress_status")),
        sa.CheckConstraint("percent BETWEEN 0 AND 10000", name=op.f("ck_unit_progress_percent")),
        sa.PrimaryKeyConstraint("user_id", "course_id", "unit_id", name=op.f("pk_unit_progress")),
        postgresql_with={"fillfactor": 80},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "users",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint("role IN ('PARTICIPANT', 'INSTRUCTOR', 'ADMIN', 'SYSTEM')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("external_id", name=op.f("uq_users_external_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "assessments",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("max_grade", sa.Double(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("retired_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_assessments_course_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessments")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("assessments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_assessments_course_id"), ["course_id"], unique=False)

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
    with op.batch_alter_table("course_staff", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_course_staff_course_id"), ["course_id"], unique=False)

    op.create_table(
        "enrollments",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("study_ms", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("last_activity_at", MOMENT, nullable=True),
        sa.Column("enrolled_at", MOMENT, nullable=False),
        sa.Column("completed_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
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
    with op.batch_alter_table("enrollments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrollments_course_id"), ["course_id"], unique=False)

    op.create_table(
        "modules",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("slug", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("retired_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_modules_course_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_modules")),
        sa.UniqueConstraint("course_id", "slug", name=op.f("uq_modules_course_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "submissions",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("assessment_id", ID, nullable=False),
        sa.Column("submission_url", sa.Text(), nullable=True),
        sa.Column("grade", sa.Double(), nullable=True),
        sa.Column("feedback", sa.Text(), nullable=True),
        sa.Column("submitted_at", MOMENT, nullable=False),
        sa.Column("graded_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessments.id"], name=op.f("fk_submissions_assessment_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_submissions_user_id")),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_submissions")),
    )
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_submissions_assessment_id"), ["assessment_id"], unique=False)

    op.create_table(
        "units",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("module_id", ID, nullable=False),
        sa.Column("slug", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("is_required", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("retired_at", MOMENT, nullable=True),
        sa.CheckConstraint("rule IN ('manual', 'viewed', 'time', 'scroll', 'video', 'quiz')", name=op.f("ck_units_rule")),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_units_course_id")),
        sa.ForeignKeyConstraint(["module_id"], ["modules.id"], name=op.f("fk_units_module_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_units")),
        sa.UniqueConstraint("course_id", "slug", name=op.f("uq_units_course_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("units", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_units_module_id"), ["module_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("units", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_units_module_id"))

    op.drop_table("units")
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_submissions_assessment_id"))

    op.drop_table("submissions")
    op.drop_table("modules")
    with op.batch_alter_table("enrollments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enrollments_course_id"))

    op.drop_table("enrollments")
    with op.batch_alter_table("course_staff", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_course_staff_course_id"))

    op.drop_table("course_staff")
    op.drop_table("course_prerequisites")
    with op.batch_alter_table("assessments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assessments_course_id"))

    op.drop_table("assessments")
    op.drop_table("users")
    op.drop_table("unit_progress")
    op.drop_table("study_days")
    op.drop_table("revisions")
    op.drop_table("learner_activity_logs")
    op.drop_table("courses")
