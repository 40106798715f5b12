"""The schema, step by step: one file a step in ``versions``, run by Alembic from :mod:`kwartier.database`."""
