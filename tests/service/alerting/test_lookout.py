"""What is counted in the database of a home for each condition."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, update

from kwartier.collect.due import State
from kwartier.database import writing
from kwartier.keys.counters import WARN_COUNTER
from kwartier.service.alerting import lookout
from kwartier.service.alerting.conditions import Code, Found, Tried
from kwartier.service.alerting.lookout import Lookout
from kwartier.service.files import DiskRoom
from kwartier.service.home import Home, open_home
from kwartier.tables import counters, drifts, dues, meter_keys
from tests.living import new_home
from tests.postgres import DATABASES, with_tables

DAY = date(2026, 3, 4)
MIDNIGHT = int(datetime(2026, 3, 5, tzinfo=ZoneInfo("Europe/Amsterdam")).timestamp())
CLOSES = MIDNIGHT + 6 * 3600
WITHOUT_FORECAST = frozenset(Code) - {Code.WILL_NOT_FINISH, Code.HOST_CLOCK, Code.DATABASE_AWAY}


@pytest.fixture(params=DATABASES)
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    if request.param != "sqlite":
        monkeypatch.setenv("KWARTIER_DATABASE", with_tables(str(request.param), tmp_path))
    new_home(tmp_path / "home")
    with open_home(tmp_path / "home") as opened:
        yield opened


def row(meter: str, day: date = DAY, **given: object) -> dict[str, object]:
    """A due meter that was stored at its first try, but for what is ``given``."""
    usual: dict[str, object] = {
        "day": day,
        "meter": meter,
        "ean": f"E{meter}",
        "dso": "",
        "timezone": "Europe/Amsterdam",
        "state": State.STORED,
        "earliest": MIDNIGHT,
        "next_at": MIDNIGHT,
        "deadline": CLOSES,
        "attempts": 0,
        "code": None,
        "quarters": 96,
        "present": 96,
        "cell": "",
        "kind": "Alpha 1",
    }
    return {**usual, **given}


def watcher(home: Home, closes_at: int | None = None, *, look_s: float = 0.0, thorough: bool = False) -> Lookout:
    """Looks at the night of ``DAY``, on a clock that goes on by ``look_s`` whenever somebody looks at it."""
    ticks = count()
    steady = lambda: look_s * next(ticks)  # noqa: E731 - a clock of one line
    return Lookout(home, DAY, closes_at=closes_at, steady=steady, thorough=thorough)


def put(home: Home, *rows: dict[str, object]) -> None:
    with writing(home.engine) as connection:
        connection.execute(insert(dues), list(rows))


def seen(home: Home, code: Code, *, now: float = MIDNIGHT, of: Lookout | None = None) -> list[Found]:
    look = (of or watcher(home)).look(now=now)
    assert look.codes - {Code.WILL_NOT_FINISH} == WITHOUT_FORECAST
    return [one for one in look.found if one.code is code]


def test_an_empty_home_finds_nothing_and_looks_for_all_it_can(home: Home) -> None:
    look = watcher(home, CLOSES).look(now=MIDNIGHT)
    assert look.found == ()
    assert look.codes == WITHOUT_FORECAST | {Code.WILL_NOT_FINISH}


def test_meters_that_were_not_tried_at_their_moment_are_counted(home: Home) -> None:
    put(home, *(row(f"M{number:03d}", state=State.WAITING, next_at=MIDNIGHT + 300) for number in range(100)))
    of = watcher(home, CLOSES)
    for at in range(0, 1321, 60):
        found = seen(home, Code.WILL_NOT_FINISH, now=MIDNIGHT + at, of=of)
        if at == 720:
            assert found == []
        with writing(home.engine) as connection:
            if at == 600:
                done = {"state": State.STORED, "settled_at": MIDNIGHT}
                connection.execute(update(dues).where(dues.c.meter == "M000").values(**done))
                leased = {"state": State.LEASED, "lease": "x"}
                connection.execute(update(dues).where(dues.c.meter == "M001").values(**leased))
                connection.execute(update(dues).where(dues.c.meter == "M002").values(**leased, attempts=1))
    (one,) = found
    assert one.subject == f"{DAY}"
    assert one.text.startswith("at 0 first tries a minute, 98 of 100 meters are left")


def test_only_meters_of_this_operator_are_counted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home, row("A", DAY - timedelta(days=7), state=State.FAILED, dso="Zuid"))
    assert len(seen(home, Code.DATA_LOSS_NEAR)) == 1
    monkeypatch.setenv("KWARTIER_DSO", "Noord")
    with open_home(home.path) as other:
        assert seen(other, Code.DATA_LOSS_NEAR) == []


def test_the_oldest_missing_day_of_each_meter_counts(home: Home) -> None:
    put(home, *(row("A", DAY - timedelta(days=back), state=State.FAILED, cell="c1") for back in range(9)))
    put(home, *(row("B", DAY - timedelta(days=back), state=State.REFUSED) for back in range(8)))
    put(home, *(row("C", DAY - timedelta(days=back), state=State.WAITING) for back in range(7)))
    put(home, *(row("D", DAY - timedelta(days=back)) for back in range(10)))
    put(home, row("E", DAY - timedelta(days=10), state=State.FAILED))
    found = seen(home, Code.DATA_LOSS_NEAR)
    assert [one.subject for one in found] == ["day 9 of 10, cell c1", "day 8 of 10, Alpha 1"]
    assert [one.text[-3:] for one in found] == ["(A)", "(B)"]


def test_clocks_and_counters_are_told_by_what_is_on_record(home: Home) -> None:
    put(home, row("A"), row("B"), row("C"))
    ours, theirs = home.settings.own_title.hex(), "00" * 8
    with writing(home.engine) as connection:
        connection.execute(
            insert(drifts),
            [{"meter": name, "drift_s": drift_s, "at": 0} for name, drift_s in (("A", -61), ("B", 60), ("X", 999))],
        )
        for name, following, title in (
            ("A", WARN_COUNTER + 1, ours),
            ("B", WARN_COUNTER, ours),
            ("C", 2 * WARN_COUNTER, theirs),
        ):
            key = {"meter": name, "sealed": b"", "ek_fingerprint": name, "origin": "operator", "imported_at": 0}
            connection.execute(insert(meter_keys), [key])
            connection.execute(insert(counters), [{"ek_fingerprint": name, "title": title, "next": following}])
        # A key that was replaced: its counter ends with it.
        connection.execute(insert(counters), [{"ek_fingerprint": "old", "title": ours, "next": 2 * WARN_COUNTER}])
    assert [one.text for one in seen(home, Code.CLOCK_BEYOND_NORM)] == [
        "Alpha 1: clocks are more than 60 s off, the worst -61 s: 1 meter (A)"
    ]
    assert [one.text for one in seen(home, Code.COUNTER_NEAR_END)] == [
        "invocation counters near their end: 1 meter (A)"
    ]


def test_a_disk_without_room_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(home, Code.NO_ROOM) == []
    monkeypatch.setattr(lookout, "room_for", lambda folder: DiskRoom(free_bytes=1 << 20, kept_bytes=2 << 20))
    (one,) = seen(home, Code.NO_ROOM)
    assert one.text == "1 MB are free, and 2 MB are kept for records"


def test_cohorts_are_meters_that_answered_the_night_before_and_were_tried_now(home: Home) -> None:
    before = DAY - timedelta(days=1)
    ill_before = [
        row("ill-1", before, state=State.FAILED, attempts=6),
        row("ill-2", before, state=State.STORED, attempts=2),
        row("ill-3", before, state=State.REFUSED, attempts=1),
    ]
    put(home, *ill_before, row("M1", before, attempts=1), row("M2", before))
    put(home, *(row(f"ill-{number}", cell="c1", state=State.FAILED, attempts=6) for number in (1, 2, 3)))
    put(
        home,
        row("M1", cell="c1"),
        row("M2", cell="c1", attempts=1, state=State.RETRY, code="connect-timeout"),
        row("M3", cell="c1", attempts=2, state=State.STORED),
        row("M4", cell="c1", attempts=2, state=State.LEASED, code="connect-timeout"),
        row("M5", cell="c2", attempts=1, state=State.REFUSED, code="hls-refused"),
        row("M6", cell="c2", attempts=0, state=State.WAITING, code="connect-timeout"),
        row("M7", cell="c2", attempts=0, state=State.WAITING),
        row("M8", cell="c2", attempts=0, state=State.FAILED, code="already-read"),
        row("M9", kind="Beta 2", attempts=0, state=State.LEASED, lease="x"),
    )
    of = watcher(home)
    assert of._cohorts(DAY) == {"cell c1": Tried(4, 2), "cell c2": Tried(2, 2), "Alpha 1": Tried(6, 4)}
    assert of._cohorts(before) == {"Alpha 1": Tried(5, 3)}


def test_a_cell_that_falls_silent_is_found_against_its_own_nights(home: Home) -> None:
    for back in range(1, 4):
        put(home, *(row(f"M{number:03d}", DAY - timedelta(days=back), cell="c1") for number in range(200)))
    silent = {"state": State.RETRY, "attempts": 2, "code": "connect-timeout"}
    put(home, *(row(f"M{number:03d}", DAY, cell="c1", **(silent if number < 12 else {})) for number in range(200)))
    found = seen(home, Code.SILENT_COHORT)
    assert [one.subject for one in found] == ["Alpha 1", "cell c1"]
    assert found[1].text.startswith("cell c1: 12 of 200 meters that answered the night before give nothing (6.00%, ")


def test_what_takes_long_is_looked_at_rarely_and_the_pace_of_the_night_every_time(home: Home) -> None:
    put(home, row("A", DAY - timedelta(days=7), state=State.FAILED), row("A", state=State.WAITING))
    of = watcher(home, CLOSES, look_s=20.0)
    codes = [of.look(now=MIDNIGHT).codes for _ in range(200)]
    assert all(Code.WILL_NOT_FINISH in one for one in codes)
    assert Code.SILENT_COHORT not in codes[0], "what is usual is learned a night at a time"
    assert Code.SILENT_COHORT in codes[-1]
    assert all(Code.DATA_LOSS_NEAR in one for one in codes)
    assert [one.code for one in of.look(now=MIDNIGHT).found] == [Code.DATA_LOSS_NEAR], "what was found stays"
    assert len(of._samples) == 201
    assert Code.SILENT_COHORT in watcher(home, look_s=20.0, thorough=True).look(now=MIDNIGHT).codes


def test_a_slow_look_is_followed_by_a_long_pause(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    time_s, slow = [0.0], list[float]()

    def takes_long(of: Lookout) -> list[str]:
        slow.append(time_s[0])
        time_s[0] += 30.0
        return []

    monkeypatch.setattr(lookout, "counters_near_end", takes_long)
    of = Lookout(home, DAY, closes_at=None, steady=lambda: time_s[0])
    for _ in range(20):
        of.look(now=MIDNIGHT)
        time_s[0] += 60.0
    assert slow == [0.0, 330.0, 660.0, 990.0]
