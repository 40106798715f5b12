"""Nights: what is due, who is busy with it, what was read of whom on which day, and what somebody has to know."""

from sqlalchemy import BigInteger, Column, Date, Index, Integer, String, Table, Text

from kwartier.tables.naming import metadata

nights = Table(
    "night",
    metadata,
    Column("day", Date, primary_key=True),
    Column("planned_at", BigInteger, nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("actor", String(128), nullable=False),
)
dues = Table(
    "due",
    metadata,
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
    Column("cell", String(64), nullable=False, server_default=""),
    Column("kind", String(130), nullable=False, server_default=""),
)
"""Which meters have to be read for a local day, and how far that got; see ``collect/due.py``.

``cell`` is the radio cell that a meter is reached through, ``kind`` the supplier and firmware of what answers there."""
Index("ix_due_queue", dues.c.day, dues.c.state, dues.c.next_at)
Index(
    "ix_due_open",
    dues.c.meter,
    dues.c.day,
    sqlite_where=dues.c.state != "stored",
    postgresql_where=dues.c.state != "stored",
)
leases = Table(
    "lease",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("day", Date, nullable=False),
    Column("holder", String(128), nullable=False),
    Column("taken_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
"""Who is busy with a batch of due meters, until when."""
claims = Table(
    "claim",
    metadata,
    Column("ean", String(18), primary_key=True),
    Column("date", Date, primary_key=True),
    Column("meter", String(64), primary_key=True),
    Column("visit", String(32), nullable=False),
    Column("state", String(10), nullable=False),
    Column("reads", Integer, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("fulfilled_at", BigInteger),
)
"""The one read of personal data that a connection may have on a local day of visit; see ``collect/claims.py``."""
restores = Table(
    "restore",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("backup_at", BigInteger, nullable=False),
    Column("closed_through", Date, nullable=False),
)
"""When this database came out of a backup. Up to ``closed_through``, a local day of visit, nobody knows what was read."""
alerts = Table(
    "alert",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("code", String(64), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("text", Text, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("posted", Integer, nullable=False, server_default="0"),
)
"""What somebody has to know: ``subject`` is the day, cell or kind of meter that it is about; open until ``ended_at``.

``seen_at``: when it was found last; ``posted``: how many of its notices, that it opened and that it ended, were delivered."""
Index(
    "ix_alert_open",
    alerts.c.code,
    alerts.c.subject,
    unique=True,
    sqlite_where=alerts.c.ended_at.is_(None),
    postgresql_where=alerts.c.ended_at.is_(None),
)
claim_events = Table(
    "claim_event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("ean", String(18), nullable=False),
    Column("date", Date, nullable=False, index=True),
    Column("meter", String(64), nullable=False),
    Column("visit", String(32), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("cause", String(64), nullable=False),
)
"""Repeats of a read and refusals of one, each with its cause."""
traces = Table(
    "trace",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("meter", String(64), nullable=False, index=True),
    Column("ean", String(18), index=True),
    Column("requested_at", BigInteger, nullable=False),
    Column("requested_by", String(128), nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("visit", String(32)),
    Column("started", BigInteger),
    Column("outcome", String(64), nullable=False, server_default=""),
    Column("valid_from", Date),
    Column("valid_to", Date),
    Column("events", Integer, nullable=False, server_default="0"),
    Column("size", Integer, nullable=False, server_default="0"),
    Column("cut", Integer, nullable=False, server_default="0"),
    Column("expires_at", BigInteger),
)
"""Meters whose next visit is traced, and the traces; see ``collect/traces.py``. No ``visit``: it is waited for, ``until`` then.

``valid_from`` and ``valid_to`` are the local days that the visit asked for, of which the trace may hold readings."""
