"""Exchanges, moves and switches: dated, believed from a moment on, and each whole or not at all."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from kwartier.database import open_engine, reading
from kwartier.errors import InputError
from kwartier.fleet.mutations import Exchange, exchanges_at
from kwartier.fleet.registry import Registry
from kwartier.tables import connections, meters
from tests.fleet.test_registry import AT, ean, row, write
from tests.postgres import with_tables

DAY = date(2026, 3, 20)
EVE, MORROW = DAY - timedelta(days=1), DAY + timedelta(days=1)
NOON = int(datetime(2026, 3, 20, 11, tzinfo=UTC).timestamp())
MIDNIGHT = int(datetime(2026, 3, 19, 23, tzinfo=UTC).timestamp())
LATER = AT + 100


@pytest.fixture
def registry(engine: Engine, tmp_path: Path) -> Registry:
    registry = Registry(engine)
    rows = [row("M1", supplier="S1", brp="B1"), row("M2", ean=ean(2))]
    registry.import_file(write(tmp_path / "fleet.csv", *rows), at=AT)
    return registry


def exchange(**changes: object) -> Exchange:
    facts: dict[str, object] = {
        "ean": ean(1),
        "old_meter": "M1",
        "new_meter": "N1",
        "moment": NOON,
        "closing_import_wh": 1_000,
        "closing_export_wh": 2,
        "opening_import_wh": 3,
        "opening_export_wh": 4,
    }
    return Exchange(**{**facts, **changes})  # type: ignore[arg-type] # the test chooses


def new_meter(folder: Path, **cells: object) -> Path:
    return write(folder / "new.csv", row("N1", **cells))


def names(registry: Registry, day: date) -> list[str]:
    return [one.meter for one in registry.on_day(day)]


def code_of(attempt: object, engine: Engine) -> str:
    before = versions(engine)
    with pytest.raises(InputError) as caught:
        attempt()  # type: ignore[operator] # a function without arguments
    assert versions(engine) == before, "nothing of it was written"
    return caught.value.code


def versions(engine: Engine) -> list[int]:
    with reading(engine) as connection:
        return [connection.execute(select(func.count()).select_from(one)).scalar_one() for one in (meters, connections)]


def test_on_the_day_of_an_exchange_both_meters_are_there(registry: Registry, engine: Engine, tmp_path: Path) -> None:
    registry.exchange(exchange(), new_meter(tmp_path, port=5000), at=LATER)
    assert names(registry, EVE) == ["M1", "M2"]
    assert names(registry, DAY) == ["M1", "M2", "N1"]
    assert names(registry, MORROW) == ["M2", "N1"]
    assert [one.meter for one in registry.meters_of(ean(1), DAY, MORROW)] == ["M1", "N1"]
    assert [one.meter for one in registry.meters(["N1", "M1", "none"], MORROW)] == ["N1"]
    found = registry.meter("N1")
    assert (found.port, found.supplier, found.brp) == (5000, "S1", "B1")
    with reading(engine) as connection:
        assert exchanges_at(connection, [ean(1)]) == [exchange()]
    assert [list(registry.exchanges_on(day)) for day in (EVE, DAY, MORROW)] == [[], [exchange()], []]
    assert list(Registry(engine, dso="another").exchanges_on(DAY)) == []
    assert [list(registry.exchanges_on(DAY, known=at)) for at in (LATER - 1, LATER)] == [[], [exchange()]]
    assert "1000" not in repr(exchange())


def test_an_exchange_at_midnight_parts_the_days(registry: Registry, tmp_path: Path) -> None:
    registry.exchange(exchange(moment=MIDNIGHT), new_meter(tmp_path), at=LATER)
    assert names(registry, EVE) == ["M1", "M2"]
    assert names(registry, DAY) == ["M2", "N1"]


def test_what_was_known_before_a_change_can_still_be_asked(registry: Registry, tmp_path: Path) -> None:
    registry.switch(ean(1), supplier="S2", on=DAY, at=LATER)
    registry.move("M1", to=ean(2), on=DAY, at=LATER + 1)
    assert (registry.meter("M1", EVE).supplier, registry.meter("M1", EVE).ean) == ("S1", ean(1))
    assert registry.meter("M1", DAY).ean == ean(2)
    assert registry.meter("M1", DAY, known=LATER).supplier == "S2"
    assert registry.meter("M1", DAY, known=LATER - 1).supplier == "S1"
    assert registry.meter("M1", DAY, known=LATER).ean == ean(1)
    with pytest.raises(InputError):
        registry.meter("M1", DAY, known=AT - 1)


def test_connections_and_their_areas_are_told_as_they_were_known(
    registry: Registry, engine: Engine, tmp_path: Path
) -> None:
    moved = write(tmp_path / "moved.csv", row("M2", ean=ean(2), grid_area="elsewhere"))
    registry.import_file(moved, at=LATER)
    both = [ean(1), ean(2)]
    assert areas(registry) == (both, ["", "elsewhere"])
    assert areas(registry, LATER - 1) == (both, ["", ""])
    assert areas(registry, AT - 1) == ([], [])
    assert areas(Registry(engine, dso="another")) == ([], [])


def areas(registry: Registry, known: int | None = None) -> tuple[list[str], list[str]]:
    names, area = registry.areas_on(DAY, known=known)
    return [name.decode() for name in names.tolist()], [area.texts[code] for code in area.codes.tolist()]


def test_a_file_that_is_older_than_a_plan_leaves_the_plan_alone(
    registry: Registry, engine: Engine, tmp_path: Path
) -> None:
    registry.switch(ean(1), supplier="S2", on=DAY, at=LATER)
    before = versions(engine)
    rows = [row("M1", supplier="S1", brp="B1"), row("M2", ean=ean(2))]
    done = registry.import_file(write(tmp_path / "fleet.csv", *rows), at=LATER + 1)
    assert (done.new, done.updated, done.unchanged) == (0, 0, 2)
    assert versions(engine) == before
    assert registry.meter("M1", DAY).supplier == "S2"


def test_a_meter_that_was_taken_out_does_not_come_back_by_an_old_file(
    registry: Registry, engine: Engine, tmp_path: Path
) -> None:
    registry.exchange(exchange(), new_meter(tmp_path), at=LATER)
    path = write(tmp_path / "fleet.csv", row("M1", supplier="S1", brp="B1"))
    much_later = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp())
    assert code_of(lambda: registry.import_file(path, at=much_later), engine) == "bad-rows"
    path = write(tmp_path / "fleet.csv", row("M1", supplier="S1", brp="B1", valid_from="2026-05-01"))
    assert registry.import_file(path, at=much_later).updated == 1
    assert names(registry, date(2026, 4, 30)) == ["M2", "N1"]
    assert names(registry, date(2026, 5, 1)) == ["M1", "M2", "N1"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ean": ean(9)}, "bad-new-meter"),
        ({"old_meter": "nobody"}, "unknown-meter"),
        ({"old_meter": "M2"}, "not-at-connection"),
        ({"closing_import_wh": -1}, "bad-exchange-register"),
        ({"new_meter": "M1"}, "bad-new-meter"),
    ],
)
def test_an_exchange_that_makes_no_sense_is_refused(
    changes: dict[str, object], code: str, registry: Registry, engine: Engine, tmp_path: Path
) -> None:
    path = new_meter(tmp_path)
    assert code_of(lambda: registry.exchange(exchange(**changes), path, at=LATER), engine) == code


def test_a_meter_is_exchanged_once_and_not_before_it_came(registry: Registry, engine: Engine, tmp_path: Path) -> None:
    path = new_meter(tmp_path)
    registry.exchange(exchange(), path, at=LATER)
    assert code_of(lambda: registry.exchange(exchange(), path, at=LATER), engine) == "period-taken"
    late = write(tmp_path / "late.csv", row("L1", ean=ean(3), valid_from="2026-04-01"))
    registry.import_file(late, at=LATER)
    early = exchange(ean=ean(3), old_meter="L1", new_meter="L2")
    other = write(tmp_path / "other.csv", row("L2", ean=ean(3)))
    assert code_of(lambda: registry.exchange(early, other, at=LATER), engine) == "not-at-connection"


def test_moves_and_switches_that_make_no_sense_are_refused(registry: Registry, engine: Engine) -> None:
    assert code_of(lambda: registry.move("nobody", to=ean(1), on=DAY, at=LATER), engine) == "unknown-meter"
    assert code_of(lambda: registry.move("M1", to=ean(9), on=DAY, at=LATER), engine) == "unknown-connection"
    assert code_of(lambda: registry.switch(ean(9), brp="B", on=DAY, at=LATER), engine) == "unknown-connection"
    assert code_of(lambda: registry.switch(ean(1), on=DAY, at=LATER), engine) == "nothing-to-do"
    assert code_of(lambda: registry.switch(ean(1), brp="x" * 65, on=DAY, at=LATER), engine) == "bad-party"


STEPS = st.lists(
    st.tuples(st.sampled_from(("move", "switch")), st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=6
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_every_day_as_known_at_every_moment_is_what_a_table_of_days_says(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("model")
    engine = open_engine(with_tables("sqlite", folder))
    registry = Registry(engine)
    registry.import_file(
        write(folder / "fleet.csv", *(row(f"M{one}", ean=ean(one), supplier="S") for one in range(3))), at=AT
    )
    days = [DAY + timedelta(days=one) for one in range(6)]
    places, suppliers = [ean(0)] * 6, {ean(one): ["S"] * 6 for one in range(3)}
    moved: set[int] = set()
    switched: dict[str, set[int]] = {ean(one): set() for one in range(3)}
    believed = {AT: [(place, "S") for place in places]}
    for number, (what, first, which) in enumerate(steps, 1):
        at = AT + number
        if what == "move":
            _fill(places, moved, first, ean(which))
            registry.move("M0", to=ean(which), on=days[first], at=at)
        else:
            _fill(suppliers[ean(which)], switched[ean(which)], first, f"S{number}")
            registry.switch(ean(which), supplier=f"S{number}", on=days[first], at=at)
        believed[at] = [(place, suppliers[place][one]) for one, place in enumerate(places)]
    for at, expected in believed.items():
        found = [registry.meter("M0", day, known=at) for day in days]
        assert [(one.ean, one.supplier) for one in found] == expected
    engine.dispose()


def _fill(cells: list[str], borders: set[int], first: int, value: str) -> None:
    """State ``value`` from ``first`` up to the next day from which something is stated."""
    if cells[first] == value:
        return
    end = min((one for one in borders if one > first), default=len(cells))
    cells[first:end] = [value] * (end - first)
    borders.add(first)
