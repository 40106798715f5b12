"""Who answers for which connection, and what flowed into each grid area: as each import said it, none of it ever overwritten.

Every import is a revision. A row holds from its own revision up to the one that said otherwise; so what was believed at any
revision can be asked again.
"""

from sqlalchemy import BigInteger, Column, Date, Integer, PrimaryKeyConstraint, String, Table, Text

from kwartier.tables.naming import metadata

STANDING = (1 << 31) - 1
"""``superseded`` of what no later revision has replaced."""

market_revisions = Table(
    "market_revision",
    metadata,
    Column("revision", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("known_at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
)
"""Imports in their order: ``kind`` is market, infeed, losses or fractions; ``digest``: SHA-256 of the file, as hex."""
supplies = Table(
    "supply",
    metadata,
    Column("ean", String(18), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("superseded", Integer, nullable=False),
    Column("brp", String(64), nullable=False),
    Column("supplier", String(64), nullable=False),
    Column("grid_area", String(64), nullable=False, index=True),
    Column("method", String(16), nullable=False),
    Column("profile", String(16), nullable=False),
    Column("year_import_wh", BigInteger, nullable=False),
    Column("year_export_wh", BigInteger, nullable=False),
    PrimaryKeyConstraint("ean", "revision", "valid_from"),
    sqlite_with_rowid=False,
)
"""Rows of ``market.csv``: who is responsible for a connection, and how it is settled."""
area_energies = Table(
    "area_energy",
    metadata,
    Column("kind", String(8), nullable=False),
    Column("grid_area", String(64), nullable=False),
    Column("quarter", BigInteger, nullable=False),
    Column("direction", String(8), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("superseded", Integer, nullable=False),
    Column("energy_wh", BigInteger, nullable=False),
    PrimaryKeyConstraint("kind", "grid_area", "quarter", "direction", "revision"),
    sqlite_with_rowid=False,
)
"""Rows of ``infeed.csv`` and ``losses.csv``; ``quarter``: the end of the quarter hour, in UTC seconds."""
fractions = Table(
    "fraction",
    metadata,
    Column("grid_area", String(64), nullable=False),
    Column("profile", String(16), nullable=False),
    Column("quarter", BigInteger, nullable=False),
    Column("direction", String(8), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("superseded", Integer, nullable=False),
    Column("fraction_e12", BigInteger, nullable=False),
    Column("quality", String(8), nullable=False),
    PrimaryKeyConstraint("grid_area", "profile", "quarter", "direction", "revision"),
    sqlite_with_rowid=False,
)
"""Rows of ``fractions.csv``: the part of a year's volume that falls in a quarter hour, in millionths of millionths."""
