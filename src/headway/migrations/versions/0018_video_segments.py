"""Store the segments of videos that events report. What was played of a unit's video is in the evidence of its progress."""

import sqlalchemy as sa
from alembic import op

from headway.errors import OperatorError

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "JSON: [[start, end], ...] in seconds of the video"
    op.add_column("learner_activity_logs", sa.Column("video_segments", sa.Text(), comment=comment))
    op.add_column("learner_activity_logs", sa.Column("video_duration_seconds", sa.Double()))


def downgrade() -> None:
    _refuse_if_played()
    op.drop_column("learner_activity_logs", "video_duration_seconds")
    op.drop_column("learner_activity_logs", "video_segments")


def _refuse_if_played() -> None:
    """Earlier versions would forget what learners have played, and find percents that nothing explains."""
    events = "SELECT 1 FROM learner_activity_logs WHERE video_segments IS NOT NULL OR video_duration_seconds IS NOT NULL"
    archived = """SELECT 1 FROM unit_progress WHERE metadata LIKE '%"video":%'"""
    if op.get_bind().execute(sa.text(f"SELECT 1 WHERE EXISTS ({events}) OR EXISTS ({archived})")).first():
        raise OperatorError("Segments of videos have been reported, which earlier versions of Headway do not know.")
