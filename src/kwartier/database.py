"""The database behind the registry, the keys, the counters and, later, leases, claims and grants.

SQLite inside the home, or PostgreSQL; one schema. On SQLite a transaction that will write says so from its first statement
(``BEGIN IMMEDIATE``), so that two processes wait for each other instead of failing half-way, and every commit is on the disk
before it returns (``synchronous=FULL``, ``synchronous_commit``): the invocation counters depend on it. Times are UTC seconds.

What a driver complains about leaves this room as one of our errors, without the values that were on their way.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Connection,
    Engine,
    Table,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from kwartier.errors import InputError, Retry, StateError

BACKENDS = ("sqlite", "postgresql")
BUSY_TIMEOUT_MS = 30_000
"""How long a process waits for another's transaction."""
MAX_WAL_TRIES = 100
CONNECT_S = 5
"""How long a server is waited for that does not answer at all,"""
SILENT_S = 10
"""how long either side takes a silent line for a living one,"""
IDLE_S = 15
"""and how long a transaction may stand still. All less than a lease holds: what a host that was cut off, or whose process was
stopped, has locked is free again before others take over what it was at work on."""
_PROBES = 3
SYNCHRONOUS_FULL = 2
ROWS = 10_000
"""Rows that go to the driver at once."""
Line = tuple[object, ...]
"""The values of a row, as the driver takes them."""
MAX_SAID = 200
"""Characters of a driver's complaint that are passed on."""
_WRITES = "kwartier_writes"
_UPGRADE_LOCK = 0x6B77_6172
"""The advisory lock under which PostgreSQL lets one process at a time change the schema."""


def open_engine(url: str) -> Engine:
    """An engine for ``url``, with the settings that this program relies on. Raises ``InputError`` bad-settings."""
    if url.startswith("postgresql://"):
        url = "postgresql+psycopg://" + url.removeprefix("postgresql://")
    try:
        backend = make_url(url).get_backend_name()
        if backend not in BACKENDS:
            raise InputError("bad-settings", f"`database` is {backend}; sqlite and postgresql are supported")
        patience = {} if backend == "sqlite" else _patience(make_url(url).query)
        engine = create_engine(url, hide_parameters=True, connect_args=patience)
    except ModuleNotFoundError as error:
        raise InputError("bad-settings", f"`database` needs {error.name}, which is not installed") from None
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise InputError("bad-settings", "`database` is no address such as postgresql://host/name") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgresql)
    return engine


def sqlite_url(path: Path) -> str:
    """The address of a database file."""
    return f"sqlite:///{path}"


def _prepare_sqlite(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    # The driver's own transactions would begin too late: SQLAlchemy's "begin" event does it instead.
    setattr(connection, "isolation_level", None)  # noqa: B010 - the protocol type does not name the attribute
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    _use_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _use_wal(cursor: DBAPICursor) -> None:
    """Write-ahead logging; two processes that open a new file at once both want to switch it on."""
    for _ in range(MAX_WAL_TRIES):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            # The switch does not wait for its turn, whatever the timeout. A transaction does.
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("COMMIT")
        else:
            return
    raise sqlite3.OperationalError("database is locked")


def _patience(chosen: Mapping[str, object]) -> dict[str, int]:
    """When this side gives a server up, but for what the address itself says of that."""
    ours = {
        "connect_timeout": CONNECT_S,
        "keepalives_idle": SILENT_S // 2,
        "keepalives_interval": SILENT_S // 2 // _PROBES,
        "keepalives_count": _PROBES,
        "tcp_user_timeout": SILENT_S * 1000,
    }
    return {name: value for name, value in ours.items() if name not in chosen}


def _prepare_postgresql(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    # A server may be told to answer before a commit is on the disk; for counters that would be a promise it cannot keep.
    cursor = connection.cursor()
    cursor.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    # The same patience on the server's side, which holds what a vanished host has locked.
    theirs = {
        "idle_in_transaction_session_timeout": IDLE_S * 1000,
        "tcp_keepalives_idle": SILENT_S // 2,
        "tcp_keepalives_interval": SILENT_S // 2 // _PROBES,
        "tcp_keepalives_count": _PROBES,
        "tcp_user_timeout": SILENT_S * 1000,
    }
    for name, value in theirs.items():
        cursor.execute(f"SET {name} = {value}")
    cursor.close()
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _said(error: DBAPIError) -> str:
    """The first line of what the driver said: it names tables and constraints, and no values."""
    lines = str(error.orig).splitlines()
    return lines[0][:MAX_SAID] if lines else type(error.orig).__name__


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise InputError("no-database", f"{engine.dialect.name}: {_said(error)}", retry=Retry.LATER) from None
    try:
        with connection:
            yield connection
    except DBAPIError as error:
        if _is_away(error):
            raise StateError("database-away", f"{engine.dialect.name}: {_said(error)}", retry=Retry.LATER) from None
        raise StateError("database-failed", f"{engine.dialect.name}: {_said(error)}") from None


def _is_away(error: DBAPIError) -> bool:
    """Whether the fault lies with the server, its disk or the way to it, so that the same may succeed later."""
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    # SQLite says of a wrong statement, too, that it could not operate.
    return isinstance(error, OperationalError) and not _said(error).startswith(("no such ", "near "))


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads."""
    with _connected(engine) as connection:
        yield connection


def snapshot(engine: Engine) -> AbstractContextManager[Connection]:
    """A transaction that only reads, and sees everything as it was at one moment, however long it takes."""
    # SQLite's is one already.
    level = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    return reading(engine.execution_options(**level))


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: committed, and on the disk, when the block ends without an exception."""
    with _connected(engine) as connection:
        connection.execution_options(**{_WRITES: True})
        with connection.begin():
            yield connection


Row = Mapping[str, object]


def insert_once(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Rows of ``table``, each unless there is one with its key already; two who do it at once do not fail."""
    connection.execute(_insert(connection, table).on_conflict_do_nothing(), [dict(row) for row in rows])


def replace_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Rows of ``table``, each in the place of the one with its key, where there is one."""
    fresh = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    values = {name: fresh.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(fresh.on_conflict_do_update(index_elements=keys, set_=values), [dict(row) for row in rows])


def insert_lines(
    connection: Connection, table: Table, lines: Iterable[Line], *, columns: Sequence[str] | None = None
) -> None:
    """Insert rows as the driver takes them: days as ISO texts. A value for each of ``columns``; None: all, in their order."""
    wanted = [column.name for column in table.columns] if columns is None else list(columns)
    names = ", ".join(wanted)
    marks = ", ".join("?" * len(wanted))
    place = connection.dialect.identifier_preparer.format_table(table)
    many(connection, f"INSERT INTO {place} ({names}) VALUES ({marks})", lines)


def many(connection: Connection, statement: str, lines: Iterable[Line]) -> None:
    """A statement (with ? for each value) for some rows, to the driver as it is: SQLAlchemy does much for each of them."""
    text = statement.replace("?", "%s") if connection.dialect.name == "postgresql" else statement
    remaining = iter(lines)
    while batch := list(islice(remaining, ROWS)):
        connection.exec_driver_sql(text, batch)


@contextmanager
def without_indices(connection: Connection, table: Table) -> Iterator[None]:
    """The table has no indices but its key until the block ends, as a part of the caller's transaction."""
    for index in table.indexes:
        index.drop(connection)
    yield
    for index in table.indexes:
        index.create(connection)


def _insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


@contextmanager
def _alembic(connection: Connection) -> Iterator[Config]:
    with as_file(files("kwartier").joinpath("migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        yield config


def upgrade(engine: Engine, to: str = "head") -> None:
    """Bring the schema to what this version needs; ``InputError`` newer-database when it is ahead of us already.

    ``to``: an older schema, for who has data of it.
    """
    with writing(engine) as connection, _alembic(connection) as config:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
        script = ScriptDirectory.from_config(config)
        present = MigrationContext.configure(connection).get_current_revision()
        if present is not None and present not in {one.revision for one in script.walk_revisions()}:
            raise InputError("newer-database", f"the database has schema {present}, which this version does not know")
        command.upgrade(config, to)


def revision(engine: Engine) -> str | None:
    """The schema that the database has; None: it is empty."""
    with reading(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def is_current(engine: Engine) -> bool:
    """Whether the schema is the one that this version needs."""
    with reading(engine) as connection, _alembic(connection) as config:
        head = ScriptDirectory.from_config(config).get_current_head()
        return MigrationContext.configure(connection).get_current_revision() == head


def troubles(engine: Engine) -> list[str]:
    """What makes this database unfit to keep counters; empty: nothing."""
    found = []
    with reading(engine) as connection:
        if connection.dialect.name == "sqlite":
            damage = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if damage != "ok":
                found.append(f"the file is damaged ({str(damage)[:MAX_SAID]})")
            if connection.exec_driver_sql("PRAGMA synchronous").scalar_one() < SYNCHRONOUS_FULL:
                found.append("commits are not on the disk when they return")
        else:
            settings = ("fsync", "synchronous_commit")
            values = {name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in settings}
            found += [f"its server runs with {name} off" for name, value in values.items() if value == "off"]
    return found
