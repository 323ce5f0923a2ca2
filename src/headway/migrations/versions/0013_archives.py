"""Archives of events, and the ids of archived events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from headway.errors import OperatorError

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMESTAMP = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "archives",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False, comment="its path when it was written"),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False, comment="of the file"),
        sa.Column("rows_sha256", sa.Text(), nullable=False, comment="of the rows as they were stored"),
        sa.Column("first_user_id", _ID, nullable=False),
        sa.Column("last_user_id", _ID, nullable=False),
        sa.Column("received_from", _TIMESTAMP, nullable=False, comment="of its first event"),
        sa.Column("received_until", _TIMESTAMP, nullable=False, comment="of its last event"),
        sa.Column("created_at", _TIMESTAMP, nullable=False),
        sa.Column("removed_at", _TIMESTAMP, comment="when the last of its events had left learner_activity_logs"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archives")),
    )
    op.create_table(
        "archived_ids",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False, comment="hash of the smallest id of the chunk"),
        sa.Column(
            "entries",
            sa.LargeBinary(),
            nullable=False,
            comment="hashes of ids and contents, 20 bytes for each event, in order",
        ),
        sa.PrimaryKeyConstraint("user_id", "first", name=op.f("pk_archived_ids")),
    )


def downgrade() -> None:
    _refuse_if_archived()
    op.drop_table("archived_ids")
    op.drop_table("archives")


def _refuse_if_archived() -> None:
    """Earlier versions would record the events of archives a second time."""
    if op.get_bind().execute(sa.text("SELECT count(*) FROM archives")).scalar():
        raise OperatorError("Events have been archived, which earlier versions of Headway do not know.")
