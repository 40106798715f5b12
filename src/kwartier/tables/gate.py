"""What stands before readings: which are whose, who asked for them, and what persons said of it."""

from sqlalchemy import BigInteger, Column, Date, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from kwartier.tables.naming import metadata

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
"""Ids of readings whose link was ended and whose rows have to go; ``done_at``: they are gone from every file.

A row without a day of its own (``valid_to`` is ``valid_from``): rows of the id from that day on must forget what was before.
"""
statistics_blocks = Table(
    "statistics_block",
    metadata,
    Column("ean", String(18), primary_key=True),
    Column("block", String(32), nullable=False, index=True),
    Column("made_at", BigInteger, nullable=False),
)
"""Connections that are counted together in statistics, once and for ever; see ``gate/blocks.py``."""
