"""Tables written by one database and read by another: every kind of column, more rows than one piece, numbers that go on."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Boolean, Column, Date, Integer, LargeBinary, MetaData, String, Table, insert, select

from kwartier import tablefile
from kwartier.database import open_engine, reading, writing
from tests import postgres

METADATA = MetaData()
KINDS = Table(
    "of_every_kind",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("large", BigInteger, nullable=False),
    Column("is_so", Boolean, nullable=False),
    Column("day", Date),
    Column("octets", LargeBinary),
    Column("name", String(40)),
)
BIGGEST = (1 << 63) - 1


def rows(count: int) -> list[dict[str, object]]:
    return [
        {
            "large": BIGGEST - number,
            "is_so": number % 2 == 0,
            "day": date(2026, 3, 1 + number % 28) if number % 3 else None,
            "octets": bytes(range(number % 256)) if number % 5 else None,
            "name": f"zoë {number}" if number % 7 else None,
        }
        for number in range(count)
    ]


@pytest.mark.parametrize(("first", "second"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
@pytest.mark.parametrize("count", [0, 1, 2_500])
def test_what_one_database_gives_the_other_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str, count: int
) -> None:
    monkeypatch.setattr(tablefile, "ROWS_AT_ONCE", 1_000)
    files, found = tmp_path / "files", []
    files.mkdir()
    for kind in (first, second):
        (tmp_path / kind).mkdir()
        engine = open_engine(postgres.database(kind, tmp_path / kind))
        with writing(engine) as connection:
            METADATA.create_all(connection)
            if kind == first and count:
                connection.execute(insert(KINDS), rows(count))
            if kind == second:
                tablefile.load(connection, METADATA, files)
        with reading(engine) as connection:
            found.append(connection.execute(select(KINDS).order_by(KINDS.c.id)).all())
            if kind == first:
                assert tablefile.dump(connection, METADATA, files) == {KINDS.name: count}
        with writing(engine) as connection:
            connection.execute(insert(KINDS), rows(1))
            last = connection.execute(select(KINDS.c.id).order_by(KINDS.c.id.desc()).limit(1)).scalar_one()
        assert last > count, "numbers go on after those that are there"
        engine.dispose()
    assert found[0] == found[1]
    assert len(found[1]) == count
    assert sorted(tablefile.column(files, KINDS, "name")) == sorted(f"{row.name}" for row in found[0])


def test_a_table_that_an_older_schema_did_not_have_stays_empty(tmp_path: Path) -> None:
    engine = open_engine(postgres.database("sqlite", tmp_path))
    with writing(engine) as connection:
        METADATA.create_all(connection)
        tablefile.load(connection, METADATA, tmp_path)
        assert connection.execute(select(KINDS)).all() == []
    engine.dispose()
