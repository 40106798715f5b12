"""Databases of an earlier schema, with rows in every table, come into this one with every row unchanged."""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Column, Connection, Engine, MetaData, Table, insert, select
from sqlalchemy.types import Boolean, Date, Integer, LargeBinary

from kwartier.database import _alembic, is_current, open_engine, reading, revision, upgrade, writing
from tests.postgres import DATABASES, database

ROWS = 7
SCOPES = [{"start": f"2026-03-0{1 + number}", "end": "2026-03-09"} for number in range(ROWS)]
FIRST = "0001"
OURS = "alembic_version"


@pytest.fixture(params=DATABASES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database of the first schema, empty."""
    engine = open_engine(database(str(request.param), tmp_path))
    with writing(engine) as connection, _alembic(connection) as config:
        command.upgrade(config, FIRST)
    yield engine
    engine.dispose()


def value(column: Column[object], number: int) -> object:
    """Something that fits in ``column``, another for each row."""
    kind = column.type
    if isinstance(kind, Boolean):
        return number % 2 == 0
    if isinstance(kind, Integer):
        return 1_000 + number
    if isinstance(kind, Date):
        return date(2026, 3, 1 + number)
    if isinstance(kind, LargeBinary):
        return bytes([number]) * 8
    if column.name == "scope":
        return json.dumps(SCOPES[number] | {"eans": [f"{number}", f"{number}", "0"]})
    # As the narrowest column allows; every other row leaves out what may be left out.
    return f"é{number}" if not column.nullable or number % 2 else None


def present(connection: Connection) -> MetaData:
    """The tables as this database has them, whatever the program has in mind."""
    found = MetaData()
    found.reflect(connection)
    return found


def rows(connection: Connection, table: Table, columns: list[str]) -> list[Mapping[str, object]]:
    query = select(*(table.c[name] for name in columns)).order_by(*table.primary_key.columns)
    return [dict(row) for row in connection.execute(query).mappings()]


def test_an_upgrade_leaves_every_row_of_every_table_as_it_was(old: Engine) -> None:
    with writing(old) as connection:
        tables = present(connection).tables
        before = {}
        for name, table in tables.items():
            if name == OURS:
                continue
            made = [{column.name: value(column, number) for column in table.columns} for number in range(ROWS)]
            connection.execute(insert(table), made)
            before[name] = rows(connection, table, [column.name for column in table.columns])
    assert revision(old) == FIRST
    assert {len(found) for found in before.values()} == {ROWS}
    assert {"due", "claim", "counter", "visit", "meter_key", "day_key", "reading_id"} <= set(before)

    upgrade(old)

    assert is_current(old)
    with reading(old) as connection:
        tables = present(connection).tables
        after = {name: rows(connection, tables[name], list(found[0])) for name, found in before.items()}
        named = connection.execute(select(tables["access_connection"])).all()
        dues = connection.execute(select(tables["due"].c.cell, tables["due"].c.kind)).all()
    # A grant keeps its days in its scope; which connections they were of stands where it can be deleted.
    for row, (scope, kept) in enumerate(zip(SCOPES, after["access"], strict=True)):
        assert kept == {**before["access"][row], "scope": json.dumps(scope)}
    assert {tuple(row) for row in named} == {(f"é{n}", ean) for n in range(ROWS) for ean in (f"{n}", "0")}
    assert after | {"access": []} == before | {"access": []}
    assert [tuple(row) for row in dues] == [("", "")] * ROWS
