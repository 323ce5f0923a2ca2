"""Links of invitations, and registrations that wait for a proof of their address."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column(
        "invitations",
        sa.Column("link_hash", sa.Text(), comment="HMAC of the address, under the 256 random bits of the mailed link"),
    )
    op.add_column("invitations", sa.Column("mailed_at", _TIMESTAMP, comment="when the last mail was stored"))
    op.create_table(
        "registrations",
        sa.Column("id", _ID, sa.Identity(), nullable=False),
        sa.Column("email_hash", sa.Text(), nullable=False, comment="of the normalized address, under the key `email`"),
        sa.Column("content", sa.Text(), nullable=False, comment="encrypted JSON: the account to create"),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("link_hash", sa.Text(), comment="HMAC of the address, under the 256 random bits of the newest link"),
        sa.Column("created_at", _TIMESTAMP, nullable=False),
        sa.Column("expires_at", _TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registrations")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_registrations_email_hash", "registrations", ["email_hash", "id"])
    op.create_index("ix_registrations_expires_at", "registrations", ["expires_at"])


def downgrade() -> None:
    op.drop_table("registrations")
    op.drop_column("invitations", "mailed_at")
    op.drop_column("invitations", "link_hash")
