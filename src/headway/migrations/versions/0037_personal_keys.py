"""Personal keys, erased accounts, and the receipts of erasures."""

import sqlalchemy as sa
from alembic import op

from headway.db.types import Id, Timestamp

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "users", sa.Column("erased_at", Timestamp, comment="when all was taken from the account that told of its owner")
    )
    op.create_table(
        "personal_keys",
        sa.Column("user_id", Id, nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="encrypted; empty once it is destroyed"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_personal_keys_user_id"),
        sa.PrimaryKeyConstraint("user_id", name="pk_personal_keys"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit_redactions",
        sa.Column("user_id", Id, nullable=False, autoincrement=False, comment="the person who was erased"),
        sa.Column("seq", Id, nullable=False, autoincrement=False),
        sa.Column("hash", sa.Text(), nullable=False, comment="of the entry as it was since"),
        sa.PrimaryKeyConstraint("user_id", "seq", name="pk_audit_redactions"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "erasures",
        sa.Column("id", Id, sa.Identity(), nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False, comment="JSON, as it was signed"),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("erased_at", Timestamp, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_erasures_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
        sa.UniqueConstraint("user_id", name="uq_erasures_user_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "receipt_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("private_key", sa.Text(), nullable=False, comment="encrypted"),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_receipt_keys"),
    )


def downgrade() -> None:
    op.drop_table("receipt_keys")
    op.drop_table("erasures")
    op.drop_table("audit_redactions")
    op.drop_table("personal_keys")
    op.drop_column("users", "erased_at")
