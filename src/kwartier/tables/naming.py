"""What all tables have in common: how things are named, and how facts are dated."""

from datetime import date

from sqlalchemy import BigInteger, Column, Date, MetaData

FOREVER = 1 << 62
"""``known_until`` of what is still believed."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def dated() -> tuple[Column[date], Column[date], Column[int], Column[int]]:
    """When a fact is so - local days, the second exclusive - and when we believed it - UTC seconds, the second exclusive."""
    return (
        Column("valid_from", Date, nullable=False),
        Column("valid_to", Date, nullable=False),
        Column("known_at", BigInteger, nullable=False),
        Column("known_until", BigInteger, nullable=False),
    )
