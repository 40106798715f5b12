"""Who is asking: accounts of simulated installations, and operations that two people have to want."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add two tables; what is there stays as it is."""
    op.create_table(
        "account",
        Column("name", String(64), primary_key=True),
        Column("salt", LargeBinary(16), nullable=False),
        Column("hash", LargeBinary(32), nullable=False),
        Column("cost", String(32), nullable=False),
        Column("made_at", BigInteger, nullable=False),
        Column("made_by", String(128), nullable=False),
        Column("tries", Integer, nullable=False, server_default="0"),
        Column("tried_at", BigInteger),
        Column("used_at", BigInteger),
    )
    op.create_table(
        "approval",
        Column("id", String(32), primary_key=True),
        Column("kind", String(64), nullable=False),
        Column("digest", String(64), nullable=False),
        Column("text", Text, nullable=False),
        Column("asked_by", String(128), nullable=False),
        Column("asked_at", BigInteger, nullable=False),
        Column("approved_by", String(128)),
        Column("approved_at", BigInteger),
        Column("spent_at", BigInteger),
    )
    op.create_index("ix_approval_asked_at", "approval", ["asked_at"])
