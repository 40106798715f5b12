"""Keys and counters, sealed or as fingerprints."""

from sqlalchemy import BigInteger, Column, Date, Integer, LargeBinary, String, Table

from kwartier.tables.naming import metadata

day_keys = Table(
    "day_key",
    metadata,
    Column("day", Date, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("made_at", BigInteger, nullable=False),
)
"""The key of the readings of a local day, sealed; without it they are unreadable for good."""
vaults = Table(
    "vault",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("check_value", String(64), nullable=False),
)
"""One row: which master key the sealed records and the fingerprints of this database belong to."""
meter_keys = Table(
    "meter_key",
    metadata,
    Column("meter", String(64), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("ek_fingerprint", String(64), nullable=False, index=True),
    Column("origin", String(16), nullable=False),
    Column("imported_at", BigInteger, nullable=False),
)
key_events = Table(
    "key_event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("meter", String(64), nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(32), nullable=False),
    Column("ek_fingerprint", String(64), nullable=False),
)
counters = Table(
    "counter",
    metadata,
    Column("ek_fingerprint", String(64), primary_key=True),
    Column("title", String(16), primary_key=True),
    Column("next", BigInteger, nullable=False),
)
peer_counters = Table(
    "peer_counter",
    metadata,
    Column("ek_fingerprint", String(64), primary_key=True),
    Column("title", String(16), primary_key=True),
    Column("highest", BigInteger, nullable=False),
)
