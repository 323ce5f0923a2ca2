"""Note when accounts were used last, and find accounts in the order of that and of their names."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("users", sa.Column("seen_at", _TIMESTAMP, comment="when the account was used last, to the hour"))
    # The best that is known of learners: their last event, or that somebody reported one for them.
    op.execute(
        "UPDATE users SET seen_at = (SELECT max(last_activity_at) FROM enrollments WHERE enrollments.user_id = users.id)"
    )
    op.create_index("ix_users_name", "users", ["folded_name", "id"])
    op.create_index("ix_users_seen", "users", ["seen_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_users_seen", table_name="users")
    op.drop_index("ix_users_name", table_name="users")
    op.drop_column("users", "seen_at")
