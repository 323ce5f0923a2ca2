"""Bands of percents, in place of percents in an index, how many enrollments are in each, and enrolling without a foreign key."""

from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_BAND = sa.Computed("CASE WHEN percent = 0 THEN 0 ELSE 1 + percent / 2000 END", persisted=True)
_WHERE = sa.text("status IS NOT NULL")


def _columns(sorted_by: str) -> list[str]:
    return ["course_id", "status", sorted_by, "user_id"]


def _alter_enrollments() -> AbstractContextManager[BatchOperations]:
    """SQLite makes the table anew."""
    return op.batch_alter_table("enrollments", table_kwargs={"sqlite_with_rowid": False})


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    with _alter_enrollments() as table:
        table.add_column(sa.Column("percent_band", sa.Integer(), _BAND))
        table.drop_constraint("fk_enrollments_course_id", type_="foreignkey")
        if is_postgresql:
            table.drop_index("ix_enrollments_course_percent")
            table.create_index("ix_enrollments_course_percent_band", _columns("percent_band"), postgresql_where=_WHERE)
    op.execute(
        "INSERT INTO course_statistics (course_id, name, shard, value) "
        "SELECT course_id, 'band:' || status || ':' || percent_band, 0, count(*) FROM enrollments "
        "GROUP BY course_id, status, percent_band"
    )


def downgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    op.execute("DELETE FROM course_statistics WHERE name LIKE 'band:%'")
    with _alter_enrollments() as table:
        if is_postgresql:
            table.drop_index("ix_enrollments_course_percent_band")
            table.create_index("ix_enrollments_course_percent", _columns("percent"), postgresql_where=_WHERE)
        table.drop_column("percent_band")
        table.create_foreign_key("fk_enrollments_course_id", "courses", ["course_id"], ["id"])
