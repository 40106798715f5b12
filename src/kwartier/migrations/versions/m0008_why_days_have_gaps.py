"""Why readings have gaps or came late, and how complete days are by cohort; what was validated before is not counted."""

from alembic import op
from sqlalchemy import BigInteger, Column, Date, Integer, LargeBinary, PrimaryKeyConstraint, String, Text

revision = "0008"
down_revision = "0007"
STANDING = f"{(1 << 31) - 1}"


def upgrade() -> None:
    """Two tables."""
    op.create_table(
        "validation_gap",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("run", Integer, nullable=False),
        Column("reading", BigInteger, nullable=False),
        Column("day", Date, nullable=False),
        Column("lack", String(8), nullable=False),
        Column("late", String(8), nullable=False),
        Column("superseded", Integer, nullable=False, server_default=STANDING),
    )
    for column in ("run", "reading", "day"):
        op.create_index(f"ix_validation_gap_{column}", "validation_gap", [column])
    op.create_table(
        "coverage_count",
        Column("day", Date, nullable=False),
        Column("axis", String(8), nullable=False),
        Column("run", Integer, nullable=False),
        Column("cohorts", Text, nullable=False),
        Column("meters", LargeBinary, nullable=False),
        Column("totals", LargeBinary, nullable=False),
        Column("hours", LargeBinary, nullable=False),
        PrimaryKeyConstraint("day", "axis"),
    )
