"""Note until when the receiver of a webhook has asked to be left alone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column(
        "webhooks", sa.Column("paused_until", _TIMESTAMP, comment="until when the receiver has asked to be left alone")
    )


def downgrade() -> None:
    op.drop_column("webhooks", "paused_until")
