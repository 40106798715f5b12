"""The tables of the database: what is remembered, and what must be unique.

Times are UTC seconds, days are local calendar days. Whoever needs a table imports it from here; the rooms that own the rows
are named beside each group.
"""

from datetime import date

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

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


def _dated() -> tuple[Column[date], Column[date], Column[int], Column[int]]:
    """When a fact is so - local days, the second exclusive - and when we believed it - UTC seconds, the second exclusive."""
    return (
        Column("valid_from", Date, nullable=False),
        Column("valid_to", Date, nullable=False),
        Column("known_at", BigInteger, nullable=False),
        Column("known_until", BigInteger, nullable=False),
    )


connections = Table(
    "connection",
    metadata,
    Column("ean", String(18), nullable=False),
    *_dated(),
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
modules = Table(
    "module",
    metadata,
    Column("meter", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    *_dated(),
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
reading_ids = Table(
    "reading_id",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("meter", String(64), nullable=False),
    Column("ean", String(18), nullable=False, index=True),
    Column("year", Integer, nullable=False),
    UniqueConstraint("meter", "year", "ean"),
)
"""The gate's: which readings in the store belong to which connection and meter, a calendar year at a time."""
accesses = Table(
    "access",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("recipient", Text, nullable=False, server_default=""),
    Column("verdict", String(64), nullable=False, server_default="granted"),
)
"""Every grant that was asked for: who, what for, which days, and "granted" or the rule that denied it; no connection."""
access_connections = Table(
    "access_connection",
    metadata,
    Column("access", String(32), primary_key=True),
    Column("ean", String(18), primary_key=True, index=True),
)
"""Whose readings a grant named; a row goes when the person's link is ended."""
findings = Table(
    "finding",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("reading", BigInteger, nullable=False, index=True),
    Column("day", Date, nullable=False),
    Column("code", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""What is to be remarked of stored readings: ``reading`` is their id in the store."""
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
readouts = Table(
    "readout",
    metadata,
    Column("ean", String(18), nullable=False),
    *_dated(),
    Column("mode", String(16), nullable=False),
    PrimaryKeyConstraint("ean", "known_at", "valid_from"),
    sqlite_with_rowid=False,
)
"""The fleet's: connections that may not be read from afar, or may again; see ``fleet/readout.py``. No row: it may."""
use_cases = Table(
    "use_case",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("title", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("necessity", Text, nullable=False),
    Column("subsidiarity", Text, nullable=False),
    Column("proportionality", Text, nullable=False),
    Column("assessor", Text, nullable=False),
    Column("dpia", Text, nullable=False),
    Column("channels", Text, nullable=False),
    Column("resolution", String(8), nullable=False),
    Column("area", String(64), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, nullable=False),
    Column("registered_at", BigInteger, nullable=False),
    Column("registered_by", Text, nullable=False),
    Column("ended_at", BigInteger),
)
"""The gate's: use cases under the code of conduct, with their assessment. ``area``: a grid area, or empty: all of them."""
mandates = Table(
    "mandate",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("ean", String(18), nullable=False, index=True),
    Column("holder", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, nullable=False),
    Column("registered_at", BigInteger, nullable=False),
    Column("registered_by", Text, nullable=False),
    Column("withdrawn_at", BigInteger),
)
"""Who may see the readings of a connection because its customer said so ("mandate"), or is that customer ("own")."""
holds = Table(
    "hold",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("ean", String(18), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, nullable=False),
    Column("ground", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("ended_at", BigInteger),
    Column("ended_by", Text),
)
"""What a person has said that stops uses of their readings, or their deletion, of some local days."""
persons = Table(
    "person",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("ean", String(18), nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("made_at", BigInteger, nullable=False),
)
"""The secret under which a person stands in the audit log, sealed. Without the row nobody finds them there any more."""
requests = Table(
    "subject_request",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("ean", String(18), index=True),
    Column("kind", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, nullable=False),
    Column("state", String(16), nullable=False),
    Column("decision", Text, nullable=False),
    Column("ground", Text, nullable=False),
    Column("decided_at", BigInteger),
    Column("decided_by", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    Column("detail", Text, nullable=False),
)
"""What persons asked for under AVG 15 to 21, what was decided and why, until when it has to be done. Erased: no ``ean``."""
erasures = Table(
    "erasure",
    metadata,
    Column("request", String(32), primary_key=True),
    Column("reading", BigInteger, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("valid_to", Date, nullable=False),
    Column("rows", Integer),
    Column("done_at", BigInteger),
)
"""Ids of readings whose link was ended and whose rows have to go; ``done_at``: they are gone from every file."""
statistics_blocks = Table(
    "statistics_block",
    metadata,
    Column("ean", String(18), primary_key=True),
    Column("block", String(32), nullable=False, index=True),
    Column("made_at", BigInteger, nullable=False),
)
"""Connections that are counted together in statistics, once and for ever; see ``gate/blocks.py``."""
accounts = Table(
    "account",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("salt", LargeBinary(16), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("cost", String(32), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", String(128), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("tried_at", BigInteger),
    Column("used_at", BigInteger),
)
"""Local accounts of a simulated installation: ``cost`` holds the parameters of scrypt; ``tries`` since the last that fitted."""
approvals = Table(
    "approval",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("asked_by", String(128), nullable=False),
    Column("asked_at", BigInteger, nullable=False, index=True),
    Column("approved_by", String(128)),
    Column("approved_at", BigInteger),
    Column("spent_at", BigInteger),
)
"""Operations that two people have to want: who asked, who approved, and when it was done; see ``who/pairs.py``."""
