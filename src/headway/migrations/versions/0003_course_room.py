"""Ids for enrollments and unit progress, metadata of clients, and the tallies of courses with what they are so far."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
ENROLLMENT_STATUSES = "'ENROLLED', 'IN_PROGRESS', 'COMPLETED', 'CERTIFIED', 'DROPPED', 'EXPIRED'"
ENROLLMENT_COLUMNS = (
    "user_id, course_id, status, percent, study_ms, metadata, last_activity_at, enrolled_at, completed_at, certificate_url, "
    "created_at, updated_at"
)
UNIT_COLUMNS = (
    "user_id, course_id, unit_id, status, percent, study_ms, metadata, last_activity_at, completed_at, created_at, updated_at"
)
STATUSES = "status IN ('NOT_STARTED', 'IN_PROGRESS', 'COMPLETED')"
EARLIER_STATUSES = "status IN ('IN_PROGRESS', 'COMPLETED')"


def upgrade() -> None:
    op.execute("CREATE TABLE earlier_enrollments AS SELECT * FROM enrollments")
    op.drop_table("enrollments")
    _create_enrollments(sa.Column("id", ID, nullable=False, comment=_ID_COMMENT))
    for name in ("percent", "enrolled_at", "completed_at"):
        op.create_index(f"ix_enrollments_course_{name}", "enrollments", ["course_id", "status", name, "user_id"])
    op.execute("CREATE TABLE earlier_unit_progress AS SELECT * FROM unit_progress")
    op.drop_table("unit_progress")
    _create_unit_progress(
        STATUSES,
        sa.Column("id", ID, nullable=False, comment=_ID_COMMENT),
        sa.Column("client_metadata", sa.Text(), nullable=True, comment="JSON of the client's own"),
    )
    _number("enrollments", ENROLLMENT_COLUMNS, "created_at, user_id, course_id")
    _number("unit_progress", UNIT_COLUMNS, "created_at, user_id, unit_id")
    op.create_table(
        "course_tallies",
        sa.Column("course_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False, comment="so that writers rarely wait for each other; the sum counts"),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("course_id", "name", "shard", name=op.f("pk_course_tallies")),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 80},
    )
    _tally()


def downgrade() -> None:
    op.drop_table("course_tallies")
    op.execute("CREATE TABLE later_enrollments AS SELECT * FROM enrollments")
    op.drop_table("enrollments")
    _create_enrollments()
    op.execute(f"INSERT INTO enrollments ({ENROLLMENT_COLUMNS}) SELECT {ENROLLMENT_COLUMNS} FROM later_enrollments")
    op.drop_table("later_enrollments")
    op.execute("CREATE TABLE later_unit_progress AS SELECT * FROM unit_progress")
    op.drop_table("unit_progress")
    _create_unit_progress(EARLIER_STATUSES)
    # Who had not begun by a client's word has begun by the older rule: there is a row.
    columns = UNIT_COLUMNS.replace("status", "CASE status WHEN 'COMPLETED' THEN status ELSE 'IN_PROGRESS' END")
    op.execute(f"INSERT INTO unit_progress ({UNIT_COLUMNS}) SELECT {columns} FROM later_unit_progress")
    op.drop_table("later_unit_progress")
    for table in ("enrollments", "unit_progress"):
        if _is_postgresql():
            op.execute(f"DROP SEQUENCE ids_of_{table}")
        else:
            op.execute(f"DELETE FROM revisions WHERE name = 'ids of {table}'")


_ID_COMMENT = "for those who want one number; unique, and nothing is looked up by it"


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _create_enrollments(*more: sa.Column[int]) -> None:
    op.create_table(
        "enrollments",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("course_id", ID, nullable=False),
        *more,
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("study_ms", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("last_activity_at", MOMENT, nullable=True),
        sa.Column("enrolled_at", MOMENT, nullable=False),
        sa.Column("completed_at", MOMENT, nullable=True),
        sa.Column("certificate_url", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint("percent BETWEEN 0 AND 10000", name=op.f("ck_enrollments_percent")),
        sa.CheckConstraint(f"status IN ({ENROLLMENT_STATUSES})", name=op.f("ck_enrollments_status")),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_enrollments_course_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_enrollments_user_id")),
        sa.PrimaryKeyConstraint("user_id", "course_id", name=op.f("pk_enrollments")),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("ix_enrollments_course_id", "enrollments", ["course_id", "user_id"])


def _create_unit_progress(statuses: str, *more: sa.Column[int] | sa.Column[str]) -> None:
    op.create_table(
        "unit_progress",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("unit_id", ID, nullable=False),
        *more[:1],
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("study_ms", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        *more[1:],
        sa.Column("last_activity_at", MOMENT, nullable=False),
        sa.Column("completed_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint("percent BETWEEN 0 AND 10000", name=op.f("ck_unit_progress_percent")),
        sa.CheckConstraint(statuses, name=op.f("ck_unit_progress_status")),
        sa.PrimaryKeyConstraint("user_id", "course_id", "unit_id", name=op.f("pk_unit_progress")),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 80},
    )


def _number(table: str, columns: str, order: str) -> None:
    """Move the rows over, numbered in the order in which they came, and go on counting from there."""
    op.execute(
        f"INSERT INTO {table} (id, {columns}) SELECT row_number() OVER (ORDER BY {order}), {columns} FROM earlier_{table}"
    )
    op.drop_table(f"earlier_{table}")
    if _is_postgresql():
        op.execute(f"CREATE SEQUENCE ids_of_{table}")
        op.execute(f"SELECT setval('ids_of_{table}', coalesce(max(id), 1), max(id) IS NOT NULL) FROM {table}")
    else:
        op.execute(f"INSERT INTO revisions (name, revision) SELECT 'ids of {table}', count(*) FROM {table}")


def _tally() -> None:
    def milliseconds(moment: str) -> str:
        return f"CAST(round(extract(epoch FROM {moment}) * 1000) AS bigint)" if _is_postgresql() else moment

    day = f"{milliseconds('last_activity_at')} / 86400000"
    took = f"{milliseconds('completed_at')} - {milliseconds('enrolled_at')}"
    finished = "status IN ('COMPLETED', 'CERTIFIED') AND completed_at > enrolled_at"
    sums = (
        ("'status:' || status", "count(*)", "enrollments", "TRUE"),
        ("'completed:' || status", "count(*)", "enrollments", "completed_at IS NOT NULL"),
        ("'percent'", "sum(percent)", "enrollments", "percent > 0"),
        (f"'active:' || ({day})", "count(*)", "enrollments", "last_activity_at IS NOT NULL"),
        ("'completion-ms'", f"sum({took})", "enrollments", finished),
        ("'unit:' || unit_id || '\\:rows'", "count(*)", "unit_progress", "TRUE"),
        ("'unit:' || unit_id || '\\:completed'", "count(*)", "unit_progress", "status = 'COMPLETED'"),
        ("'unit:' || unit_id || '\\:seconds'", "sum(study_ms / 1000)", "unit_progress", "study_ms >= 1000"),
    )
    for name, value, table, condition in sums:
        op.execute(
            "INSERT INTO course_tallies (course_id, name, shard, value) "
            f"SELECT course_id, {name}, 0, {value} FROM {table} WHERE {condition} GROUP BY 1, 2"
        )
    op.execute(
        "INSERT INTO course_tallies (course_id, name, shard, value) SELECT DISTINCT course_id, 'revision', 0, 1 FROM enrollments"
    )
