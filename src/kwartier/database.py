"""The database behind the registry, the keys, the counters and, later, leases, claims and grants.

SQLite inside the home, or PostgreSQL; one schema. On SQLite a transaction that will write says so from its first statement
(``BEGIN IMMEDIATE``), so that two processes wait for each other instead of failing half-way, and every commit is on the disk
before it returns (``synchronous=FULL``): the invocation counters depend on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from kwartier.errors import InputError

BUSY_TIMEOUT_MS = 30_000
"""How long a process waits for another's transaction."""
_WRITES = "kwartier_writes"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

connections = Table(
    "connection",
    metadata,
    Column("ean", String(18), primary_key=True),
    Column("dso", String(64), nullable=False),
    Column("grid_area", String(64), nullable=False),
    Column("brp", String(64), nullable=False),
    Column("supplier", String(64), nullable=False),
    Column("transformer", String(64), nullable=False),
    Column("capacity", String(16), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("known_at", Integer, nullable=False),
)
meters = Table(
    "meter",
    metadata,
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
    Column("known_at", Integer, nullable=False),
)
layouts = Table(
    "layout",
    metadata,
    Column("meter", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("layout", Text, nullable=False),
    Column("read_at", Integer, nullable=False),
)
visits = Table(
    "visit",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("meter", String(64), nullable=False, index=True),
    Column("started", String(32), nullable=False),
    Column("ended", String(32), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("detail", Text, nullable=False),
)
meter_keys = Table(
    "meter_key",
    metadata,
    Column("meter", String(64), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("ek_fingerprint", String(64), nullable=False, index=True),
    Column("origin", String(16), nullable=False),
    Column("imported_at", Integer, nullable=False),
)
key_events = Table(
    "key_event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("meter", String(64), nullable=False, index=True),
    Column("at", Integer, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(32), nullable=False),
    Column("ek_fingerprint", String(64), nullable=False),
)
counters = Table(
    "counter",
    metadata,
    Column("ek_fingerprint", String(64), primary_key=True),
    Column("title", String(16), primary_key=True),
    Column("next", Integer, nullable=False),
)
peer_counters = Table(
    "peer_counter",
    metadata,
    Column("ek_fingerprint", String(64), primary_key=True),
    Column("title", String(16), primary_key=True),
    Column("highest", Integer, nullable=False),
)


def open_engine(url: str) -> Engine:
    """An engine for ``url``; on SQLite with the settings that this program relies on."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def sqlite_url(path: Path) -> str:
    """The address of a database file."""
    return f"sqlite:///{path}"


def _prepare_sqlite(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    # The driver's own transactions would begin too late: SQLAlchemy's "begin" event does it instead.
    setattr(connection, "isolation_level", None)  # noqa: B010 - the protocol type does not name the attribute
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads."""
    with engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: committed, and on the disk, when the block ends without an exception."""
    with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        yield connection


@contextmanager
def _alembic(connection: Connection) -> Iterator[Config]:
    with as_file(files("kwartier").joinpath("migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        yield config


def upgrade(engine: Engine) -> None:
    """Bring the schema to what this version needs; ``InputError`` newer-database when it is ahead of us already."""
    with writing(engine) as connection, _alembic(connection) as config:
        script = ScriptDirectory.from_config(config)
        present = MigrationContext.configure(connection).get_current_revision()
        if present is not None and present not in {one.revision for one in script.walk_revisions()}:
            raise InputError("newer-database", f"the database has schema {present}, which this version does not know")
        command.upgrade(config, "head")


def is_current(engine: Engine) -> bool:
    """Whether the schema is the one that this version needs."""
    try:
        with reading(engine) as connection, _alembic(connection) as config:
            head = ScriptDirectory.from_config(config).get_current_head()
            return MigrationContext.configure(connection).get_current_revision() == head
    except SQLAlchemyError:
        return False
