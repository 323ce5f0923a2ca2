"""Seats of courses without a capacity are counted in the statistics."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_HOLDS_SEAT = "status IN ('ENROLLED', 'IN_PROGRESS', 'COMPLETED', 'CERTIFIED')"


def upgrade() -> None:
    op.execute(
        "INSERT INTO course_statistics (course_id, name, shard, value) "
        f"SELECT course_id, 'seats', 0, count(*) FROM enrollments WHERE {_HOLDS_SEAT} GROUP BY course_id"
    )
    op.execute("UPDATE courses SET seats_taken = 0 WHERE capacity IS NULL")


def downgrade() -> None:
    holders = f"SELECT count(*) FROM enrollments WHERE course_id = courses.id AND {_HOLDS_SEAT}"
    op.execute(f"UPDATE courses SET seats_taken = ({holders}) WHERE capacity IS NULL")
    op.execute("DELETE FROM course_statistics WHERE name = 'seats'")
