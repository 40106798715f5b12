"""The work list: who has to see to a meter, from when on, and a file that nothing is carried out of."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from kwartier.collect.claims import Verdict
from kwartier.collect.due import UNREACHED, State
from kwartier.collect.engine import OUT_OF_OURS
from kwartier.collect.outcome import DEFINITE, NO_ROWS
from kwartier.cosem.clock_steps import BROKEN
from kwartier.database import writing
from kwartier.errors import explanations
from kwartier.fleet.visits import VisitRecord
from kwartier.keys.counters import WARN_COUNTER
from kwartier.service.alerting.conditions import Code
from kwartier.service.alerting.worklist import COLUMNS, OTHER, Work, as_csv, causes, ours, worklist
from kwartier.service.home import Home, open_home
from kwartier.tables import counters, drifts, meter_keys
from tests.living import new_home
from tests.service.alerting.test_lookout import DAY, put, row

CAME = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    new_home(tmp_path / "home")
    with open_home(tmp_path / "home") as opened:
        yield opened


def nights(home: Home, meter: str, *codes: str | None, **given: object) -> None:
    """A meter's nights, the newest first: what each one failed with, None where it was stored."""
    for back, code in enumerate(codes):
        failed = {} if code is None else {"state": State.FAILED, "attempts": 3, "code": code}
        put(home, row(meter, DAY - timedelta(days=back), **{**failed, **given}))


def listed(home: Home) -> list[tuple[str, str, str, int, int]]:
    return [(one.meter, one.code, one.since.isoformat(), one.nights, one.tries) for one in worklist(home, DAY)]


def test_a_refusal_is_listed_at_once_and_silence_after_three_nights(home: Home) -> None:
    nights(home, "A", "hls-refused", None)
    nights(home, "B", *["connect-timeout"] * 2, None, *["connect-timeout"] * 5)
    nights(home, "C", *["connect-timeout"] * 3, None)
    nights(home, "D", "response-timeout", "connect-timeout", "bad-row", "bad-row")
    nights(home, "E", *["bad-row"] * 2)
    nights(home, "F", *["bad-row"] * 10)
    nights(home, "G", None, *["hls-refused"] * 5)
    assert listed(home) == [
        ("A", "hls-refused", "2026-03-04", 1, 3),
        ("C", "connect-timeout", "2026-03-02", 3, 9),
        ("D", "response-timeout", "2026-03-01", 4, 12),
        ("F", "bad-row", "2026-02-23", 10, 30),
    ]
    by_meter = {one.meter: one for one in worklist(home, DAY)}
    assert (by_meter["A"].who, by_meter["C"].who) == ("office", "fitter")
    assert by_meter["F"].cause == causes()[OTHER].text


def test_nights_that_say_nothing_of_the_meter_neither_count_nor_clear_it(home: Home) -> None:
    nights(home, "A", "not-tried", "hls-refused")
    nights(home, "B", *["already-read"] * 9)
    put(home, row("C", state=State.WAITING), row("C", DAY - timedelta(days=1), state=State.REFUSED, code="identity"))
    put(home, row("D", state=State.RETRY, attempts=2, code="hls-refused"))
    put(home, row("E", state=State.FAILED, code=None))
    nights(home, "G", *["connect-timeout"] * 9, attempts=0)
    nights(home, "F", "connect-timeout", "worker-lost", "connect-timeout", "not-tried", "connect-timeout")
    assert listed(home) == [
        ("A", "hls-refused", "2026-03-03", 1, 3),
        ("C", "identity", "2026-03-03", 1, 0),
        ("D", "hls-refused", "2026-03-04", 1, 2),
        ("F", "connect-timeout", "2026-02-28", 3, 9),
    ]


def test_the_list_is_of_the_newest_night_and_of_the_meters_that_were_due_in_it(home: Home) -> None:
    assert worklist(home, DAY) == []
    for meter in ("A", "B"):
        put(home, row(meter, DAY - timedelta(days=1), state=State.REFUSED, attempts=1, code="hls-refused"))
    assert [one.meter for one in worklist(home, DAY)] == ["A", "B"]
    nights(home, "B", "hls-refused")
    assert listed(home) == [("B", "hls-refused", "2026-03-03", 2, 4)]
    assert worklist(home, DAY - timedelta(days=2)) == []


def test_a_clock_and_a_counter_are_listed_although_the_meter_is_read(home: Home) -> None:
    nights(home, "A", None, cell="c7")
    nights(home, "B", "hls-refused")
    key = {"sealed": b"", "origin": "operator", "imported_at": 0}
    with writing(home.engine) as connection:
        connection.execute(insert(drifts), [{"meter": name, "drift_s": -400, "at": 0} for name in ("A", "gone")])
        for name in ("A", "B"):
            connection.execute(insert(meter_keys), [{**key, "meter": name, "ek_fingerprint": name}])
            title = home.settings.own_title.hex()
            used = {"ek_fingerprint": name, "title": title, "next": WARN_COUNTER + 1}
            connection.execute(insert(counters), [used])
    found = worklist(home, DAY)
    assert [(one.meter, one.code) for one in found] == [
        ("A", "clock-beyond-norm"),
        ("A", "counter-near-end"),
        ("B", "counter-near-end"),
        ("B", "hls-refused"),
    ]
    assert (found[0].cell, found[0].since, found[0].tries) == ("c7", DAY, 0)


def test_a_clock_that_is_hours_off_does_not_drift_but_is_broken(home: Home) -> None:
    for name in ("A", "B"):
        nights(home, name, None)
    with writing(home.engine) as connection:
        rows = [{"meter": name, "drift_s": ahead_s, "at": 0} for name, ahead_s in (("A", -3_601), ("B", 3_600))]
        connection.execute(insert(drifts), rows)
    assert [(one.meter, one.code) for one in worklist(home, DAY)] == [("A", "clock-broken"), ("B", "clock-beyond-norm")]


def test_the_last_success_is_the_last_visit_that_was_done(home: Home) -> None:
    nights(home, "A", *["connect-timeout"] * 3)
    nights(home, "B", *["connect-timeout"] * 3)
    for meter, ended, outcome in (("A", CAME, "done"), ("A", CAME - timedelta(days=1), "done"), ("B", CAME, "x")):
        home.visits.record(
            VisitRecord(
                meter=meter,
                date=date(2026, 3, 2),
                started=ended,
                ended=ended,
                outcome=outcome,
                purpose="test",
                reason="",
                actor="os:test",
            )
        )
    home.visits.record(
        VisitRecord(
            meter="A",
            date=DAY,
            started=CAME + timedelta(days=1),
            ended=CAME + timedelta(days=1),
            outcome="connect-timeout",
            purpose="test",
            reason="",
            actor="os:test",
        )
    )
    assert [one.table()["last_success"] for one in worklist(home, DAY)] == ["2026-03-02T01:00:00Z", None]


def test_the_file_has_one_order_and_no_formula(home: Home) -> None:
    nights(home, "B,1", "hls-refused", cell='=HYPERLINK("http://x")', kind="-2+3")
    nights(home, "@A", "hls-refused", cell="\tx", kind="+1")
    text = as_csv(worklist(home, DAY))
    assert text == as_csv(worklist(home, DAY))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert tuple(lines[0]) == COLUMNS
    assert [(one["meter"], one["cell"], one["kind"]) for one in lines] == [
        ("'@A", "'\tx", "'+1"),
        ("B,1", '\'=HYPERLINK("http://x")', "'-2+3"),
    ]
    assert as_csv([]) == ",".join(COLUMNS) + "\n"
    work = worklist(home, DAY)[0]
    assert "E@A" not in text, "connections are not named"
    assert isinstance(replace(work, last_success=0), Work)


def test_the_table_explains_what_a_night_refuses_for_and_leaves_out_what_is_ours() -> None:
    known = {*explanations(), *Code, BROKEN, NO_ROWS, "not-tried", OTHER}
    assert {*causes(), *ours()} <= known
    assert set(causes()) >= DEFINITE
    assert set(UNREACHED) <= set(causes())
    assert ours() >= OUT_OF_OURS
    assert {verdict.value for verdict in Verdict if not verdict.granted} <= ours()
    assert not ours() & set(causes())
    for code, cause in causes().items():
        assert cause.who in ("fitter", "office"), code
        assert 1 <= cause.nights <= 3, code
        assert cause.text == cause.text.strip().rstrip("."), code
