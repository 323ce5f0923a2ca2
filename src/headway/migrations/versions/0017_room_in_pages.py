"""More room in the pages of unit progress; those of before get it when they are rewritten."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _set_fillfactor(60)


def downgrade() -> None:
    _set_fillfactor(80)


def _set_fillfactor(percent: int) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE unit_progress SET (fillfactor = {percent})")
