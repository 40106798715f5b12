"""The meters of a radio cell are found without going through the whole fleet."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """An index."""
    op.create_index("ix_meter_cell", "meter", ["cell"])
