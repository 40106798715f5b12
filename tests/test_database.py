"""The database: durable, patient with others, and of the schema that the program has in mind."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from kwartier import database as kwartier_database
from kwartier.database import (
    insert_once,
    is_current,
    open_engine,
    reading,
    revision,
    sqlite_url,
    troubles,
    upgrade,
    writing,
)
from kwartier.errors import InputError, KwartierError, Retry, StateError
from kwartier.tables import layouts, metadata, vaults
from tests.postgres import DATABASES, database


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database(str(request.param), tmp_path)


@pytest.fixture
def empty(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(empty: Engine) -> Engine:
    upgrade(empty)
    return empty


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(sqlite_url(tmp_path / "own.db"))
    upgrade(engine)
    yield engine
    engine.dispose()


def layout(meter: str) -> dict[str, object]:
    return {"meter": meter, "digest": "f", "read_at": 2**40}


def names(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(select(layouts.c.meter).order_by(layouts.c.meter)).scalars())


def refused(url: str) -> InputError:
    with pytest.raises(InputError) as caught:
        open_engine(url)
    return caught.value


# Durable.


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("busy_timeout", kwartier_database.BUSY_TIMEOUT_MS),
    ],
)
def test_every_sqlite_connection_has_the_settings_that_counters_rely_on(
    pragma: str, value: object, sqlite: Engine
) -> None:
    with sqlite.connect() as first, sqlite.connect() as second:
        for connection in (first, second):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value


def test_a_postgresql_server_that_answers_too_early_is_told_to_wait_for_the_disk(tmp_path: Path) -> None:
    """The server of the tests has synchronous_commit off in its settings."""
    engine = open_engine(database("postgresql", tmp_path))
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
    assert troubles(engine) == ["its server runs with fsync off"]
    engine.dispose()


def test_a_sound_sqlite_file_has_no_troubles_and_a_careless_connection_has(sqlite: Engine) -> None:
    assert troubles(sqlite) == []
    with sqlite.connect() as connection:
        connection.rollback()
        connection.connection.cursor().execute("PRAGMA synchronous=NORMAL")
    assert troubles(sqlite) == ["commits are not on the disk when they return"]


def test_what_was_committed_is_in_the_files_although_nobody_closed_them(sqlite: Engine, tmp_path: Path) -> None:
    """A copy of the files as a power cut would leave them."""
    with writing(sqlite) as connection:
        connection.execute(insert(layouts), [layout("A")])
    copy = tmp_path / "copy"
    copy.mkdir()
    for suffix in ("", "-wal"):
        (copy / f"own.db{suffix}").write_bytes((tmp_path / f"own.db{suffix}").read_bytes())
    after = open_engine(sqlite_url(copy / "own.db"))
    assert names(after) == ["A"]
    after.dispose()


def test_a_block_that_fails_leaves_nothing_behind(engine: Engine) -> None:
    def write_half() -> None:
        with writing(engine) as connection:
            connection.execute(insert(layouts), [layout("A")])
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        write_half()
    assert names(engine) == []


# Patient.


def test_a_writer_holds_the_file_from_its_first_statement(sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that read first and write later would both believe what they read; the second does not even begin."""
    monkeypatch.setattr(kwartier_database, "BUSY_TIMEOUT_MS", 1)
    second = open_engine(str(sqlite.url))
    with writing(sqlite) as connection:
        connection.execute(select(layouts)).all()
        with pytest.raises(StateError) as caught, writing(second):
            raise AssertionError("the second writer began")
        assert names(second) == [], "a reader need not wait"
    assert caught.value.code == "database-away"
    assert caught.value.retry is Retry.LATER
    assert "locked" in caught.value.detail
    second.dispose()


WRITER = """
import sys
from sqlalchemy import insert, select
from kwartier.database import open_engine, writing
from kwartier.tables import layouts
engine = open_engine(sys.argv[1])
for number in range(int(sys.argv[3])):
    with writing(engine) as connection:
        seen = len(connection.execute(select(layouts.c.meter)).all())
        connection.execute(insert(layouts).values(meter=f"{seen:06d}", digest=sys.argv[2], read_at=0))
"""


def test_two_processes_that_read_and_then_write_wait_for_each_other(tmp_path: Path) -> None:
    """Each numbers its rows by how many it sees: a transaction that began too late would take a number twice."""
    url, each = sqlite_url(tmp_path / "shared.db"), 40
    engine = open_engine(url)
    upgrade(engine)
    running = [subprocess.Popen([sys.executable, "-c", WRITER, url, who, str(each)]) for who in "ab"]
    assert [process.wait(120) for process in running] == [0, 0]
    assert names(engine) == [f"{number:06d}" for number in range(2 * each)]
    engine.dispose()


def test_a_row_that_is_there_already_is_left_as_it_is(engine: Engine) -> None:
    with writing(engine) as connection:
        insert_once(connection, vaults, [{"id": 1, "check_value": "first"}])
        insert_once(connection, vaults, [{"id": 1, "check_value": "second"}])
    with reading(engine) as connection:
        assert connection.execute(select(vaults.c.check_value)).scalars().all() == ["first"]


# The schema.


def test_upgrading_an_empty_database_gives_exactly_the_tables_in_mind(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_an_empty_database_has_no_revision_and_an_upgraded_one_the_newest(empty: Engine) -> None:
    assert revision(empty) is None
    assert not is_current(empty)
    upgrade(empty)
    assert revision(empty) == "0009"
    assert is_current(empty)
    upgrade(empty)
    assert is_current(empty)


def test_a_database_of_a_newer_version_is_refused_and_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not is_current(engine)
    with pytest.raises(InputError) as caught:
        upgrade(engine)
    assert caught.value.code == "newer-database"
    assert "9999" in caught.value.detail
    assert revision(engine) == "9999"


def test_several_that_upgrade_at_once_end_with_one_schema(url: str) -> None:
    engines = [open_engine(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, engines))
    assert is_current(engines[0])
    for engine in engines:
        engine.dispose()


def test_an_upgrade_that_fails_leaves_an_empty_database(empty: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("half-way")

    with monkeypatch.context() as patched:
        from kwartier.migrations.versions import m0001_first

        assert m0001_first.revision == "0001"
        patched.setattr("alembic.operations.Operations.create_table", _third_fails())
        with pytest.raises(RuntimeError, match="half-way"):
            upgrade(empty)
    assert revision(empty) is None
    upgrade(empty)
    assert is_current(empty)


def _third_fails() -> object:
    from alembic.operations import Operations

    original, calls = Operations.create_table, []

    def create(self: Operations, *arguments: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("half-way")
        return original(self, *arguments, **named)  # type: ignore[arg-type] # passed on as it came

    return create


# What is said when it does not work.


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("no address", "no address"),
        ("", "no address"),
        ("nosuch://host/x", "is nosuch; sqlite and postgresql are supported"),
        ("postgresql+nosuch://host/x", "no address"),
        ("mysql://host/x", "is mysql; sqlite and postgresql are supported"),
        ("postgresql://user:SECRET@host:port/x", "no address"),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(address: str, said: str) -> None:
    error = refused(address)
    assert error.code == "bad-settings"
    assert said in error.detail
    assert "SECRET" not in error.sentence()


def test_a_server_that_is_not_there_is_an_error_of_ours_without_its_password(tmp_path: Path) -> None:
    database("postgresql", tmp_path)  # skips where there is no driver
    engine = open_engine(f"postgresql://user:SECRET@/x?host={tmp_path}")
    with pytest.raises(InputError) as caught, reading(engine):
        raise AssertionError("there is no server")
    assert caught.value.code == "no-database"
    assert "SECRET" not in caught.value.sentence()
    engine.dispose()


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    path.write_bytes(b"this is a letter, and a long one" * 100)
    engine = open_engine(sqlite_url(path))
    for attempt in (upgrade, is_current, revision):
        with pytest.raises(InputError) as caught:
            attempt(engine)
        assert caught.value.code == "no-database"
    engine.dispose()


def test_a_complaint_of_the_driver_carries_no_value(engine: Engine) -> None:
    secret = "5EC4E75EC4E7"
    with writing(engine) as connection:
        connection.execute(insert(layouts), [layout(secret)])
    with pytest.raises(KwartierError) as caught, writing(engine) as connection:
        connection.execute(insert(layouts), [layout(secret)])
    assert caught.value.code == "database-failed"
    assert secret not in caught.value.sentence()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    with pytest.raises(IntegrityError) as original, engine.begin() as connection:
        connection.execute(insert(layouts), [layout(secret)])
    assert "[SQL parameters hidden" in str(original.value)
