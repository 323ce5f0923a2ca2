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
    _store_offsets()


def _store_offsets() -> None:
    """Store what was added to the times of each event, which is how far it lies from where its client placed it.

    An event that was shifted to the time of its receipt does not tell; it had been corrected by all of the difference.
    """
    claimed = "claimed_ms * INTERVAL '1 millisecond'" if _is_postgresql() else "claimed_ms"
    added = _apart("occurred_at", f"COALESCE(end_time, start_time + {claimed}, sent_at)")
    op.execute(
        f"UPDATE learner_activity_logs SET clock_offset_ms = {added} WHERE sent_at IS NOT NULL AND NOT is_shifted AND {added} <> 0"
    )
    op.execute(
        f"UPDATE learner_activity_logs SET clock_offset_ms = {_apart('received_at', 'sent_at')}"
        " WHERE sent_at <> received_at AND is_shifted AND occurred_at = received_at"
    )


def _apart(later: str, earlier: str) -> str:
    """Return the SQL for the milliseconds between two times."""
    difference = f"{later} - {earlier}"
    return f"CAST(EXTRACT(EPOCH FROM {difference}) * 1000 AS bigint)" if _is_postgresql() else f"({difference})"


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def downgrade() -> None:
    op.drop_column("learner_activity_logs", "clock_offset_ms")
    op.drop_table("client_clocks")
