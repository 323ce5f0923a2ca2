"""Keep a log of who was shown whose record."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_KINDS = "'PROGRESS', 'RECORD', 'SUBMISSION', 'TUTORIAL', 'LEARNERS', 'EXPORT', 'LIVE', 'WEBHOOK', 'ACCOUNT', 'AUDIT_LOG'"


def upgrade() -> None:
    op.create_table(
        "disclosures",
        sa.Column("learner_id", _ID, nullable=False, comment="0 for everybody"),
        sa.Column("day", sa.Integer(), nullable=False, comment="since 1970, UTC"),
        sa.Column("reader_id", _ID, nullable=False, comment="0 for an operator at the command line"),
        sa.Column("course_id", _ID, nullable=False, comment="0 for none, or for all"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("key_id", _ID, nullable=False, comment="the API key, or the webhook; 0 for none"),
        sa.Column("role", sa.Text(), nullable=False, comment="of the reader at that time"),
        sa.Column("id", sa.Text(), nullable=False, comment="grows with the time of the first one"),
        sa.Column("first_at", _TIMESTAMP, nullable=False),
        sa.Column("last_at", _TIMESTAMP, nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_disclosures_kind")),
        sa.CheckConstraint("channel IN ('API', 'PAGE', 'KEY', 'COMMAND', 'WEBHOOK')", name=op.f("ck_disclosures_channel")),
        sa.CheckConstraint("role IN ('PARTICIPANT', 'INSTRUCTOR', 'ADMIN', 'SYSTEM')", name=op.f("ck_disclosures_role")),
        sa.CheckConstraint("times > 0", name=op.f("ck_disclosures_times")),
        sa.PrimaryKeyConstraint(
            *("learner_id", "day", "reader_id", "course_id", "kind", "channel", "key_id", "role"),
            name=op.f("pk_disclosures"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_disclosures_of_learner", "disclosures", ["learner_id", "course_id", "id"])
    op.create_index("ix_disclosures_of_reader", "disclosures", ["reader_id", "id"])
    op.create_index("ix_disclosures_day", "disclosures", ["day"])
    op.create_index("ix_disclosures_id", "disclosures", ["id"])


def downgrade() -> None:
    op.drop_table("disclosures")
