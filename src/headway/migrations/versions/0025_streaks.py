"""Store which learners want to see streaks. Nobody does who has not said so."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "whether the learner wants to see streaks"
    op.add_column("users", sa.Column("shows_streak", sa.Boolean(), nullable=False, server_default=sa.false(), comment=comment))


def downgrade() -> None:
    op.drop_column("users", "shows_streak")
