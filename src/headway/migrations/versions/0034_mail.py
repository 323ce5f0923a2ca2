"""Mails to people, and the links in them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("id", _ID, sa.Identity(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False, comment="of the Message-ID: the same in all attempts"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", _ID, comment="the account of the receiver, if there is one"),
        sa.Column("recipient", sa.Text(), comment="encrypted; deleted once it is sent"),
        sa.Column("letter", sa.Text(), comment="encrypted JSON; deleted once it is sent or given up"),
        sa.Column("at", _TIMESTAMP, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("next_at", _TIMESTAMP, comment="of the next attempt; the end of the claim while one is made"),
        sa.Column("until_at", _TIMESTAMP, nullable=False, comment="after this it is not sent any more"),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), comment="encrypted: what the mail server said last"),
        sa.Column("ended_at", _TIMESTAMP),
        sa.CheckConstraint("status IN ('pending', 'sent', 'failed')", name=op.f("ck_mails_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sqlite_autoincrement=True,
    )
    for name, columns, status in (("due", ["next_at", "id"], "pending"), ("failed", ["id"], "failed")):
        condition = sa.text(f"status = '{status}'")
        op.create_index(f"ix_mails_{name}", "mails", columns, postgresql_where=condition, sqlite_where=condition)
    op.create_index("ix_mails_user_id", "mails", ["user_id"])
    op.create_index("ix_mails_at", "mails", ["at"])
    op.create_table(
        "account_links",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column(
            "secret_hash",
            sa.Text(),
            nullable=False,
            comment="HMAC of what it is bound to, under its 256 random bits",
        ),
        sa.Column("email", sa.Text(), comment="encrypted: the address that the link confirms"),
        sa.Column("created_at", _TIMESTAMP, nullable=False),
        sa.Column("expires_at", _TIMESTAMP, nullable=False),
        sa.CheckConstraint("purpose IN ('password', 'address')", name=op.f("ck_account_links_purpose")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_account_links_user_id")),
        sa.PrimaryKeyConstraint("user_id", "purpose", name=op.f("pk_account_links")),
    )
    op.create_index("ix_account_links_expires_at", "account_links", ["expires_at"])


def downgrade() -> None:
    op.drop_table("account_links")
    op.drop_table("mails")
