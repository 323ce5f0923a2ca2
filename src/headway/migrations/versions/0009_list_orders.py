"""Orders in which callers page through lists whose rows move."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "list_orders",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="of the part, from 0"),
        sa.Column(
            "keys",
            sa.Text(),
            nullable=False,
            comment="JSON list of the keys of rows in order, as many in each part but the last",
        ),
        sa.Column("size", sa.Integer(), nullable=False, comment="keys in all parts"),
        sa.Column("created_at", _TIMESTAMP, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_list_orders_user_id")),
        sa.PrimaryKeyConstraint("user_id", "id", "number", name=op.f("pk_list_orders")),
    )
    op.create_index(op.f("ix_list_orders_created_at"), "list_orders", ["created_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_list_orders_created_at"), table_name="list_orders")
    op.drop_table("list_orders")
