"""The first schema: the registry, keys and counters, visits."""

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, String, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table of the first version."""
    _registry()
    _visits()
    _keys()


def _registry() -> None:
    op.create_table(
        "connection",
        Column("ean", String(18), primary_key=True),
        *(Column(name, String(64), nullable=False) for name in ("dso", "grid_area", "brp", "supplier", "transformer")),
        Column("capacity", String(16), nullable=False),
        Column("timezone", String(64), nullable=False),
        Column("known_at", BigInteger, nullable=False),
    )
    op.create_table(
        "meter",
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


def _visits() -> None:
    op.create_table(
        "layout",
        Column("meter", String(64), primary_key=True),
        Column("fingerprint", String(64), nullable=False),
        Column("layout", Text, nullable=False),
        Column("read_at", BigInteger, nullable=False),
    )
    op.create_table(
        "visit",
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


def _keys() -> None:
    op.create_table(
        "vault",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("check_value", String(64), nullable=False),
    )
    op.create_table(
        "meter_key",
        Column("meter", String(64), primary_key=True),
        Column("sealed", LargeBinary, nullable=False),
        Column("ek_fingerprint", String(64), nullable=False, index=True),
        Column("origin", String(16), nullable=False),
        Column("imported_at", BigInteger, nullable=False),
    )
    op.create_table(
        "key_event",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("meter", String(64), nullable=False, index=True),
        Column("at", BigInteger, nullable=False),
        Column("actor", String(128), nullable=False),
        Column("action", String(32), nullable=False),
        Column("ek_fingerprint", String(64), nullable=False),
    )
    for table, value in (("counter", "next"), ("peer_counter", "highest")):
        op.create_table(
            table,
            Column("ek_fingerprint", String(64), primary_key=True),
            Column("title", String(16), primary_key=True),
            Column(value, BigInteger, nullable=False),
        )
