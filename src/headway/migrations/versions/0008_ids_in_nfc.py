"""Bring ids that clients chose into Unicode Normalization Form C, in which they are looked up."""

from unicodedata import normalize

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_KEYS = {
    "users": ["external_id"],
    "tutorial_progress": ["user_id", "tutorial_id"],
    "chapter_progress": ["user_id", "tutorial_id", "chapter_id"],
    "quiz_scores": ["user_id", "tutorial_id", "quiz_id"],
    "tutorials": ["tutorial_id"],
}
"""Unique columns, of which all but the user's id are texts of clients."""


def upgrade() -> None:
    """Change each id, unless the id in NFC is taken: then the row keeps what it has."""
    connection = op.get_bind()
    for name, keys in _KEYS.items():
        table = sa.table(name, *map(sa.column, keys))
        is_ascii = [_bytes(table.c[key]) == sa.func.length(table.c[key]) for key in keys if key != "user_id"]
        for row in connection.execute(sa.select(table).where(sa.not_(sa.and_(*is_ascii)))).all():
            old = row._asdict()
            new = {key: normalize("NFC", value) if isinstance(value, str) else value for key, value in old.items()}
            is_taken = sa.select(sa.literal(1)).select_from(table).filter_by(**new)
            if new != old and connection.execute(is_taken).first() is None:
                connection.execute(sa.update(table).filter_by(**old).values(**new))


def downgrade() -> None:
    """Keep the ids: they are as good for older versions."""


def _bytes(column: sa.ColumnClause[str]) -> sa.ColumnElement[int]:
    if op.get_bind().dialect.name == "sqlite":
        return sa.func.length(sa.cast(column, sa.LargeBinary))
    return sa.func.octet_length(column)
