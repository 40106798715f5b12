"""The registry: a fleet taken in whole or not at all, listed, looked up."""

import csv
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from sqlalchemy import Engine, func, select

from kwartier import database as database_module
from kwartier.cosem import companion as companions
from kwartier.cosem import layout as layouts
from kwartier.errors import InputError
from kwartier.fleet.ean import check_digit
from kwartier.fleet.registry import Registry
from kwartier.fleet.visits import Visits
from kwartier.model import Meter
from kwartier.tables import FOREVER, connections, meters

AT = 1_772_600_000


def ean(number: int) -> str:
    body = f"20{number:015d}"
    return body + str(check_digit(body))


def row(meter: object = "M1", **cells: object) -> dict[str, object]:
    return {
        "meter": meter,
        "ean": ean(1),
        "host": "127.0.0.1",
        "port": 4059,
        "system_title": "4B414D0000000002",
        "companion": "smr-5.5",
        **cells,
    }


def write(path: Path, *rows: Mapping[str, object]) -> Path:
    names = list(dict.fromkeys(name for one in rows for name in one))
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def registry(engine: Engine) -> Registry:
    return Registry(engine)


def test_the_meters_of_a_cell_are_those_that_were_in_it_on_the_day(registry: Registry, tmp_path: Path) -> None:
    one, other = row("B", cell="c1"), row("A", ean=ean(2), cell="c1")
    third = row("C", ean=ean(3), cell="c2")
    registry.import_file(write(tmp_path / "fleet.csv", one, other, third), at=1)
    moved = row("A", ean=ean(2), cell="c2", valid_from="2026-03-02")
    registry.import_file(write(tmp_path / "moved.csv", moved), at=2)
    for day, names in ((date(2026, 3, 1), ["A", "B"]), (date(2026, 3, 2), ["B"])):
        assert registry.in_cell("c1", day) == names
    assert registry.in_cell("c9", date(2026, 3, 1)) == []


def counts(engine: Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        return (
            connection.execute(select(func.count()).where(meters.c.known_until == FOREVER)).scalar_one(),
            connection.execute(select(func.count()).where(connections.c.known_until == FOREVER)).scalar_one(),
        )


def refusal(registry: Registry, path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        registry.import_file(path, at=AT)
    return caught.value


def test_the_needed_columns_are_enough_and_the_others_have_their_defaults(registry: Registry, tmp_path: Path) -> None:
    registry.import_file(write(tmp_path / "fleet.csv", row()), at=AT)
    assert registry.meter("M1") == Meter(
        meter="M1",
        ean=ean(1),
        host="127.0.0.1",
        port=4059,
        system_title=bytes.fromhex("4B414D0000000002"),
        companion="smr-5.5",
    )


def test_every_column_comes_out_as_it_went_in(registry: Registry, tmp_path: Path) -> None:
    cells: dict[str, object] = {
        "transport": "hdlc",
        "client": 2,
        "logical_device": 3,
        "physical_address": 17,
        "address_bytes": 4,
        "suite": 0,
        "mechanism": 1,
        "policy": "none",
        "dso": "Net \u00e9\u00e9n",
        "grid_area": "area",
        "brp": "brp",
        "supplier": "supplier",
        "transformer": "T-1",
        "capacity": "3x25A",
        "cell": "cell",
        "timezone": "Europe/Brussels",
    }
    registry.import_file(write(tmp_path / "fleet.csv", {**row(), **cells}), at=AT)
    meter = registry.meter("M1")
    assert {name: getattr(meter, name) for name in cells} == cells


def test_the_same_fleet_as_parquet_is_the_same_fleet(registry: Registry, engine: Engine, tmp_path: Path) -> None:
    rows = [row(f"M{number}", ean=ean(number), physical_address=None, transport="hdlc") for number in range(5)]
    registry.import_file(write(tmp_path / "fleet.csv", *rows), at=AT)
    text = [registry.meter(f"M{number}") for number in range(5)]
    path = tmp_path / "fleet.parquet"
    typed = [
        {**one, "ean": int(str(one["ean"])), "system_title": bytes.fromhex(str(one["system_title"]))} for one in rows
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(typed), path)
    done = registry.import_file(path, at=AT)
    assert (done.new, done.updated, done.unchanged) == (0, 0, 5)
    assert [registry.meter(f"M{number}") for number in range(5)] == text
    assert counts(engine) == (5, 5)


def test_importing_again_updates_and_counts(registry: Registry, engine: Engine, tmp_path: Path) -> None:
    registry.import_file(write(tmp_path / "a.csv", row("M1", dso="old"), row("M2", ean=ean(2))), at=AT)
    done = registry.import_file(
        write(tmp_path / "b.csv", row("M1", port=5000, dso="new"), row("M3", ean=ean(3))), at=AT
    )
    assert (done.new, done.updated, done.refused) == (1, 1, 0)
    assert (registry.meter("M1").port, registry.meter("M1").dso) == (5000, "new")
    assert [name for name, *_ in registry.list()] == ["M1", "M2", "M3"]
    assert counts(engine) == (4, 4), "what holds of M1 before the day of the import, and from it on"


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("ean", ean(1)[:-1] + str((int(ean(1)[-1]) + 1) % 10), "has check digit"),
        ("ean", "123", "is not 18 digits"),
        ("host", "no host", "is no host name or address"),
        ("host", "[red]", "is no host name or address"),
        ("host", "10.0.0.1:4059", "the port has a column of its own"),
        ("port", "0", "is no whole number from 1 to 65535"),
        ("system_title", "4B414D00000000", "is not 16 hex digits"),
        ("companion", "smr-9", "is none of"),
        ("transport", "tls", "is none of wrapper, hdlc"),
        ("client", "0", "is no whole number"),
        ("address_bytes", "3", "is none of 1, 2, 4"),
        ("suite", "2", "is none of 0"),
        ("mechanism", "2", "is none of 0, 1, 5"),
        ("policy", "encrypted", "is none of"),
        ("capacity", "25A", "is no capacity such as 3x25A"),
        ("timezone", "Europe/Nowhere", "is no time zone such as Europe/Amsterdam"),
        ("timezone", "../../etc/passwd", "is no time zone such as Europe/Amsterdam"),
        ("meter", "M 1", "letters, digits"),
        ("meter", "M" * 65, "letters, digits"),
        ("dso", "x" * 65, "is longer than 64 characters"),
        ("cell", "x" * 65, "is longer than 64 characters"),
    ],
)
def test_a_bad_cell_is_named_and_nothing_is_imported(
    column: str, cell: str, said: str, registry: Registry, engine: Engine, tmp_path: Path
) -> None:
    error = refusal(registry, write(tmp_path / "fleet.csv", row("good"), {**row("other"), column: cell}))
    assert error.code == "bad-rows"
    assert f"fleet.csv: 1 bad row: line 3, column {column}: " in error.detail
    assert said in error.detail
    assert counts(engine) == (0, 0)


@pytest.mark.parametrize(
    ("cells", "column", "said"),
    [
        ({"policy": "none"}, "policy", "does not go with mechanism 5"),
        ({"transport": "hdlc", "client": 128}, "client", "above 127"),
        ({"transport": "hdlc", "logical_device": 128}, "logical_device", "an address of one byte"),
        ({"transport": "hdlc", "address_bytes": 1, "physical_address": 17}, "physical_address", "no place"),
        ({"transport": "hdlc", "address_bytes": 2}, "physical_address", "empty"),
        ({"transport": "hdlc", "address_bytes": 4}, "physical_address", "empty"),
        (
            {"transport": "hdlc", "address_bytes": 2, "physical_address": 128},
            "physical_address",
            "an address of two bytes",
        ),
    ],
)
def test_a_row_that_can_never_make_a_visit_is_refused_when_it_comes_in(
    cells: dict[str, object], column: str, said: str, registry: Registry, tmp_path: Path
) -> None:
    error = refusal(registry, write(tmp_path / "fleet.csv", row(**cells)))
    assert f"1 bad row: line 2, column {column}: " in error.detail
    assert said in error.detail


@pytest.mark.parametrize(
    "cells",
    [
        {"mechanism": 0, "policy": "none"},
        {"client": 128, "logical_device": 128},
        {"transport": "hdlc", "client": 127, "logical_device": 127},
        {"transport": "hdlc", "address_bytes": 2, "physical_address": 0},
        {"transport": "hdlc", "address_bytes": 4, "logical_device": 128, "physical_address": 128},
        {"transport": "hdlc", "logical_device": 128, "physical_address": 17},
    ],
)
def test_a_row_at_the_edge_of_what_fits_is_taken_in(
    cells: dict[str, object], registry: Registry, tmp_path: Path
) -> None:
    registry.import_file(write(tmp_path / "fleet.csv", row(**cells)), at=AT)
    found = registry.meter("M1")
    assert {name: getattr(found, name) for name in cells} == cells


@pytest.mark.parametrize(
    ("host", "kept"), [("meter.example", "meter.example"), ("[fe80::1]", "fe80::1"), ("FE80:0::1", "fe80::1")]
)
def test_a_host_is_a_name_or_an_address(host: str, kept: str, registry: Registry, tmp_path: Path) -> None:
    registry.import_file(write(tmp_path / "fleet.csv", row(host=host)), at=AT)
    assert registry.meter("M1").host == kept


def test_the_same_meter_twice_is_refused(registry: Registry, tmp_path: Path) -> None:
    error = refusal(registry, write(tmp_path / "fleet.csv", row("M1"), row("M2"), row("M1")))
    assert "line 4, column meter: the same as in line 2" in error.detail


def test_one_connection_is_not_described_in_two_ways(registry: Registry, tmp_path: Path) -> None:
    rows = [row("M1", dso="north"), row("M2", dso="north"), row("M3", dso="south"), row("M4", dso="", ean=ean(2))]
    error = refusal(registry, write(tmp_path / "fleet.csv", *rows))
    assert "1 bad row: line 4, column dso: line 2 has another one for the same ean" in error.detail


def test_skipping_bad_rows_takes_in_the_others_and_writes_them_aside(registry: Registry, tmp_path: Path) -> None:
    path = write(tmp_path / "fleet.csv", row("M1"), row("M2", port="x"), row("M3"))
    aside = tmp_path / "refused.csv"
    done = registry.import_file(path, at=AT, skip_bad=True, refused=aside)
    assert (done.new, done.refused) == (2, 1)
    aside.write_text(aside.read_text().replace(",x,", ",4060,"))
    assert registry.import_file(aside, at=AT).new == 1
    assert registry.meter("M2").port == 4060


def test_nothing_is_left_of_an_import_that_fails_at_its_end(
    registry: Registry, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three times rows go to the driver, and the last one fails: the first two are not there either."""
    rows = [row(f"M{number:04d}", ean=ean(number)) for number in range(30)]
    path, send, calls = write(tmp_path / "fleet.csv", *rows), database_module.many, []

    def fail(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError("the machine stops here")
        send(*arguments)  # type: ignore[arg-type] # passed on as they came

    with monkeypatch.context() as patched:
        patched.setattr(database_module, "many", fail)
        with pytest.raises(OSError, match="stops here"):
            registry.import_file(path, at=AT)
    assert counts(engine) == (0, 0)
    assert registry.import_file(path, at=AT).new == len(rows)
    assert counts(engine) == (len(rows), len(rows))


def test_an_import_whose_refused_rows_cannot_be_kept_is_not_made(
    registry: Registry, engine: Engine, tmp_path: Path
) -> None:
    path = write(tmp_path / "fleet.csv", row("M1"), row("M2", port="x"))
    with pytest.raises(InputError) as caught:
        registry.import_file(path, at=AT, skip_bad=True, refused=tmp_path / "no" / "folder.csv")
    assert caught.value.code == "unwritable-file"
    assert counts(engine) == (0, 0)


def test_a_meter_that_is_not_there_is_unknown(registry: Registry) -> None:
    with pytest.raises(InputError) as caught:
        registry.meter("M" * 100)
    assert caught.value.code == "unknown-meter"
    assert "M" * 65 not in caught.value.detail


@pytest.mark.parametrize("name", ["", "a b", "a\n", "\x1b[31m", "\udce9", "' OR 1=1"])
def test_what_cannot_be_a_name_is_no_meter_and_is_shown_harmlessly(name: str, registry: Registry) -> None:
    with pytest.raises(InputError) as caught:
        registry.meter(name)
    assert caught.value.code == "unknown-meter"
    assert caught.value.detail.isprintable()


def test_companions_of_the_installation_may_stand_in_the_file(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "companions"
    folder.mkdir()
    (folder / "our-own.toml").write_text('title = "ours"\nextends = "smr-5.5"\n')
    path = write(tmp_path / "fleet.csv", row(companion="our-own"))
    assert refusal(Registry(engine), path).code == "bad-rows"
    registry = Registry(engine, folder)
    registry.import_file(path, at=AT)
    assert registry.meter("M1").companion == "our-own"


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"port": 5000}, True),
        ({"companion": "smr-5.0"}, False),
        ({"system_title": "4B414D0000000003"}, False),
    ],
)
def test_what_a_meter_said_of_its_profile_goes_when_it_is_another_device(
    change: Mapping[str, object], kept: bool, registry: Registry, engine: Engine, tmp_path: Path
) -> None:
    registry.import_file(write(tmp_path / "a.csv", row("M1"), row("M2")), at=AT)
    visits, layout = Visits(engine), layouts.of_companion(companions.load("smr-5.5"))
    for meter in ("M1", "M2"):
        visits.save_layout(meter, layout, at=AT)
    registry.import_file(write(tmp_path / "b.csv", row("M1", **change), row("M2")), at=AT)
    assert (visits.layout("M1") is not None) is kept
    assert visits.layout("M2") == layout


def test_a_fleet_of_many_is_listed_by_name(registry: Registry, tmp_path: Path) -> None:
    rows = [row(f"M{number}", ean=ean(number), port=number + 1) for number in (5, 10, 1)]
    registry.import_file(write(tmp_path / "fleet.csv", *rows), at=AT)
    assert registry.list() == [
        ("M1", ean(1), "127.0.0.1:2", "smr-5.5"),
        ("M10", ean(10), "127.0.0.1:11", "smr-5.5"),
        ("M5", ean(5), "127.0.0.1:6", "smr-5.5"),
    ]
