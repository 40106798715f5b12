"""What was known at a revision, held against imports replayed up to it by hand, one cell at a time."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from kwartier.database import writing
from kwartier.market.columns import Kind
from kwartier.market.market import Market
from kwartier.tables import area_energies, fractions, market_revisions, supplies
from tests.market.files import ENERGY, FRACTION, MARKET, ean, supply, write

FIRST = date(2026, 3, 1)
DAYS, HOMES, QUARTERS = 8, 3, 5
START = 1_772_323_200
"""2026-03-01T00:00Z"""
TIMES = START + 900 * np.arange(1, QUARTERS + 1, dtype=np.int64)
Cell = tuple[object, ...]
State = Mapping[Cell, object]

HOME = st.tuples(st.integers(0, HOMES - 1), st.integers(0, DAYS - 1), st.integers(1, DAYS + 1), st.sampled_from("AB"))
ENERGIES = st.dictionaries(
    st.tuples(st.sampled_from(["GA-1", "GA-2"]), st.sampled_from(["import", "export"]), st.integers(0, QUARTERS - 1)),
    st.integers(0, 2),
    max_size=8,
)
STATEMENTS = st.one_of(
    st.tuples(st.just(Kind.MARKET), st.lists(HOME, max_size=5)),
    st.tuples(st.sampled_from([Kind.INFEED, Kind.LOSSES, Kind.FRACTIONS]), ENERGIES),
)


def stamp(quarter: int) -> str:
    return np.datetime_as_string(np.datetime64(int(TIMES[quarter]), "s"), unit="m") + "Z"


def of_homes(path: Path, rows: list[tuple[int, int, int, str]]) -> tuple[Path, dict[Cell, object]]:
    """A file of periods that do not overlap - what would is left out - and each day that it speaks of."""
    said: dict[Cell, object] = {}
    lines = []
    for home, start, length, brp in rows:
        days = [
            (Kind.MARKET, ean(home), FIRST + timedelta(days=one)) for one in range(start, min(start + length, DAYS))
        ]
        end = FIRST + timedelta(days=start + length)
        if said.keys().isdisjoint(days) and (start + length <= DAYS or not any(one[1] == ean(home) for one in said)):
            open_end = start + length > DAYS
            lines.append(supply(home, FIRST + timedelta(days=start), "" if open_end else end, brp=brp))
            said |= dict.fromkeys(days, brp)
    return write(path / "market.csv", MARKET, lines), said


def of_quarters(path: Path, kind: Kind, values: Mapping[tuple[str, str, int], int]) -> tuple[Path, dict[Cell, object]]:
    said: dict[Cell, object] = {(kind, *key): value for key, value in values.items()}
    if kind is Kind.FRACTIONS:
        rows = [f"{a},E1A,{d},{stamp(q)},0.00000000000{value},DYN" for (a, d, q), value in values.items()]
        return write(path / "fractions.csv", FRACTION, rows), said
    return write(path / f"{kind}.csv", ENERGY, [f"{a},{stamp(q)},{d},{v}" for (a, d, q), v in values.items()]), said


def looked_up(market: Market, revision: int) -> State:
    found: dict[Cell, object] = {}
    for day in (FIRST + timedelta(days=one) for one in range(DAYS)):
        there = market.supplies(day, revision)
        assert there.eans == sorted(set(there.eans))
        found |= {(Kind.MARKET, one, day): brp for one, brp in zip(there.eans, there.brp, strict=True)}
        assert market.counts(day, revision) == ({"GA-1": {"cSMA": len(there)}} if len(there) else {})
    for kind in (Kind.INFEED, Kind.LOSSES):
        for (area, direction), series in market.energies(kind, TIMES, revision).items():
            for quarter in np.flatnonzero(series.there).tolist():
                found[kind, area, direction, quarter] = int(series.values[quarter])
    for (area, _, direction), series in market.fractions(TIMES, revision).items():
        for quarter in np.flatnonzero(series.there).tolist():
            found[Kind.FRACTIONS, area, direction, quarter] = int(series.values[quarter])
    return found


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(imports=st.lists(STATEMENTS, min_size=1, max_size=6))
def test_a_look_up_as_of_a_revision_is_a_replay_of_the_imports_up_to_it(
    engine: Engine, tmp_path: Path, imports: list[tuple[Kind, object]]
) -> None:
    with writing(engine) as connection:
        for table in (market_revisions, supplies, area_energies, fractions):
            connection.execute(delete(table))
    market = Market(engine)
    states: list[State] = [{}]
    for at, (kind, rows) in enumerate(imports):
        if isinstance(rows, list):
            path, said = of_homes(tmp_path, rows)
        else:
            assert isinstance(rows, dict)
            path, said = of_quarters(tmp_path, kind, rows)
        done = market.import_file(path, at=at, actor="os:test")
        after = {**states[-1], **said}
        assert done.changed or after == states[-1], "what is news is said to be"
        if done.changed:
            states.append(after)
        assert done.revision == market.revision() == len(states) - 1
    assert [looked_up(market, revision) for revision in range(len(states))] == states
