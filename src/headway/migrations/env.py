"""Alembic's entry: runs the migrations on the connection it is given."""

from alembic import context

from headway.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    # The only defaults are identities, which SQLite does not write down.
    compare_server_default=connection.dialect.name != "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
