"""Who asks, and what two people have wanted."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, Text

from kwartier.tables.naming import metadata

accounts = Table(
    "account",
    metadata,
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
"""Local accounts of a simulated installation: ``cost`` holds the parameters of scrypt; ``tries`` since the last that fitted."""
approvals = Table(
    "approval",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("asked_by", String(128), nullable=False),
    Column("asked_at", BigInteger, nullable=False, index=True),
    Column("approved_by", String(128)),
    Column("approved_at", BigInteger),
    Column("spent_at", BigInteger),
)
"""Operations that two people have to want: who asked, who approved, and when it was done; see ``who/pairs.py``."""
