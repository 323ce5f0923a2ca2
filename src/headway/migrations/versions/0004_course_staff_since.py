"""When members of the staff of courses were given their roles."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("course_staff", sa.Column("since", _TIMESTAMP, comment="when the role was given"))
    op.execute("UPDATE course_staff SET since = (SELECT created_at FROM courses WHERE id = course_staff.course_id)")


def downgrade() -> None:
    op.drop_column("course_staff", "since")
