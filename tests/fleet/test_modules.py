"""Modules: dated by their installation, one of a kind at a time."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine

from kwartier.errors import InputError
from kwartier.fleet.modules import Supplied
from kwartier.fleet.registry import Registry
from tests.fleet.test_registry import AT, ean, row, write


def module(kind: str = "metering", **cells: object) -> dict[str, object]:
    return {"meter": "M1", "kind": kind, "type": "T", "supplier": "Alpha", "firmware": "1.0", **cells}


@pytest.fixture
def registry(engine: Engine, tmp_path: Path) -> Registry:
    registry = Registry(engine)
    registry.import_file(write(tmp_path / "fleet.csv", row("M1"), row("M2", ean=ean(2))), at=AT)
    return registry


def test_a_module_replaces_the_earlier_one_of_its_kind_from_its_day(registry: Registry, tmp_path: Path) -> None:
    rows = [
        module(supplier="Beta", installed="2026-02-01"),
        module(installed="2025-01-01"),
        module("communication", installed="2025-01-01"),
        module(meter="M2"),
    ]
    path = write(tmp_path / "modules.csv", *rows)
    done = registry.import_modules(path, at=AT)
    assert (done.stated, done.unchanged, done.refused) == (4, 0, 0)
    assert registry.suppliers() == [
        Supplied(supplier="Alpha", kind="communication", modules=1),
        Supplied(supplier="Alpha", kind="metering", modules=1),
        Supplied(supplier="Beta", kind="metering", modules=1),
    ]
    assert registry.suppliers(date(2026, 1, 31)) == [
        Supplied(supplier="Alpha", kind="communication", modules=1),
        Supplied(supplier="Alpha", kind="metering", modules=2),
    ]
    again = registry.import_modules(path, at=AT + 1)
    assert (again.stated, again.unchanged) == (0, 4)


def test_a_module_of_an_unknown_meter_is_named_and_nothing_is_imported(registry: Registry, tmp_path: Path) -> None:
    path = write(tmp_path / "modules.csv", module(), module(meter="M9"))
    with pytest.raises(InputError) as caught:
        registry.import_modules(path, at=AT)
    assert "modules.csv: 1 bad row: line 3, column meter: is no meter of the fleet" in caught.value.detail
    assert registry.suppliers() == []
    aside = tmp_path / "aside.csv"
    done = registry.import_modules(path, at=AT, skip_bad=True, refused=aside)
    assert (done.stated, done.refused) == (1, 1)
    assert "M9" in aside.read_text()


def test_what_answers_for_a_meter_is_its_communication_module_on_the_day(registry: Registry, tmp_path: Path) -> None:
    rows = [
        module("communication", installed="2025-01-01"),
        module("communication", firmware="2.0", installed="2026-02-01"),
        module(meter="M2"),
    ]
    registry.import_modules(write(tmp_path / "modules.csv", *rows), at=AT)
    assert registry.kinds(["M1", "M2", "M3"], date(2026, 1, 31)) == {"M1": "Alpha 1.0"}
    assert registry.kinds(["M1", "M2", "M3"], date(2026, 2, 1)) == {"M1": "Alpha 2.0"}
    for day, firmware in ((date(2026, 1, 31), "Alpha 1.0"), (date(2026, 2, 1), "Alpha 2.0")):
        there = registry.standing_on(day)
        kinds = dict(zip(there.meters.tolist(), (there.kind.texts[code] for code in there.kind.codes), strict=True))
        assert (kinds[b"M1"], kinds[b"M2"]) == (firmware, "")
