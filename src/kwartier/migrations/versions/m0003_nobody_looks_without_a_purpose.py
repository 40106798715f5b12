"""Grants without the names of connections in them, and what the gate needs to know of persons."""

import json

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)

revision = "0003"
down_revision = "0002"
BATCH = 10_000


def upgrade() -> None:
    """Add tables; take connections out of the scopes of grants, into a table from which they can be deleted."""
    op.add_column("access", Column("recipient", Text, nullable=False, server_default=""))
    op.add_column("access", Column("verdict", String(64), nullable=False, server_default="granted"))
    op.create_table(
        "access_connection",
        Column("access", String(32), primary_key=True),
        Column("ean", String(18), primary_key=True),
    )
    op.create_index("ix_access_connection_ean", "access_connection", ["ean"])
    _part_scopes()
    _readouts()
    _permissions()
    _rights()
    op.create_table(
        "statistics_block",
        Column("ean", String(18), primary_key=True),
        Column("block", String(32), nullable=False),
        Column("made_at", BigInteger, nullable=False),
    )
    op.create_index("ix_statistics_block_block", "statistics_block", ["block"])


def _part_scopes() -> None:
    accesses = Table("access", MetaData(), Column("id", String(32), primary_key=True), Column("scope", Text))
    named = Table("access_connection", MetaData(), Column("access", String(32)), Column("ean", String(18)))
    connection = op.get_bind()
    last = ""
    while rows := connection.execute(
        select(accesses.c.id, accesses.c.scope).where(accesses.c.id > last).order_by(accesses.c.id).limit(BATCH)
    ).all():
        last = rows[-1][0]
        changed, connections = [], []
        for name, text in rows:
            scope = json.loads(text)
            connections += [{"access": name, "ean": ean} for ean in dict.fromkeys(scope.pop("eans", ()))]
            changed.append({"of": name, "now": json.dumps(scope)})
        connection.execute(
            update(accesses).where(accesses.c.id == bindparam("of")).values(scope=bindparam("now")), changed
        )
        if connections:
            connection.execute(insert(named), connections)


def _readouts() -> None:
    op.create_table(
        "readout",
        Column("ean", String(18), nullable=False),
        Column("valid_from", Date, nullable=False),
        Column("valid_to", Date, nullable=False),
        Column("known_at", BigInteger, nullable=False),
        Column("known_until", BigInteger, nullable=False),
        Column("mode", String(16), nullable=False),
        PrimaryKeyConstraint("ean", "known_at", "valid_from"),
        sqlite_with_rowid=False,
    )


def _permissions() -> None:
    op.create_table(
        "use_case",
        Column("id", String(64), primary_key=True),
        *(
            Column(name, Text, nullable=False)
            for name in (
                "title",
                "problem",
                "necessity",
                "subsidiarity",
                "proportionality",
                "assessor",
                "dpia",
                "channels",
            )
        ),
        Column("resolution", String(8), nullable=False),
        Column("area", String(64), nullable=False),
        Column("valid_from", Date, nullable=False),
        Column("valid_to", Date, nullable=False),
        Column("registered_at", BigInteger, nullable=False),
        Column("registered_by", Text, nullable=False),
        Column("ended_at", BigInteger),
    )
    op.create_table(
        "mandate",
        Column("id", String(32), primary_key=True),
        Column("ean", String(18), nullable=False),
        Column("holder", Text, nullable=False),
        Column("kind", String(16), nullable=False),
        Column("valid_from", Date, nullable=False),
        Column("valid_to", Date, nullable=False),
        Column("registered_at", BigInteger, nullable=False),
        Column("registered_by", Text, nullable=False),
        Column("withdrawn_at", BigInteger),
    )
    op.create_index("ix_mandate_ean", "mandate", ["ean"])


def _rights() -> None:
    op.create_table(
        "hold",
        Column("id", String(32), primary_key=True),
        Column("ean", String(18), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("valid_from", Date, nullable=False),
        Column("valid_to", Date, nullable=False),
        Column("ground", Text, nullable=False),
        Column("made_at", BigInteger, nullable=False),
        Column("made_by", Text, nullable=False),
        Column("ended_at", BigInteger),
        Column("ended_by", Text),
    )
    op.create_index("ix_hold_ean", "hold", ["ean"])
    op.create_table(
        "person",
        Column("id", String(32), primary_key=True),
        Column("ean", String(18), nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        Column("made_at", BigInteger, nullable=False),
    )
    op.create_index("ix_person_ean", "person", ["ean"])
    op.create_table(
        "subject_request",
        Column("id", String(32), primary_key=True),
        Column("ean", String(18)),
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
    op.create_index("ix_subject_request_ean", "subject_request", ["ean"])
    op.create_table(
        "erasure",
        Column("request", String(32), primary_key=True),
        Column("reading", BigInteger, primary_key=True),
        Column("valid_from", Date, primary_key=True),
        Column("valid_to", Date, nullable=False),
        Column("rows", Integer),
        Column("done_at", BigInteger),
    )
