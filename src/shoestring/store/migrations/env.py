"""Alembic's entry: it runs the revisions on the connection that :func:`..upgrade` hands over."""

from alembic import context

from shoestring.store.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
