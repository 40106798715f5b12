"""An operator of one grid sees and changes nothing of another's, whatever the registry is asked."""

import inspect
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from kwartier.database import reading
from kwartier.errors import InputError
from kwartier.fleet.mutations import Exchange
from kwartier.fleet.readout import Mode
from kwartier.fleet.registry import Registry
from kwartier.tables import metadata
from tests.fleet.test_registry import AT, ean, row, write

DAY = date(2026, 3, 20)
NEXT = DAY + timedelta(days=1)
THEIRS = "T1"
CELL = "c1"


def refused(*attempts: Callable[[], object]) -> None:
    for attempt in attempts:
        with pytest.raises(InputError) as caught:
            attempt()
        assert caught.value.code in ("unknown-meter", "unknown-connection", "bad-rows"), caught.value.code


def empty(*found: object) -> None:
    assert [one for one in found if one != []] == []


def exchange(registry: Registry, folder: Path, old: str, place: str) -> None:
    done = Exchange(ean=place, old_meter=old, new_meter="X", moment=AT + 10**6)
    registry.exchange(done, write(folder / "new.csv", row("X", ean=place)), at=AT)


def imported(registry: Registry, folder: Path) -> None:
    for one in (
        row(THEIRS, ean=ean(1)),
        row(THEIRS, ean=ean(8)),
        row("new", ean=ean(2)),
        row("new", ean=ean(7), dso="south"),
    ):
        refused(partial(registry.import_file, write(folder / "f.csv", one), at=AT))


def modules(registry: Registry, folder: Path) -> None:
    one = {"meter": THEIRS, "kind": "metering", "type": "t", "supplier": "s"}
    refused(lambda: registry.import_modules(write(folder / "m.csv", one), at=AT))


def readouts(folder: Path, one: str) -> Path:
    (folder / "readouts.csv").write_text(f"ean,readout,valid_from\n{one},opted-out,{DAY}\n")
    return folder / "readouts.csv"


def listed(registry: Registry) -> None:
    assert [one[0] for day in (None, DAY) for one in registry.list(day)] == ["O1", "O1"]


def exchanged(registry: Registry) -> None:
    assert list(registry.metering_exchanged(DAY, NEXT)) == ["O1"]


OPERATIONS: dict[str, Callable[[Registry, Path], None]] = {
    "import_file": imported,
    "import_modules": modules,
    "suppliers": lambda registry, _: empty(
        [one for on in (None, DAY) for one in registry.suppliers(on) if (one.kind, one.modules) != ("metering", 1)]
    ),
    "exchange": lambda registry, folder: refused(
        lambda: exchange(registry, folder, THEIRS, ean(2)),
        lambda: exchange(registry, folder, "O1", ean(2)),
        lambda: exchange(registry, folder, THEIRS, ean(1)),
    ),
    "move": lambda registry, _: refused(
        lambda: registry.move(THEIRS, to=ean(1), on=DAY, at=AT),
        lambda: registry.move("O1", to=ean(2), on=DAY, at=AT),
    ),
    "switch": lambda registry, _: refused(lambda: registry.switch(ean(2), brp="mine", on=DAY, at=AT)),
    "state_readout": lambda registry, _: refused(lambda: registry.state_readout(ean(2), Mode.OPTED_OUT, on=DAY, at=AT)),
    "import_readouts": lambda registry, folder: refused(
        lambda: registry.import_readouts(readouts(folder, ean(2)), at=AT)
    ),
    "not_read": lambda registry, _: empty(list(registry.not_read(DAY, NEXT))),
    "demand_connection": lambda registry, _: refused(lambda: registry.demand_connection(ean(2))),
    "history": lambda registry, _: refused(lambda: registry.history(THEIRS), lambda: registry.history(ean(2))),
    "meter": lambda registry, _: refused(lambda: registry.meter(THEIRS)),
    "meters": lambda registry, _: empty(registry.meters([THEIRS], DAY)),
    "on_day": lambda registry, _: empty([one for one in registry.on_day(DAY) if one.meter != "O1"]),
    "areas_on": lambda registry, _: empty(
        [one for one in registry.areas_on(DAY)[0].tolist() if one != ean(1).encode()]
    ),
    "exchanges_on": lambda registry, _: empty(list(registry.exchanges_on(DAY))),
    "metering_exchanged": lambda registry, _: exchanged(registry),
    "standing_on": lambda registry, _: empty(
        [one for one in registry.standing_on(DAY).meters.tolist() if one != b"O1"]
    ),
    "in_cell": lambda registry, _: empty([one for one in registry.in_cell(CELL, DAY) if one != "O1"]),
    "page": lambda registry, _: empty([one for one in registry.page(DAY, limit=2) if one.meter != "O1"]),
    "kinds": lambda registry, _: empty(list(registry.kinds([THEIRS], DAY))),
    "meters_of": lambda registry, _: empty(registry.meters_of(ean(2), DAY, NEXT)),
    "list": lambda registry, _: listed(registry),
}


def everything(engine: Engine) -> list[object]:
    with reading(engine) as connection:
        return [connection.execute(select(table)).all() for table in metadata.sorted_tables]


def test_every_operation_of_the_registry_is_held_to_it() -> None:
    public = [name for name, _ in inspect.getmembers(Registry, callable) if not name.startswith("_")]
    assert sorted(OPERATIONS) == sorted(public)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operator_reaches_nothing_of_another(operation: str, engine: Engine, tmp_path: Path) -> None:
    whole = Registry(engine)
    rows = [row("O1", ean=ean(1), dso="north", cell=CELL), row(THEIRS, ean=ean(2), dso="south", cell=CELL)]
    whole.import_file(write(tmp_path / "fleet.csv", *rows), at=AT)
    theirs = {"meter": THEIRS, "kind": "communication", "type": "t", "supplier": "s"}
    whole.import_modules(write(tmp_path / "modules.csv", theirs), at=AT)
    measuring = [
        {"meter": meter, "kind": "metering", "type": "t", "supplier": "s", "serial": serial, "installed": f"{day}"}
        for meter in ("O1", THEIRS)
        for serial, day in (("1", DAY - timedelta(days=9)), ("2", DAY))
    ]
    whole.import_modules(write(tmp_path / "measuring.csv", *measuring), at=AT)
    whole.state_readout(ean(2), Mode.NOT_REMOTE, on=DAY, at=AT)
    before = everything(engine)
    OPERATIONS[operation](Registry(engine, dso="north"), tmp_path)
    assert everything(engine) == before


def test_what_an_operator_imports_is_its_own(engine: Engine, tmp_path: Path) -> None:
    Registry(engine, dso="north").import_file(write(tmp_path / "fleet.csv", row("O1")), at=AT)
    assert Registry(engine).meter("O1").dso == "north"
    assert Registry(engine, dso="south").list() == []
