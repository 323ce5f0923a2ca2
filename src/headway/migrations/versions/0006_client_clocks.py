"""Remember the offsets of clients' clocks, and store with each event what was added to its times."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "client_clocks",
        sa.Column("user_id", ID, primary_key=True),
        sa.Column("session_id", sa.Text(), primary_key=True, comment="empty for reports without a session"),
        sa.Column("offset_ms", sa.BigInteger(), nullable=False, comment="added to the client's times"),
        sa.Column("learned_at", TIMESTAMP, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_client_clocks_learned_at", "client_clocks", ["learned_at"])
    op.add_column(
        "learner_activity_logs",
        sa.Column("clock_offset_ms", sa.BigInteger(), comment="added to the client's times; null for nothing"),
    )
    # Until now every event whose client said when it was sent was corrected by all of the difference.
    apart = "received_at - sent_at"
    if op.get_bind().dialect.name == "postgresql":
        apart = "CAST(EXTRACT(EPOCH FROM received_at - sent_at) * 1000 AS bigint)"
    op.execute(f"UPDATE learner_activity_logs SET clock_offset_ms = {apart} WHERE sent_at <> received_at")


def downgrade() -> None:
    op.drop_column("learner_activity_logs", "clock_offset_ms")
    op.drop_table("client_clocks")
