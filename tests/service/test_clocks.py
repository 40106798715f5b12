"""An installation that sets the clocks of its meters: what the settings say, what is on record, and who sees the mark later."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from kwartier.cosem.clock_steps import CORRECTED
from kwartier.errors import InputError
from kwartier.gate.ids import Ids, Link
from kwartier.service import host_time, settings
from kwartier.service.home import Home
from kwartier.service.reading import Report, Request, read
from kwartier.simulate.fleet import SimulatedConnection
from kwartier.tables import findings
from tests.living import NOW, fleet
from tests.somebody import TESTER

DAY = date(2026, 3, 5)
ADJUSTED = 0x20
AT = NOW + 400
"""A few minutes into a quarter."""


class Time:
    """What all clocks go by."""

    def __init__(self) -> None:
        self.at = AT

    def __call__(self) -> float:
        return self.at


@contextmanager
def street(
    folder: Path, monkeypatch: pytest.MonkeyPatch, now: Time, correction: str = "steps"
) -> Iterator[tuple[Home, list[SimulatedConnection]]]:
    """A home that sets clocks, on a host whose own is synchronised, and two meters that it knows."""
    monkeypatch.setenv("KWARTIER_SYNCHRONISED_CLOCK", "true")
    monkeypatch.setenv("KWARTIER_CLOCK_CORRECTION", correction)
    monkeypatch.setattr(host_time, "synchronised", lambda: True)
    with fleet(folder, now=now) as (home, connections):
        yield home, connections


def visited(home: Home, meter: str, day: date, now: Time) -> Report:
    return read(home, Request(meter=meter, start=day, end=day + timedelta(days=1), actor=TESTER), wall=now)


def test_a_clock_is_set_night_after_night_and_each_quarter_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = Time()
    with street(tmp_path, monkeypatch, now) as (home, connections):
        one = connections[0]
        one.station.meter.timepiece.ahead_s = 70
        left, marked, told = [], [], []
        for number in range(4):
            now.at = AT + number * 86_400
            report = visited(home, one.meter, DAY + timedelta(days=number), now)
            assert report.record.outcome == "done"
            assert report.readings is not None
            adjusted = report.readings.status & ADJUSTED != 0
            marked.append(report.readings.times[adjusted].tolist())
            left.append(home.visits.drifts_of([one.meter])[one.meter])
            told.append("drift_after_s" in report.record.detail)
        identity = Ids(home.engine).of_connection(one.ean, [2026])[Link(one.ean, one.meter, 2026)]
        with home.engine.connect() as connection:
            rows = connection.execute(select(findings).order_by(findings.c.day)).all()
    # A step a night; what is left then is within the tolerance.
    assert left == pytest.approx([40, 10, 10, 10], abs=2)
    assert told == [True, True, False, False]
    ends = [int(AT) // 900 * 900 + 900 + number * 86_400 for number in range(2)]
    assert marked == [[], [ends[0]], [ends[1]], []]
    assert [(row.reading, row.day, row.code) for row in rows] == [
        (identity, DAY + timedelta(days=1), CORRECTED),
        (identity, DAY + timedelta(days=2), CORRECTED),
    ]


def test_the_record_of_the_visit_shows_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = Time()
    with street(tmp_path, monkeypatch, now) as (home, connections):
        connections[1].station.meter.timepiece.ahead_s = -70
        visited(home, connections[1].meter, DAY, now)
        (record,) = home.visits.of_meter(connections[1].meter)
    quarter = int(AT) // 900 * 900
    assert record.detail["findings"] == [{"code": CORRECTED, "start": quarter, "end": quarter + 900}]
    before_s, after_s = record.detail["drift_s"], record.detail["drift_after_s"]
    assert before_s == pytest.approx(-70, abs=1.1)
    assert after_s == pytest.approx(-40, abs=2.1)


def test_a_drift_that_is_gone_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = Time()
    with street(tmp_path, monkeypatch, now, "never") as (home, connections):
        one = connections[0]
        kept = []
        for number, ahead_s in enumerate((40.0, 0.0)):
            one.station.meter.timepiece.ahead_s = ahead_s
            now.at = AT + number * 86_400
            visited(home, one.meter, DAY + timedelta(days=number), now)
            kept.append(home.visits.drifts_of([one.meter])[one.meter])
        assert len(one.station.meter.timepiece.settings) == 0
    assert kept == pytest.approx([40, 0], abs=1)


def test_clocks_are_set_by_none_that_nobody_vouches_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.create(tmp_path)
    assert settings.load(tmp_path).clock_correction == "never"
    monkeypatch.setenv("KWARTIER_CLOCK_CORRECTION", "steps")
    with pytest.raises(InputError) as caught:
        settings.load(tmp_path)
    assert "needs synchronised_clock = true" in caught.value.detail
    monkeypatch.setenv("KWARTIER_SYNCHRONISED_CLOCK", "true")
    assert settings.load(tmp_path).clock_correction == "steps"
