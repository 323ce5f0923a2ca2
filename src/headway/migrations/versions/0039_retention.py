"""Keep what events leave that retention has forgotten, and what its last run did."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "event_residues",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("course_id", _ID, nullable=False),
        sa.Column("unit_id", _ID, nullable=False, comment="0 for the course alone"),
        sa.Column("until", _TIMESTAMP, nullable=False, comment="the reset of the unit that followed; 1970 if none had yet"),
        sa.Column("metadata", sa.Text(), nullable=False, comment="JSON of the evidence of all of them that counted"),
        sa.Column("is_begun", sa.Boolean(), nullable=False, comment="whether one of them counted"),
        sa.Column("last_at", _TIMESTAMP, nullable=False, comment="of the last of them"),
        sa.PrimaryKeyConstraint("user_id", "course_id", "unit_id", "until", name=op.f("pk_event_residues")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "forgotten_events",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Text(), nullable=False, comment="the sum of their entries in archived_ids, in decimal digits"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_forgotten_events")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "retention_runs",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, comment="always 1"),
        sa.Column("claimed_by", sa.Text(), comment="the run that goes on now"),
        sa.Column("claimed_until", _TIMESTAMP, comment="when another one may begin; it is put off while it goes on"),
        sa.Column("finished_at", _TIMESTAMP),
        sa.Column("removed", sa.Text(), comment="JSON: how much of what the last run removed"),
        sa.CheckConstraint("id = 1", name=op.f("ck_retention_runs_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_runs")),
    )
    op.add_column(
        "archives",
        sa.Column(
            "forgotten", sa.BigInteger(), nullable=False, server_default="0", comment="how many of its first rows are forgotten"
        ),
    )


def downgrade() -> None:
    op.drop_column("archives", "forgotten")
    op.drop_table("retention_runs")
    op.drop_table("forgotten_events")
    op.drop_table("event_residues")
