"""How complete days are, by cohort: counts that are kept while days are validated, held against the volumes themselves."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, insert, select

from kwartier.clock import midnight
from kwartier.collect.due import State
from kwartier.database import reading, writing
from kwartier.errors import KwartierError
from kwartier.model import Missing, Quality
from kwartier.service.validating import run
from kwartier.service.validating.chosen import Again
from kwartier.service.validating.covered import AREA, CELL, KIND, Key
from kwartier.service.views import gaps
from kwartier.service.views.fields import fields
from kwartier.service.views.gaps import ALL, COHORT, FEW, REST, Gaps, Row, by_day, by_hour, of_cohort
from kwartier.tables import accesses, coverage_counts, dues, validation_gaps, visits
from kwartier.who.actor import Actor
from tests.service.validating.a_street import ONE_DAY, ZONE, Street, a_street, ean
from tests.somebody import TESTER

DAY = date(2025, 11, 19)
FLEET = 26
CELLS = {"c1": range(12), "c2": range(12, 24), "c3": range(24, 26)}
"""The last has two meters: too few to be shown."""
NOBODY = Actor(name="os:nobody", roles=frozenset(), via="os")
KINDS = {
    Quality.MEASURED: "measured",
    Quality.CALCULATED: "calculated",
    Quality.ESTIMATED: "estimated",
    Quality.MISSING: "missing",
}


@contextmanager
def three_cells(folder: Path) -> Iterator[Street]:
    """A street whose meters are in three cells, the last of them in an area of its own."""
    with a_street(folder, FLEET) as street:
        cell = {number: name for name, numbers in CELLS.items() for number in numbers}
        rows = ["meter,ean,host,port,system_title,companion,grid_area,capacity,cell,valid_from"]
        rows += [
            f"m{one},{ean(one)},127.0.0.1,4059,4B575400000000{one:02d},smr-5.5,noord,3x25A,{cell[one]},2020-01-01"
            for one in range(FLEET)
        ]
        (folder / "cells.csv").write_text("\n".join(rows) + "\n")
        street.home.registry.import_file(folder / "cells.csv", at=1)
        modules = ["meter,kind,supplier,firmware,installed"]
        modules += [f"m{one},communication,Maker,{'1.0' if one % 2 else '2.0'},2020-01-01" for one in range(FLEET)]
        (folder / "modules.csv").write_text("\n".join(modules) + "\n")
        street.home.registry.import_modules(folder / "modules.csv", at=1)
        yield street


def due(street: Street, day: date, codes: Mapping[int, str]) -> None:
    """The night has not read these meters."""
    rows = [
        {
            "day": day,
            "meter": f"m{number}",
            "ean": ean(number),
            "dso": "",
            "timezone": ZONE,
            "state": State.FAILED,
            "earliest": 0,
            "next_at": 0,
            "deadline": 0,
            "attempts": 3,
            "code": code,
            "quarters": 96,
            "present": 0,
        }
        for number, code in codes.items()
    ]
    with writing(street.home.engine) as connection:
        connection.execute(insert(dues), rows)


def counts(row: Row | None, seen: Gaps) -> dict[str, int]:
    """Quarters of a row by kind and reason."""
    assert row is not None
    found: Counter[str] = Counter()
    for square in row.squares:
        if square is not None:
            for code, count in zip(seen.codes, square.counts, strict=True):
                found["-".join(filter(None, (code.kind, code.reason)))] += count
    return {name: count for name, count in found.items() if count}


def named(seen: Gaps) -> dict[str, dict[str, int]]:
    return {row.cohort if row.what == COHORT else row.what: counts(row, seen) for row in seen.rows}


def by_kind(street: Street, day: date, numbers: Sequence[int]) -> dict[str, int]:
    """The same from the volumes, but for what is late and for reasons."""
    volumes, found = street.volumes(day), Counter[str]()
    for number in numbers:
        row = volumes[f"m{number}"]
        for both in zip(row.qualities(), row.qualities("export_wh"), strict=True):
            there = [one for one in both if one is not Quality.ABSENT]
            if there:
                found[KINDS[max(there)]] += 1
    return dict(found)


def without_reasons(found: Mapping[str, int]) -> dict[str, int]:
    merged = Counter[str]()
    for name, count in found.items():
        merged[name.partition("-")[0]] += count
    return dict(merged)


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(KwartierError) as caught:
        yield
    assert caught.value.code == code


def a_mixed_day(street: Street, day: date = DAY) -> None:
    """All but four are read as a whole; of m1 nothing came by radio, of m2 for its keys, m13 has holes, of m25 nobody knows."""
    street.read(day, *(number for number in range(FLEET) if number not in {1, 2, 13, 25}))
    street.read(day, 13, missing=range(90, 97), reason=Missing.NULL_DATA)
    due(street, day, {1: "connect-timeout", 2: "association-refused"})


def test_counts_by_cell_agree_with_the_volumes_and_say_why(tmp_path: Path) -> None:
    with three_cells(tmp_path) as street:
        a_mixed_day(street)
        street.validate(DAY)
        seen = by_day(street.home, CELL, DAY, DAY + ONE_DAY)
        found = named(seen)
        # The cell with two meters is not shown, and neither is the other one by which it would be known.
        assert set(found) == {"c2", FEW} or set(found) == {"c1", FEW}
        total = counts(seen.total, seen)
        assert without_reasons(total) == by_kind(street, DAY, range(FLEET))
        assert total["missing-radio"] == 96
        assert total["missing-key"] == 96
        assert total["missing-us"] == 96
        assert sum(count for name, count in total.items() if name.endswith("-meter")) == 7
        assert sum(total.values()) == FLEET * 96
        with reading(street.home.engine) as connection:
            kept = connection.execute(select(validation_gaps.c.lack, validation_gaps.c.late)).all()
        assert sorted(kept) == [("key", ""), ("meter", ""), ("radio", ""), ("us", "")]


def test_a_cohort_that_is_too_small_is_counted_with_others(tmp_path: Path) -> None:
    with three_cells(tmp_path) as street:
        a_mixed_day(street)
        street.validate(DAY)
        seen = by_day(street.home, CELL, DAY, DAY + ONE_DAY)
        (few,) = [row for row in seen.rows if row.what == FEW]
        assert (seen.minimum, few.cohorts, few.meters) == (10, 2, 14)
        assert all(row.meters >= seen.minimum for row in seen.rows)
        together = Counter[str]()
        for row in seen.rows:
            together.update(counts(row, seen))
        assert together == Counter(counts(seen.total, seen))
        areas = by_day(street.home, AREA, DAY, DAY + ONE_DAY)
        assert named(areas) == {"noord": counts(seen.total, seen)}
        kinds = by_day(street.home, KIND, DAY, DAY + ONE_DAY)
        assert set(named(kinds)) == {"Maker 1.0", "Maker 2.0"}
        assert named(kinds)["Maker 2.0"] == {"measured": 12 * 96, "missing-key": 96}


def test_of_fewer_than_the_minimum_in_all_nothing_is_shown(tmp_path: Path) -> None:
    with a_street(tmp_path, 3) as street:
        street.read(DAY, 0, 1, 2)
        street.validate(DAY)
        seen = by_day(street.home, AREA, DAY, DAY + ONE_DAY)
        assert (seen.rows, seen.total) == ((), None)
        assert by_hour(street.home, AREA, DAY).total is None


@pytest.fixture(params=[run.FEW, 0], ids=["looked up", "walked over"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a later run is over is looked up, or all of the day is walked over."""
    monkeypatch.setattr(run, "FEW", request.param)


@pytest.mark.usefixtures("few")
def test_a_later_run_counts_what_has_changed_as_a_run_over_all_would(tmp_path: Path) -> None:
    with three_cells(tmp_path) as street:
        a_mixed_day(street)
        street.validate(DAY)
        first = by_day(street.home, CELL, DAY, DAY + ONE_DAY)
        late = midnight(DAY + 3 * ONE_DAY, ZONE) + 3600
        failed = {"outcome": "connect-timeout", "started": 1, "ended": 2, "asked": True, "detail": "{}"}
        with writing(street.home.engine) as connection:
            about = {"id": "v", "meter": "m1", "ean": ean(1), "date": DAY + ONE_DAY}
            why = {"purpose": "settlement", "reason": "", "actor": ""}
            connection.execute(insert(visits).values(**about, **failed, **why))
            connection.execute(delete(dues).where(dues.c.meter.in_(("m1", "m2"))))
        street.read(DAY, 1, 2, known_at=late)
        street.read(DAY, 13, known_at=late)
        outcome = street.validate(DAY, today=DAY + 4 * ONE_DAY)
        assert outcome is not None
        assert outcome.run.changed == 3
        seen = by_day(street.home, CELL, DAY, DAY + ONE_DAY)
        total = counts(seen.total, seen)
        # m2 has no visit on record that failed, and is late for the reason for which it was missing.
        assert total == {
            "measured": (FLEET - 4) * 96,
            "late-radio": 96,
            "late-key": 96,
            "late-meter": 96,
            "missing-us": 96,
        }
        assert seen.rows != first.rows
        whole = street.validate(DAY, again=Again(whole=True), today=DAY + 4 * ONE_DAY)
        assert whole is not None
        again = by_day(street.home, CELL, DAY, DAY + ONE_DAY)
        assert [row for row in again.rows] == [row for row in seen.rows]  # noqa: C416 - the rows and not their tuple
        assert again.columns[0].run == whole.run.run


def test_a_day_that_was_validated_before_days_were_counted_has_no_counts(tmp_path: Path) -> None:
    with three_cells(tmp_path) as street:
        a_mixed_day(street)
        street.validate(DAY)
        with writing(street.home.engine) as connection:
            connection.execute(delete(coverage_counts))
        street.read(DAY, 25)
        assert street.validate(DAY) is not None
        seen = by_day(street.home, AREA, DAY - ONE_DAY, DAY + ONE_DAY)
        assert [column.run for column in seen.columns] == [None, None]
        assert (seen.rows, seen.total) == ((), None)
        street.validate(DAY, again=Again(whole=True))
        assert by_day(street.home, AREA, DAY, DAY + ONE_DAY).total is not None


@pytest.mark.parametrize(
    ("day", "hours", "odd"), [(date(2025, 10, 26), 25, "02B"), (date(2025, 3, 30), 23, ""), (DAY, 24, "")]
)
def test_hours_of_a_day(day: date, hours: int, odd: str, tmp_path: Path) -> None:
    with three_cells(tmp_path) as street:
        street.read(day, *range(FLEET - 1))
        street.read(day, FLEET - 1, missing=range(5, 8), reason=Missing.NOT_RECEIVED)
        street.validate(day)
        seen = by_hour(street.home, AREA, day)
        labels = [column.label for column in seen.columns]
        assert len(labels) == hours
        assert [label for label in labels if not label.isdigit()] == ([odd] if odd else [])
        assert seen.total is not None
        assert [square.due for square in seen.total.squares if square is not None] == [4 * FLEET] * hours
        assert seen.total.total.due == sum(by_kind(street, day, range(FLEET)).values())
        assert {square.kind for square in seen.total.squares if square is not None} == {"measured", "calculated"}


def test_one_small_cohort_is_shown_through_the_gate_to_whom_it_may(tmp_path: Path) -> None:
    with three_cells(tmp_path) as street:
        a_mixed_day(street)
        street.validate(DAY)
        key = Key(CELL, "noord", "c3")
        with refused("wrong-role"):
            of_cohort(street.home, key, DAY, actor=NOBODY, reason="curious")
        seen = of_cohort(street.home, key, DAY, actor=TESTER, reason="cell c3 is silent")
        assert named(seen) == {"c3": {"measured": 96, "missing-us": 96}}
        assert (seen.minimum, seen.rows[0].meters) == (0, 2)
        with reading(street.home.engine) as connection:
            said = connection.execute(select(accesses.c.reason).order_by(accesses.c.at)).scalars().all()
        assert said.count("cell c3 is silent") == 1
        kind = of_cohort(street.home, Key(KIND, "", "Maker 1.0"), DAY, actor=TESTER, reason="a test")
        assert counts(kind.rows[0], kind) == named(by_day(street.home, KIND, DAY, DAY + ONE_DAY))["Maker 1.0"]
        assert of_cohort(street.home, Key(AREA, "", "zuid"), DAY, actor=TESTER, reason="a test").rows == ()


def test_what_is_asked_wrongly_is_refused(tmp_path: Path) -> None:
    with a_street(tmp_path, 0) as street:
        with refused("bad-argument"):
            by_hour(street.home, "street", DAY)
        with refused("bad-day"):
            by_day(street.home, AREA, DAY, DAY)
        with refused("bad-day"):
            by_day(street.home, AREA, DAY, DAY + 63 * ONE_DAY)
        with refused("not-validated"):
            of_cohort(street.home, Key(AREA, "", "noord"), DAY, actor=TESTER, reason="a test")
        assert by_hour(street.home, AREA, DAY).rows == ()


def test_the_worst_come_first_and_the_rest_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "MAX_ROWS", 1)
    with three_cells(tmp_path) as street:
        a_mixed_day(street)
        street.validate(DAY)
        seen = by_day(street.home, KIND, DAY, DAY + ONE_DAY)
        assert [(row.what, row.cohort, row.meters) for row in seen.rows] == [
            (COHORT, "Maker 1.0", 13),
            (REST, "", 13),
        ]
        assert seen.total is not None
        assert seen.total.what == ALL
        (square,) = seen.rows[0].squares
        assert square is not None
        assert (square.kind, square.reason, square.known) == ("missing", "radio", 13 * 96 - 2 * 96 - 7)
        table = json.loads(json.dumps(fields(seen)))
        assert table["codes"][2] == {"kind": "late", "reason": "radio"}
        assert table["columns"][0]["validated_at"].endswith("Z")
        assert "meters" in table["rows"][0]
        assert np.array(table["rows"][0]["squares"][0]["counts"]).sum() == 13 * 96
