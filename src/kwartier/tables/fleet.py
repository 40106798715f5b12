"""What is known of connections, meters and modules, and how visits to them went."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from kwartier.tables.naming import dated, metadata

connections = Table(
    "connection",
    metadata,
    Column("ean", String(18), nullable=False),
    *dated(),
    Column("dso", String(64), nullable=False),
    Column("grid_area", String(64), nullable=False),
    Column("brp", String(64), nullable=False),
    Column("supplier", String(64), nullable=False),
    Column("transformer", String(64), nullable=False),
    Column("capacity", String(16), nullable=False),
    Column("timezone", String(64), nullable=False),
    PrimaryKeyConstraint("ean", "known_at", "valid_from"),
    sqlite_with_rowid=False,
)
"""Versions of connections, meters and modules; see ``fleet/periods.py``. SQLite keeps them in the order of their keys."""
meters = Table(
    "meter",
    metadata,
    Column("meter", String(64), nullable=False),
    *dated(),
    Column("ean", String(18), nullable=False, index=True),
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
    Column("cell", String(64), nullable=False, index=True),
    PrimaryKeyConstraint("meter", "known_at", "valid_from"),
    sqlite_with_rowid=False,
)
modules = Table(
    "module",
    metadata,
    Column("meter", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    *dated(),
    Column("type", String(64), nullable=False),
    Column("supplier", String(64), nullable=False),
    Column("serial", String(64), nullable=False),
    Column("hardware", String(64), nullable=False),
    Column("firmware", String(64), nullable=False),
    PrimaryKeyConstraint("meter", "kind", "known_at", "valid_from"),
    sqlite_with_rowid=False,
)
exchanges = Table(
    "exchange",
    metadata,
    Column("old_meter", String(64), primary_key=True),
    Column("moment", BigInteger, primary_key=True),
    Column("new_meter", String(64), nullable=False),
    Column("ean", String(18), nullable=False, index=True),
    Column("day", Date, nullable=False),
    Column("closing_import_wh", BigInteger, nullable=False),
    Column("closing_export_wh", BigInteger, nullable=False),
    Column("opening_import_wh", BigInteger, nullable=False),
    Column("opening_export_wh", BigInteger, nullable=False),
    Column("known_at", BigInteger, nullable=False),
)
"""One meter in the place of another: when, and the last registers of the old one and the first of the new one."""
layouts = Table(
    "layout",
    metadata,
    Column("meter", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("read_at", BigInteger, nullable=False),
)
"""What each meter's quarter profile holds: a fleet has few kinds, so the text stands once."""
layout_texts = Table(
    "layout_text",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("layout", Text, nullable=False),
)
drifts = Table(
    "drift",
    metadata,
    Column("meter", String(64), primary_key=True),
    Column("drift_s", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""How far each meter's clock was ahead of ours when it was last asked."""
paces = Table(
    "pace",
    metadata,
    Column("meter", String(64), primary_key=True),
    Column("visit_ms", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""How long a visit to each meter has usually taken, in milliseconds."""
visits = Table(
    "visit",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("meter", String(64), nullable=False, index=True),
    Column("ean", String(18), nullable=False),
    Column("date", Date, nullable=False, index=True),
    Column("started", BigInteger, nullable=False),
    Column("ended", BigInteger, nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("asked", Boolean, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
"""How each visit went. ``date``: the local day of the visit; ``asked``: whether personal data were asked for; times in us."""
readouts = Table(
    "readout",
    metadata,
    Column("ean", String(18), nullable=False),
    *dated(),
    Column("mode", String(16), nullable=False),
    PrimaryKeyConstraint("ean", "known_at", "valid_from"),
    sqlite_with_rowid=False,
)
"""The fleet's: connections that may not be read from afar, or may again; see ``fleet/readout.py``. No row: it may."""
