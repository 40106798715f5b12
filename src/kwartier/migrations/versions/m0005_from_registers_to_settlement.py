"""From registers to settlement: what the market says, runs of the checks, settlements as they were published, messages."""

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
)

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add what settlement needs; what is there stays as it is."""
    _market()
    _validation()
    _substitutes()
    _settlements()
    _frozen()
    _messages()


def _market() -> None:
    """What the market says."""
    op.create_table(
        "market_revision",
        Column("revision", Integer, primary_key=True, autoincrement=True),
        Column("kind", String(16), nullable=False),
        Column("known_at", BigInteger, nullable=False),
        Column("actor", Text, nullable=False),
        Column("rows", Integer, nullable=False),
        Column("digest", String(64), nullable=False),
    )
    op.create_table(
        "supply",
        Column("ean", String(18), nullable=False),
        Column("valid_from", Date, nullable=False),
        Column("valid_to", Date, nullable=False),
        Column("revision", Integer, nullable=False),
        Column("superseded", Integer, nullable=False),
        Column("brp", String(64), nullable=False),
        Column("supplier", String(64), nullable=False),
        Column("grid_area", String(64), nullable=False),
        Column("method", String(16), nullable=False),
        Column("profile", String(16), nullable=False),
        Column("year_import_wh", BigInteger, nullable=False),
        Column("year_export_wh", BigInteger, nullable=False),
        PrimaryKeyConstraint("ean", "revision", "valid_from"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_supply_grid_area", "supply", ["grid_area"])
    op.create_table(
        "area_energy",
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
    op.create_table(
        "fraction",
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


def _validation() -> None:
    """Runs over a day, and what they found."""
    op.create_table(
        "validation_run",
        Column("run", Integer, primary_key=True, autoincrement=True),
        Column("day", Date, nullable=False),
        Column("started_at", BigInteger, nullable=False),
        Column("finished_at", BigInteger),
        Column("actor", Text, nullable=False),
        Column("code", String(32), nullable=False),
        Column("rules", String(32), nullable=False),
        Column("raw_version", Integer, nullable=False),
        Column("validated_version", Integer),
        Column("market_revision", Integer, nullable=False),
        Column("rows", Integer, nullable=False),
        Column("findings", Integer, nullable=False),
        Column("substitutes", Integer, nullable=False),
    )
    op.create_index("ix_validation_run_day", "validation_run", ["day"])
    op.create_table(
        "validation_check",
        Column("run", Integer, primary_key=True, autoincrement=False),
        Column("code", String(32), primary_key=True),
        Column("evaluated", Integer, nullable=False),
        Column("not_evaluated", Integer, nullable=False),
        Column("failed", Integer, nullable=False),
        Column("warned", Integer, nullable=False),
        Column("reason", Text, nullable=False),
    )
    op.create_table(
        "validation_finding",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("run", Integer, nullable=False),
        Column("reading", BigInteger, nullable=False),
        Column("day", Date, nullable=False),
        Column("code", String(32), nullable=False),
        Column("severity", String(8), nullable=False),
        Column("channel", String(16), nullable=False),
        Column("first", Integer, nullable=False),
        Column("last", Integer, nullable=False),
    )
    op.create_index("ix_validation_finding_run", "validation_finding", ["run"])
    op.create_index("ix_validation_finding_reading", "validation_finding", ["reading"])
    op.create_index("ix_validation_finding_day", "validation_finding", ["day"])


def _substitutes() -> None:
    """What was put in the place of what is missing."""
    op.create_table(
        "substitute",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("run", Integer, nullable=False),
        Column("reading", BigInteger, nullable=False),
        Column("day", Date, nullable=False),
        Column("channel", String(16), nullable=False),
        Column("first", Integer, nullable=False),
        Column("last", Integer, nullable=False),
        Column("rule", String(64), nullable=False),
        Column("method", String(4), nullable=False),
        Column("quality", String(16), nullable=False),
        Column("inputs", Text, nullable=False),
    )
    op.create_index("ix_substitute_run", "substitute", ["run"])
    op.create_index("ix_substitute_reading", "substitute", ["reading"])
    op.create_index("ix_substitute_day", "substitute", ["day"])


def _settlements() -> None:
    """Versions of settlements."""
    op.create_table(
        "settlement",
        Column("day", Date, nullable=False),
        Column("version", Integer, nullable=False),
        Column("name", String(16), nullable=False),
        Column("made_at", BigInteger, nullable=False),
        Column("published_at", BigInteger),
        Column("state", String(16), nullable=False),
        Column("actor", Text, nullable=False),
        Column("code", String(32), nullable=False),
        Column("rules", String(32), nullable=False),
        Column("validation_run", Integer, nullable=False),
        Column("raw_version", Integer, nullable=False),
        Column("validated_version", Integer, nullable=False),
        Column("market_revision", Integer, nullable=False),
        Column("residual_share_bp", Integer, nullable=False),
        Column("residual_floor_wh", BigInteger, nullable=False),
        Column("digest", String(64), nullable=False),
        PrimaryKeyConstraint("day", "version"),
    )
    op.create_table(
        "settlement_area",
        Column("day", Date, nullable=False),
        Column("version", Integer, nullable=False),
        Column("grid_area", String(64), nullable=False),
        Column("state", String(16), nullable=False),
        Column("code", String(64), nullable=False),
        Column("reason", Text, nullable=False),
        Column("connections", Integer, nullable=False),
        Column("unread", Integer, nullable=False),
        PrimaryKeyConstraint("day", "version", "grid_area"),
    )


def _frozen() -> None:
    """What was published, and what was said of it."""
    op.create_table(
        "settlement_sum",
        Column("day", Date, nullable=False),
        Column("version", Integer, nullable=False),
        Column("grid_area", String(64), nullable=False),
        Column("part", String(16), nullable=False),
        Column("brp", String(64), nullable=False),
        Column("supplier", String(64), nullable=False),
        Column("method", String(16), nullable=False),
        Column("direction", String(8), nullable=False),
        Column("connections", Integer, nullable=False),
        Column("energy_wh", LargeBinary, nullable=False),
        Column("calculated_wh", LargeBinary, nullable=False),
        Column("estimated_wh", LargeBinary, nullable=False),
        PrimaryKeyConstraint("day", "version", "grid_area", "part", "brp", "supplier", "method", "direction"),
    )
    op.create_table(
        "settlement_check",
        Column("day", Date, nullable=False),
        Column("version", Integer, nullable=False),
        Column("grid_area", String(64), nullable=False),
        Column("code", String(32), nullable=False),
        Column("passed", Boolean, nullable=False),
        Column("detail", Text, nullable=False),
        PrimaryKeyConstraint("day", "version", "grid_area", "code"),
    )


def _messages() -> None:
    """What was sent."""
    op.create_table(
        "message",
        Column("id", String(36), primary_key=True),
        Column("kind", String(16), nullable=False),
        Column("day", Date, nullable=False),
        Column("version", Integer, nullable=False),
        Column("subject", String(128), nullable=False),
        Column("recipient", String(64), nullable=False),
        Column("file", String(255), nullable=False),
        Column("digest", String(64), nullable=False),
        Column("made_at", BigInteger, nullable=False),
        Column("sent_at", BigInteger),
        Column("answered_at", BigInteger),
        Column("state", String(16), nullable=False),
        Column("answer", Text, nullable=False),
        UniqueConstraint("kind", "day", "version", "subject", "recipient"),
    )
    op.create_index("ix_message_day", "message", ["day"])
    op.create_index("ix_message_state", "message", ["state"])
