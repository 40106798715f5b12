"""What the page of a night shows of rows whose counts are known."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from kwartier.collect.due import Dues, State
from kwartier.collect.lease import LEASE_S, holder
from kwartier.database import writing
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.reasons import Reason
from kwartier.service.views.counting import States
from kwartier.service.views.fields import fields
from kwartier.service.views.progress import CellState, Minute, forecast_of
from kwartier.service.views.tonight import Nights
from kwartier.tables import alerts, dues, leases, nights

DAY = date(2026, 1, 14)
OPENS_AT = 1_768_431_600
"""15 January 2026, 00:00 in Amsterdam."""
NOW = OPENS_AT + 2 * 3600
QUARTERS = 96


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    create_home(tmp_path / "home")
    with open_home(tmp_path / "home") as opened:
        yield opened


class Night:
    """A night that is filled by hand."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._count = 0
        with writing(home.engine) as connection:
            connection.execute(insert(nights).values(day=DAY, planned_at=OPENS_AT, purpose="settlement", actor="os:a"))

    def add(self, count: int, state: State, cell: str, **more: object) -> None:
        """Rows in one state; ``more`` overrides their columns."""
        rows: list[Mapping[str, object]] = []
        for number in range(count):
            self._count += 1
            rows.append(
                {
                    "day": DAY,
                    "meter": f"m{self._count}",
                    "ean": f"{self._count:018d}",
                    "dso": "d",
                    "timezone": "Europe/Amsterdam",
                    "state": state,
                    "earliest": OPENS_AT + 30,
                    "next_at": OPENS_AT + 60 * number,
                    "deadline": OPENS_AT + 6 * 3600,
                    "attempts": 1,
                    "quarters": QUARTERS,
                    "present": QUARTERS if state is State.STORED else 0,
                    "settled_at": None,
                    "code": None,
                    "lease": None,
                    "cell": cell,
                    "kind": "k",
                    **more,
                }
            )
        with writing(self._home.engine) as connection:
            connection.execute(insert(dues), rows)


def nights_of(home: Home) -> Nights:
    return Nights(home, wall=lambda: float(NOW), steady=lambda: 0.0, later=lambda work: None)


def filled(home: Home) -> None:
    night = Night(home)
    night.add(40, State.STORED, "a", settled_at=NOW - 90)
    night.add(20, State.STORED, "b", settled_at=NOW - 30 * 60)
    night.add(5, State.REFUSED, "b", code="association-refused", settled_at=NOW - 90, next_at=0)
    night.add(3, State.FAILED, "b", code="no-rows", settled_at=NOW - 3 * 60, next_at=0)
    night.add(12, State.RETRY, "c", code="connect-timeout", settled_at=NOW - 90, next_at=NOW + 30)
    night.add(10, State.WAITING, "d", next_at=NOW - 5, attempts=0)
    night.add(30, State.WAITING, "e", next_at=NOW + 3600, attempts=0)
    night.add(4, State.LEASED, "d", lease="l1", attempts=0)


def test_the_pace_of_a_night_that_has_just_begun_is_that_of_its_own_minutes() -> None:
    states = States(by={State.WAITING: 60, State.STORED: 40}, overdue=0, last_planned_at=0)
    before = [Minute(begins_at=0, stored=0, missed=0)] * 8
    begun = [Minute(begins_at=0, stored=30, missed=0), Minute(begins_at=0, stored=0, missed=0)]
    for minutes, pace in ((before, 0), ([*before, begun[0]], 0), ([*before, *begun], 30), ([*begun, *before], 3)):
        found = forecast_of(states, tuple(minutes), counted_at=600, closes_at=3_600, last_done_at=None)
        assert found.pace_per_minute == pace


def test_a_night_in_its_middle(home: Home) -> None:
    filled(home)
    found = nights_of(home).tonight(DAY)
    assert (found.planned, found.opens_at, found.closes_at) == (True, OPENS_AT, OPENS_AT + 6 * 3600)
    totals = found.totals
    assert (totals.due, totals.stored, totals.refused, totals.failed, totals.open) == (124, 60, 5, 3, 56)
    assert (totals.waiting, totals.retry, totals.under_way) == (40, 12, 4)
    forecast = found.forecast
    assert (forecast.planned, forecast.begun, forecast.overdue) == (94, 84, 10)
    # 40 + 5 in the last whole ten minutes but one, and 3: 48 in ten minutes.
    assert forecast.pace_per_minute == 4
    assert forecast.ends_at == NOW + 3600, "the last moment of the plan comes after what the pace alone would take"
    assert forecast.left == 0
    counts = Dues(home.engine).counts(DAY)
    coverage = found.coverage
    assert (coverage.installed.part, coverage.installed.whole) == (counts.stored, counts.due)
    assert (coverage.reachable.part, coverage.reachable.whole) == (60, 124 - counts.unreached)
    assert (coverage.intervals.part, coverage.intervals.whole) == (counts.present, counts.quarters)
    assert coverage.installed.rate == 0.483871


def test_cells_causes_and_minutes(home: Home) -> None:
    filled(home)
    found = nights_of(home).tonight(DAY)
    assert [(one.cell, one.state, one.due, one.stored, one.open) for one in found.cells] == [
        ("c", CellState.SILENT, 12, 0, 12),
        ("b", CellState.SHORT, 28, 20, 0),
        ("d", CellState.READING, 14, 0, 14),
        ("e", CellState.WAITING, 30, 0, 30),
        ("a", CellState.DONE, 40, 40, 0),
    ]
    assert [(one.code, one.reason, one.meters, one.still_open) for one in found.causes] == [
        ("connect-timeout", Reason.RADIO, 12, 12),
        ("association-refused", Reason.KEY, 5, 0),
        ("no-rows", Reason.METER, 3, 0),
    ]
    assert all(one.meaning and one.advice for one in found.causes)
    assert len(found.minutes) == 60
    assert found.minutes[-1].begins_at == NOW
    done = {one.begins_at: (one.stored, one.missed) for one in found.minutes if one.stored or one.missed}
    assert done == {NOW - 120: (40, 5), NOW - 1800: (20, 0), NOW - 180: (0, 3)}
    course = {one.at: one for one in found.course}
    assert list(course) == list(range(OPENS_AT, OPENS_AT + 6 * 3600 + 300, 300))
    assert (course[OPENS_AT].planned, course[OPENS_AT].done) == (0, 0)
    assert course[OPENS_AT + 6 * 3600].planned == 124, "in the end all should have been tried"
    assert course[OPENS_AT + 6 * 3600].done is None, "that is to come"
    assert course[NOW].done == 68


def test_processes_and_alerts(home: Home) -> None:
    filled(home)
    here, gone = holder(), f"{holder().split(':')[0]}:{os.getpid()}:1"
    rows = [("l1", here, NOW + LEASE_S - 2), ("l2", gone, NOW + 20), ("l3", "other:7:9", NOW + LEASE_S - 15)]
    with writing(home.engine) as connection:
        for name, who, until in rows:
            row = {"id": name, "day": DAY, "holder": who, "taken_at": NOW - 60, "expires_at": until}
            connection.execute(insert(leases).values(row))
        opened = {"code": "no-room", "subject": "disk", "text": "5 MB are free", "seen_at": NOW, "posted": 0}
        connection.execute(insert(alerts).values(at=NOW - 600, **opened))
        connection.execute(insert(alerts).values(at=NOW - 900, ended_at=NOW - 700, **opened))
    found = nights_of(home).tonight(DAY)
    assert {(one.pid, one.here, one.meters, one.state, NOW - one.seen_at) for one in found.processes} == {
        (os.getpid(), True, 4, "there", 2),
        (os.getpid(), True, 0, "gone", 4),
        (7, False, 0, "late", 15),
    }
    assert found.is_running
    (alert,) = found.alerts
    assert (alert.code, alert.opened_at, alert.runbook) == ("no-room", NOW - 600, "docs/operations.md#no-room")
    assert alert.advice


def test_a_silent_cell_needs_silence_of_many_or_of_all_that_it_has(home: Home) -> None:
    night = Night(home)
    night.add(9, State.RETRY, "few of many", code="connect-timeout")
    night.add(9, State.WAITING, "few of many", attempts=0)
    night.add(2, State.RETRY, "all", code="connect-timeout")
    night.add(20, State.RETRY, "one is heard", code="connect-timeout")
    night.add(1, State.STORED, "one is heard", settled_at=NOW)
    states = {one.cell: one.state for one in nights_of(home).tonight(DAY).cells}
    assert states == {
        "few of many": CellState.READING,
        "all": CellState.SILENT,
        "one is heard": CellState.READING,
    }


def test_a_night_that_is_done_and_one_that_never_was(home: Home) -> None:
    before = nights_of(home).tonight(DAY)
    assert (before.planned, before.totals.due, before.cells, before.is_running) == (False, 0, (), False)
    assert before.coverage.installed.rate is None
    assert (before.forecast.ends_at, before.forecast.left) == (None, None)
    Night(home).add(3, State.STORED, "", settled_at=NOW - 3600)
    found = nights_of(home).tonight()
    assert found.day == DAY, "the last that is over"
    assert (found.forecast.ends_at, found.forecast.left, found.forecast.pace_per_minute) == (NOW - 3540, 0, 0)
    assert found.cells[0].state is CellState.DONE


def test_what_is_asked_twice_is_counted_once(home: Home) -> None:
    filled(home)
    nights = nights_of(home)
    first = nights.tonight(DAY)
    with writing(home.engine) as connection:
        connection.execute(update(dues).values(state=State.STORED))
    assert nights.tonight(DAY).totals == first.totals
    assert nights_of(home).tonight(DAY).totals.stored == 124


def test_its_fields_are_json_with_moments_as_texts_and_name_no_connection(home: Home) -> None:
    filled(home)
    table = fields(nights_of(home).tonight(DAY))
    text = json.dumps(table)
    assert (table["day"], table["opens_at"]) == ("2026-01-14", "2026-01-14T23:00:00Z")
    assert json.loads(text)["causes"][0]["reason"] == "radio"
    assert "0000000000" not in text
    assert '"m1"' not in text
    with pytest.raises(TypeError, match="no view"):
        fields("text")
