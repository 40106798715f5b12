"""The tables of the database: what is remembered, and what must be unique.

Times are UTC seconds, days are local calendar days. Whoever needs a table imports it from here; the rooms that own the rows
are named beside each group.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

connections = Table(
    "connection",
    metadata,
    Column("ean", String(18), primary_key=True),
    Column("dso", String(64), nullable=False),
    Column("grid_area", String(64), nullable=False),
    Column("brp", String(64), nullable=False),
    Column("supplier", String(64), nullable=False),
    Column("transformer", String(64), nullable=False),
    Column("capacity", String(16), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("known_at", BigInteger, nullable=False),
)
meters = Table(
    "meter",
    metadata,
    Column("meter", String(64), primary_key=True),
    Column("ean", String(18), ForeignKey("connection.ean"), nullable=False, index=True),
    Column("host", String(255), nullable=False),
    Column("port", Integer, nullable=False),
    Column("system_title", LargeBinary(8), nullable=False),
    Column("companion", String(64), nullable=False),
    Column("transport", String(16), nullable=False),
    Column("client", Integer, nullable=False),
    Column("logical_device", Integer, nullable=False),
    Column("physical_address", Integer),
    Column("address_bytes", Integer),
    Column("suite", Integer, nullable=False),
    Column("mechanism", Integer, nullable=False),
    Column("policy", String(32), nullable=False),
    Column("cell", String(64), nullable=False),
    Column("known_at", BigInteger, nullable=False),
)
layouts = Table(
    "layout",
    metadata,
    Column("meter", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("layout", Text, nullable=False),
    Column("read_at", BigInteger, nullable=False),
)
visits = Table(
    "visit",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("meter", String(64), nullable=False, index=True),
    Column("started", String(32), nullable=False),
    Column("ended", String(32), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
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
