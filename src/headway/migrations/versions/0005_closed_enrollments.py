"""Store when the access of an enrollment ended, so that work of before can be told from work of after."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("enrollments", sa.Column("closed_at", TIMESTAMP, comment="when access ended; null while there is access"))
    # Nothing but a regrade changed a closed enrollment since.
    op.execute("UPDATE enrollments SET closed_at = updated_at WHERE status IN ('DROPPED', 'EXPIRED')")


def downgrade() -> None:
    op.drop_column("enrollments", "closed_at")
