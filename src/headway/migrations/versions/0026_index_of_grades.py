"""Keep in the index of grades those that there are: PostgreSQL does not look up a learner's work by it then."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_submissions_grade", table_name="submissions")
    is_graded = sa.text("grade IS NOT NULL")
    op.create_index(
        "ix_submissions_grade",
        "submissions",
        ["assessment_id", "grade"],
        postgresql_where=is_graded,
        sqlite_where=is_graded,
    )


def downgrade() -> None:
    op.drop_index("ix_submissions_grade", table_name="submissions")
    op.create_index("ix_submissions_grade", "submissions", ["assessment_id", "grade", "user_id"])
