"""A run may be over some readings of a day: what earlier runs found of these stands no longer."""

from alembic import op
from sqlalchemy import Column, Integer

revision = "0006"
down_revision = "0005"
STANDING = f"{(1 << 31) - 1}"


def upgrade() -> None:
    """Add columns; all that is there stands."""
    op.add_column("validation_run", Column("changed", Integer, nullable=False, server_default="0"))
    for table in ("validation_finding", "substitute"):
        op.add_column(table, Column("superseded", Integer, nullable=False, server_default=STANDING))
