"""API keys of service accounts."""

import sqlalchemy as sa
from alembic import op

from headway.db.types import Id, Timestamp

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", Id, sa.Identity(), nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False, comment="separated by spaces"),
        sa.Column("secret_hash", sa.Text(), nullable=False, comment="SHA-256 of 256 random bits"),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.Column("used_at", Timestamp, comment="to the minute"),
        sa.Column("revoked_at", Timestamp),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_keys_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sqlite_autoincrement=True,
    )
    is_active = sa.text("revoked_at IS NULL")
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"], postgresql_where=is_active, sqlite_where=is_active)


def downgrade() -> None:
    op.drop_table("api_keys")
