"""Keep PostgreSQL from looking an enrollment up by an index that lists those of a course by status."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SORTED_BY = ("percent", "enrolled_at", "completed_at")


def _make_anew(where: sa.TextClause | None) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for name in _SORTED_BY:
        op.drop_index(f"ix_enrollments_course_{name}", "enrollments")
        columns = ["course_id", "status", name, "user_id"]
        op.create_index(f"ix_enrollments_course_{name}", "enrollments", columns, postgresql_where=where)


def upgrade() -> None:
    _make_anew(sa.text("status IS NOT NULL"))


def downgrade() -> None:
    _make_anew(None)
