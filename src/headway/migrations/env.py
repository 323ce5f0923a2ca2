"""Alembic's entry: runs the migrations on the connection it is given."""

from alembic import context

from headway.db.types import ONLY_ON
from headway.schema import metadata

connection = context.config.attributes["connection"]
dialect = connection.dialect.name
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=dialect == "sqlite",
    include_object=lambda item, _name, _kind, _is_reflected, _other: item.info.get(ONLY_ON, dialect) == dialect,
    # The only defaults are identities, which SQLite does not write down.
    compare_server_default=dialect != "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
