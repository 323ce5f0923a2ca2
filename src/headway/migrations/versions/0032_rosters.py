"""Note who is in a course because a roster says so: who is missing in the next one leaves."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "roster_places",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("course_id", _ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("since", _TIMESTAMP, nullable=False),
        sa.CheckConstraint("part IN ('learner', 'teacher')", name=op.f("ck_roster_places_part")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_roster_places_user_id")),
        sa.PrimaryKeyConstraint("user_id", "course_id", "source", "part", name=op.f("pk_roster_places")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_roster_places_source", "roster_places", ["source", "course_id", "user_id"])


def downgrade() -> None:
    op.drop_table("roster_places")
