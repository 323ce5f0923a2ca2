"""Store with each enrollment what its required units come to, so that an event does not add them up."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_REQUIRED = """
    SELECT {what} FROM unit_progress
    JOIN units ON units.id = unit_progress.unit_id AND units.is_required AND units.retired_at IS NULL
    WHERE unit_progress.user_id = enrollments.user_id AND unit_progress.course_id = enrollments.course_id
"""
_PERCENTS = "coalesce(sum(CASE WHEN unit_progress.status = 'COMPLETED' THEN 10000 ELSE unit_progress.percent END), 0)"
_COMPLETED = "coalesce(sum(CASE WHEN unit_progress.status = 'COMPLETED' THEN 1 ELSE 0 END), 0)"


def upgrade() -> None:
    comment = "of the required units, added up, in hundredths"
    op.add_column(
        "enrollments", sa.Column("required_percents", sa.BigInteger, nullable=False, server_default="0", comment=comment)
    )
    comment = "how many required units are complete"
    op.add_column(
        "enrollments", sa.Column("required_completed", sa.Integer, nullable=False, server_default="0", comment=comment)
    )
    percents_of, completed_of = (_REQUIRED.format(what=what) for what in (_PERCENTS, _COMPLETED))
    op.execute(f"UPDATE enrollments SET required_percents = ({percents_of}), required_completed = ({completed_of})")


def downgrade() -> None:
    op.drop_column("enrollments", "required_completed")
    op.drop_column("enrollments", "required_percents")
