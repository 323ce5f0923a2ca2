"""Keep what other systems call courses, modules and units."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_PARENTS = {"courses": [], "modules": ["course_id"], "units": ["module_id"]}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # Earlier migrations may have read tables in parts within this transaction, and such a read stays open.
        op.execute("CLOSE ALL")
    comment = {"courses": "the system that the external id is from"}
    for table, parent in _PARENTS.items():
        op.add_column(table, sa.Column("external_id", sa.Text()))
        op.add_column(table, sa.Column("source", sa.Text(), comment=comment.get(table)))
        op.create_index(f"ix_{table}_external_id", table, [*parent, "external_id"], unique=True)
    # The units of a module are found by the new index.
    op.drop_index("ix_units_module_id", table_name="units")


def downgrade() -> None:
    op.create_index("ix_units_module_id", "units", ["module_id"])
    for table in _PARENTS:
        op.drop_index(f"ix_{table}_external_id", table_name=table)
        op.drop_column(table, "source")
        op.drop_column(table, "external_id")
