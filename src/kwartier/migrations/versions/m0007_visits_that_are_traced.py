"""Visits that are traced: who asked for which meter, why, and what came of it. The bytes are in a file."""

from alembic import op
from sqlalchemy import BigInteger, Column, Date, Integer, String, Text

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add a table; what is there stays as it is."""
    op.create_table(
        "trace",
        Column("id", String(32), primary_key=True),
        Column("meter", String(64), nullable=False),
        Column("ean", String(18)),
        Column("requested_at", BigInteger, nullable=False),
        Column("requested_by", String(128), nullable=False),
        Column("reason", Text, nullable=False),
        Column("until", BigInteger, nullable=False),
        Column("visit", String(32)),
        Column("started", BigInteger),
        Column("outcome", String(64), nullable=False, server_default=""),
        Column("valid_from", Date),
        Column("valid_to", Date),
        Column("events", Integer, nullable=False, server_default="0"),
        Column("size", Integer, nullable=False, server_default="0"),
        Column("cut", Integer, nullable=False, server_default="0"),
        Column("expires_at", BigInteger),
    )
    op.create_index("ix_trace_meter", "trace", ["meter"])
    op.create_index("ix_trace_ean", "trace", ["ean"])
