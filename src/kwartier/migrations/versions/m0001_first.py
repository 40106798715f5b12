"""The first schema: the registry, keys and counters, visits."""

from datetime import date

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    text,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table of the first version."""
    _registry()
    _visits()
    _nights()
    _claims()
    _keys()


def _dated() -> tuple[Column[date], Column[date], Column[int], Column[int]]:
    return (
        Column("valid_from", Date, nullable=False),
        Column("valid_to", Date, nullable=False),
        Column("known_at", BigInteger, nullable=False),
        Column("known_until", BigInteger, nullable=False),
    )


def _registry() -> None:
    op.create_table(
        "connection",
        Column("ean", String(18), nullable=False),
        *_dated(),
        *(Column(name, String(64), nullable=False) for name in ("dso", "grid_area", "brp", "supplier", "transformer")),
        Column("capacity", String(16), nullable=False),
        Column("timezone", String(64), nullable=False),
        PrimaryKeyConstraint("ean", "known_at", "valid_from"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "meter",
        Column("meter", String(64), nullable=False),
        *_dated(),
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
        Column("cell", String(64), nullable=False),
        PrimaryKeyConstraint("meter", "known_at", "valid_from"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "module",
        Column("meter", String(64), nullable=False),
        Column("kind", String(64), nullable=False),
        *_dated(),
        *(Column(name, String(64), nullable=False) for name in ("type", "supplier", "serial", "hardware", "firmware")),
        PrimaryKeyConstraint("meter", "kind", "known_at", "valid_from"),
        sqlite_with_rowid=False,
    )
    registers = ("closing_import_wh", "closing_export_wh", "opening_import_wh", "opening_export_wh")
    op.create_table(
        "exchange",
        Column("old_meter", String(64), primary_key=True),
        Column("moment", BigInteger, primary_key=True),
        Column("new_meter", String(64), nullable=False),
        Column("ean", String(18), nullable=False, index=True),
        Column("day", Date, nullable=False),
        *(Column(name, BigInteger, nullable=False) for name in registers),
        Column("known_at", BigInteger, nullable=False),
    )


def _visits() -> None:
    op.create_table(
        "layout",
        Column("meter", String(64), primary_key=True),
        Column("digest", String(64), nullable=False),
        Column("read_at", BigInteger, nullable=False),
    )
    op.create_table(
        "layout_text",
        Column("digest", String(64), primary_key=True),
        Column("layout", Text, nullable=False),
    )
    op.create_table(
        "drift",
        Column("meter", String(64), primary_key=True),
        Column("drift_s", Integer, nullable=False),
        Column("at", BigInteger, nullable=False),
    )
    op.create_table(
        "visit",
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


def _nights() -> None:
    op.create_table(
        "night",
        Column("day", Date, primary_key=True),
        Column("planned_at", BigInteger, nullable=False),
        Column("purpose", String(64), nullable=False),
        Column("actor", String(128), nullable=False),
    )
    op.create_table(
        "due",
        Column("day", Date, primary_key=True),
        Column("meter", String(64), primary_key=True),
        Column("ean", String(18), nullable=False),
        Column("dso", String(64), nullable=False),
        Column("timezone", String(64), nullable=False),
        Column("state", String(8), nullable=False),
        Column("earliest", BigInteger, nullable=False),
        Column("next_at", BigInteger, nullable=False),
        Column("deadline", BigInteger, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("lease", String(32)),
        Column("batch", String(64)),
        Column("code", String(64)),
        Column("quarters", Integer, nullable=False),
        Column("present", Integer, nullable=False),
        Column("settled_at", BigInteger),
    )
    op.create_table(
        "lease",
        Column("id", String(32), primary_key=True),
        Column("day", Date, nullable=False),
        Column("holder", String(128), nullable=False),
        Column("taken_at", BigInteger, nullable=False),
        Column("expires_at", BigInteger, nullable=False),
    )
    op.create_index("ix_due_queue", "due", ["day", "state", "next_at"])
    unread = text("state != 'stored'")
    op.create_index("ix_due_open", "due", ["meter", "day"], sqlite_where=unread, postgresql_where=unread)


def _claims() -> None:
    op.create_table(
        "claim",
        Column("ean", String(18), primary_key=True),
        Column("date", Date, primary_key=True),
        Column("meter", String(64), primary_key=True),
        Column("visit", String(32), nullable=False),
        Column("state", String(10), nullable=False),
        Column("reads", Integer, nullable=False),
        Column("opened_at", BigInteger, nullable=False),
        Column("fulfilled_at", BigInteger),
    )
    op.create_table(
        "reading_id",
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("meter", String(64), nullable=False),
        Column("ean", String(18), nullable=False, index=True),
        Column("year", Integer, nullable=False),
        UniqueConstraint("meter", "year", "ean"),
    )
    op.create_table(
        "access",
        Column("id", String(32), primary_key=True),
        Column("at", BigInteger, nullable=False, index=True),
        Column("actor", Text, nullable=False),
        Column("purpose", String(64), nullable=False),
        Column("reason", Text, nullable=False),
        Column("scope", Text, nullable=False),
    )
    op.create_table(
        "finding",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("reading", BigInteger, nullable=False, index=True),
        Column("day", Date, nullable=False),
        Column("code", String(64), nullable=False),
        Column("reason", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
    )
    op.create_table(
        "claim_event",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("at", BigInteger, nullable=False),
        Column("ean", String(18), nullable=False),
        Column("date", Date, nullable=False, index=True),
        Column("meter", String(64), nullable=False),
        Column("visit", String(32), nullable=False),
        Column("kind", String(10), nullable=False),
        Column("cause", String(64), nullable=False),
    )


def _keys() -> None:
    op.create_table(
        "day_key",
        Column("day", Date, primary_key=True),
        Column("sealed", LargeBinary, nullable=False),
        Column("made_at", BigInteger, nullable=False),
    )
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
