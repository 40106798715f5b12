"""What a night needs to know of cells and kinds of meters, alerts, and the mark of a restored database."""

from alembic import op
from sqlalchemy import BigInteger, Column, Date, Integer, String, Text, text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns and tables; what is there stays as it is."""
    op.add_column("due", Column("cell", String(64), nullable=False, server_default=""))
    op.add_column("due", Column("kind", String(130), nullable=False, server_default=""))
    op.create_table(
        "pace",
        Column("meter", String(64), primary_key=True),
        Column("visit_ms", Integer, nullable=False),
        Column("at", BigInteger, nullable=False),
    )
    op.create_table(
        "restore",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("at", BigInteger, nullable=False),
        Column("backup_at", BigInteger, nullable=False),
        Column("closed_through", Date, nullable=False),
    )
    op.create_table(
        "alert",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("at", BigInteger, nullable=False),
        Column("code", String(64), nullable=False),
        Column("subject", String(128), nullable=False),
        Column("text", Text, nullable=False),
        Column("seen_at", BigInteger, nullable=False),
        Column("ended_at", BigInteger),
        Column("posted", Integer, nullable=False, server_default="0"),
    )
    op.create_index("ix_alert_at", "alert", ["at"])
    is_open = text("ended_at IS NULL")
    op.create_index(
        "ix_alert_open", "alert", ["code", "subject"], unique=True, sqlite_where=is_open, postgresql_where=is_open
    )
