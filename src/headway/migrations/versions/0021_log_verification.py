"""Store what the last verification of the audit log found."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0018"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "audit_verification",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, comment="always 1"),
        sa.Column("claimed_at", _TIMESTAMP, comment="when the verification began that runs now"),
        sa.Column("verified_at", _TIMESTAMP),
        sa.Column("took_ms", sa.Integer()),
        sa.Column("entries", _ID),
        sa.Column("faults", sa.Integer()),
        sa.Column("first_fault", sa.Text()),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_verification_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_verification")),
    )


def downgrade() -> None:
    op.drop_table("audit_verification")
