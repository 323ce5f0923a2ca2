"""Keep residues of forgotten events by the reset before them: that after them is not known yet when they are forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rename("until", "since", "the last reset of the unit before them; 1970 if there was none")
    # No later residue has a time before 1970, so what is there stays by itself: it may be of before and after a reset to come.
    _mirror("CASE WHEN since = {zero} THEN {zero} - {millisecond} ELSE {zero} - (since - {zero}) END")


def downgrade() -> None:
    _mirror("CASE WHEN since < {zero} THEN {zero} + ({zero} - since) ELSE since END")
    _rename("since", "until", "the reset of the unit that followed; 1970 if none had yet")


def _rename(before: str, after: str, comment: str) -> None:
    op.execute(f"ALTER TABLE event_residues RENAME COLUMN {before} TO {after}")
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.execute(f"COMMENT ON COLUMN event_residues.{after} IS '{comment}'")
        # PostgreSQL 18 has named constraints for NOT NULL.
        named = f"event_residues_{before}_not_null"
        if connection.scalar(sa.text("SELECT 1 FROM pg_constraint WHERE conname = :named"), {"named": named}):
            op.execute(f"ALTER TABLE event_residues RENAME CONSTRAINT {named} TO event_residues_{after}_not_null")


def _mirror(since: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        zero, millisecond = "timestamptz '1970-01-01 00:00:00Z'", "interval '1 millisecond'"
    else:
        zero, millisecond = "0", "1"
    op.execute(f"UPDATE event_residues SET since = {since.format(zero=zero, millisecond=millisecond)}")
