"""The changes of accounts by number, and an index by which the ended sessions of one account are found."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "account_changes",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_account_changes")),
    )
    op.drop_index(op.f("ix_sessions_ended_at"), table_name="sessions")
    has_ended = sa.text("ended_at IS NOT NULL")
    columns = ["user_id", "ended_at"]
    op.create_index(op.f("ix_sessions_user_id"), "sessions", columns, postgresql_where=has_ended, sqlite_where=has_ended)
    op.execute("DELETE FROM revisions WHERE name IN ('sessions', 'staff')")


def downgrade() -> None:
    op.drop_index(op.f("ix_sessions_user_id"), table_name="sessions")
    op.create_index(op.f("ix_sessions_ended_at"), "sessions", ["ended_at"])
    op.drop_table("account_changes")
