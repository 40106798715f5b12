"""What was made of readings: runs of the checks, what they found, settlements as they were published, and messages about them.

No reading stands here: what was put in the place of one lies in the store, under the key of its day. Sums over groups do.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from kwartier.tables.market import STANDING
from kwartier.tables.naming import metadata

validation_runs = Table(
    "validation_run",
    metadata,
    Column("run", Integer, primary_key=True, autoincrement=True),
    Column("day", Date, nullable=False, index=True),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("actor", Text, nullable=False),
    Column("code", String(32), nullable=False),
    Column("rules", String(32), nullable=False),
    Column("raw_version", Integer, nullable=False),
    Column("validated_version", Integer),
    Column("market_revision", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("changed", Integer, nullable=False, server_default="0"),
    Column("findings", Integer, nullable=False),
    Column("substitutes", Integer, nullable=False),
)
"""Runs over a local day. ``code``: the version of this program; ``rules``: the rule set; without ``finished_at`` it is void.

``rows``: how many readings the day has as of the run; ``changed``: how many of them it was over.
"""
validation_checks = Table(
    "validation_check",
    metadata,
    Column("run", Integer, primary_key=True, autoincrement=False),
    Column("code", String(32), primary_key=True),
    Column("evaluated", Integer, nullable=False),
    Column("not_evaluated", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("warned", Integer, nullable=False),
    Column("reason", Text, nullable=False),
)
"""Of each rule of a run: on how many rows it could say something, on how many not and why, and what it said."""
validation_findings = Table(
    "validation_finding",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run", Integer, nullable=False, index=True),
    Column("reading", BigInteger, nullable=False, index=True),
    Column("day", Date, nullable=False, index=True),
    Column("code", String(32), nullable=False),
    Column("severity", String(8), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("first", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    Column("superseded", Integer, nullable=False, server_default=f"{STANDING}"),
)
"""What a rule says of some quarters of a reading: ``first`` and ``last`` count from 0; no channel: of the row as a whole.

``superseded``: the run that looked at the reading again, here and of substitutes.
"""
substitutes = Table(
    "substitute",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run", Integer, nullable=False, index=True),
    Column("reading", BigInteger, nullable=False, index=True),
    Column("day", Date, nullable=False, index=True),
    Column("channel", String(16), nullable=False),
    Column("first", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    Column("rule", String(64), nullable=False),
    Column("method", String(4), nullable=False),
    Column("quality", String(16), nullable=False),
    Column("inputs", Text, nullable=False),
    Column("superseded", Integer, nullable=False, server_default=f"{STANDING}"),
)
"""Quarters whose volume was made by a method: why, how and from what. The volumes themselves are in the validated table."""
validation_gaps = Table(
    "validation_gap",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run", Integer, nullable=False, index=True),
    Column("reading", BigInteger, nullable=False, index=True),
    Column("day", Date, nullable=False, index=True),
    Column("lack", String(8), nullable=False),
    Column("late", String(8), nullable=False),
    Column("superseded", Integer, nullable=False, server_default=f"{STANDING}"),
)
"""Readings that were not measured as a whole and in time: why quarters lack, and why it came late; empty: they do not."""
coverage_counts = Table(
    "coverage_count",
    metadata,
    Column("day", Date, nullable=False),
    Column("axis", String(8), nullable=False),
    Column("run", Integer, nullable=False),
    Column("cohorts", Text, nullable=False),
    Column("meters", LargeBinary, nullable=False),
    Column("totals", LargeBinary, nullable=False),
    Column("hours", LargeBinary, nullable=False),
    PrimaryKeyConstraint("day", "axis"),
)
"""Quarters of a day by cohort, as of its last run; see ``service/validating/covered.py``.

``cohorts``: their names (JSON); ``meters``: how many each has; ``totals``: by cohort and code; ``hours``: by hour besides.
"""
settlements = Table(
    "settlement",
    metadata,
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
    Column("residual_share_bp", Integer, nullable=False, server_default="1000"),
    Column("residual_floor_wh", BigInteger, nullable=False, server_default="20000"),
    Column("digest", String(64), nullable=False),
    PrimaryKeyConstraint("day", "version"),
)
"""Versions of the settlement of a local day, with what each was made from; ``state``: published or held."""
settlement_areas = Table(
    "settlement_area",
    metadata,
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
"""How each grid area stands in a version: settled, held or stopped, and why."""
settlement_sums = Table(
    "settlement_sum",
    metadata,
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
"""The frozen aggregates: int64 little-endian, one a quarter. Calculated and estimated volumes are a part of ``energy_wh``."""
settlement_checks = Table(
    "settlement_check",
    metadata,
    Column("day", Date, nullable=False),
    Column("version", Integer, nullable=False),
    Column("grid_area", String(64), nullable=False),
    Column("code", String(32), nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    PrimaryKeyConstraint("day", "version", "grid_area", "code"),
)
"""What the second path said of each area."""
messages = Table(
    "message",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("day", Date, nullable=False, index=True),
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
"""Market messages: what each says of which version to whom, and what was answered. One subject has one id for ever."""
Index("ix_message_state", messages.c.state)
