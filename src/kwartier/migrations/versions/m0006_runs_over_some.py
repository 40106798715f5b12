"""A run may be over some readings of a day, and what was found superseded; settlements have the bounds they were held to."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer

revision = "0006"
down_revision = "0005"
STANDING = f"{(1 << 31) - 1}"
SHARE_BP, FLOOR_WH = "1000", "20000"
"""The bounds that held before there was a setting."""


def upgrade() -> None:
    """Add columns; all that is there stands."""
    op.add_column("validation_run", Column("changed", Integer, nullable=False, server_default="0"))
    for table in ("validation_finding", "substitute"):
        op.add_column(table, Column("superseded", Integer, nullable=False, server_default=STANDING))
    op.add_column("settlement", Column("residual_share_bp", Integer, nullable=False, server_default=SHARE_BP))
    op.add_column("settlement", Column("residual_floor_wh", BigInteger, nullable=False, server_default=FLOOR_WH))
