"""What Alembic runs: the steps, on the connection that :mod:`kwartier.database` hands over."""

from alembic import context

from kwartier.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
