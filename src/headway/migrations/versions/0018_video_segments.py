"""Store the segments of videos that events report. What was played of a unit's video is in the evidence of its progress."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "JSON: [[start, end], ...] in seconds of the video"
    op.add_column("learner_activity_logs", sa.Column("video_segments", sa.Text(), comment=comment))
    op.add_column("learner_activity_logs", sa.Column("video_duration_seconds", sa.Double()))


def downgrade() -> None:
    op.drop_column("learner_activity_logs", "video_duration_seconds")
    op.drop_column("learner_activity_logs", "video_segments")
