"""Count the completions of each unit that were only declared: no rule was met."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "INSERT INTO course_statistics (course_id, name, shard, value)"
        " SELECT course_id, 'unit:' || unit_id || '\\:declared', 0, COUNT(*) FROM unit_progress"
        " WHERE status = 'COMPLETED' AND met_rule IS NULL GROUP BY course_id, unit_id"
    )


def downgrade() -> None:
    op.execute("DELETE FROM course_statistics WHERE name LIKE 'unit\\:%\\:declared'")
