"""Store when the access of single learners ends, and invitations of addresses without an account."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    until = "when the access of this learner ends, in place of the course's days of access"
    op.add_column("enrollments", sa.Column("access_until", _TIMESTAMP, comment=until))
    has_end = sa.text("access_until IS NOT NULL")
    op.create_index(
        "ix_enrollments_access_until",
        "enrollments",
        ["status", "access_until"],
        postgresql_where=has_end,
        sqlite_where=has_end,
    )
    will_end = "when the access of this learner will end, if staff said so"
    op.add_column("waiting_list", sa.Column("access_until", _TIMESTAMP, comment=will_end))
    op.create_table(
        "invitations",
        sa.Column("id", _ID, sa.Identity(), nullable=False),
        sa.Column("course_id", _ID, nullable=False),
        sa.Column("email", sa.Text(), nullable=False, comment="encrypted"),
        sa.Column("email_hash", sa.Text(), nullable=False, comment="of the normalized address, under the key `email`"),
        sa.Column("access_until", _TIMESTAMP, comment="when the access of the learner will end"),
        sa.Column("invited_by", _ID, comment="the account; null for an operator at the command line"),
        sa.Column("invited_at", _TIMESTAMP, nullable=False),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_invitations_course_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("email_hash", "course_id", name=op.f("uq_invitations_email_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_invitations_course_id", "invitations", ["course_id", "id"])
    op.create_index(op.f("ix_invitations_invited_at"), "invitations", ["invited_at"])


def downgrade() -> None:
    op.drop_table("invitations")
    op.drop_column("waiting_list", "access_until")
    op.drop_index("ix_enrollments_access_until", table_name="enrollments")
    op.drop_column("enrollments", "access_until")
