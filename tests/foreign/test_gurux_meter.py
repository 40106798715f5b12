"""``kwartier read`` against a meter whose bytes are all made by gurux_dlms: another process, another implementation."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from kwartier.service import host_time
from kwartier.service.home import open_home
from kwartier.service.reading import Request, read
from tests.cli.command import Ran, run
from tests.foreign.truth import QUARTER_S, SUMMER, is_summer, midnight, rows
from tests.somebody import TESTER

TITLE = "4752583030303031"
EK, AK = "000102030405060708090A0B0C0D0E0F", "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"
BUFFER_ROWS = 960
TIMEOUT_S = 60
Command = Callable[..., Ran]


@contextmanager
def meter(**config: object) -> Iterator[int]:
    """A meter in a process of its own; its port."""
    text = json.dumps({"title": TITLE, "ek": EK, "ak": AK, **config})
    words = [sys.executable, "-m", "tests.foreign.gurux_meter", text]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()
            process.wait(TIMEOUT_S)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "home"))
    return lambda *words: run(*words, capsys=capsys, monkeypatch=monkeypatch)


def introduce(command: Command, folder: Path, port: int, *, companion: str = "smr-5.0", **more: object) -> None:
    """A home that knows the meter ``g1`` at ``port``."""
    fields = {
        "meter": "g1",
        "ean": "200000000000000004",
        "host": "127.0.0.1",
        "port": port,
        "system_title": TITLE,
        "companion": companion,
        **more,
    }
    (folder / "fleet.csv").write_text(",".join(fields) + "\n" + ",".join(map(str, fields.values())) + "\n")
    (folder / "keys.csv").write_text(f"meter,kek,ak,ek,origin\ng1,{'00' * 16},{AK},{EK},operator\n")
    for words in (("init",), ("fleet", "import", folder / "fleet.csv"), ("keys", "import", folder / "keys.csv")):
        done = command(*map(str, words))
        assert done.code == 0, done.err


def recovering_at_once(folder: Path) -> None:
    """A companion of this home whose meters want no pause between recovery and the next association."""
    companions = folder / "home" / "companions"
    companions.mkdir(parents=True)
    (companions / "hasty.toml").write_text(
        'extends = "smr-5.0"\ntitle = "hasty"\nabout = "for tests"\n[security]\nrecovery_pause_s = 0\n'
    )


def stamp(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check(table: dict[str, Any], start: str, end: str, first: int, count: int) -> None:
    """Every row of ``table`` is that of the meter, in number, time, status and registers."""
    truth = {row.time: row for row in rows(first, count)}
    opening, closing = midnight(start), midnight(end)
    wanted = range(opening, closing + 1, QUARTER_S)
    printed = [table["opening"], *table["rows"]]
    assert [row["time"] for row in printed] == [stamp(time) for time in wanted]
    found = [(row["status"], row["clock_status"], row["import_wh"], row["export_wh"]) for row in printed]
    assert found == [
        (truth[time].status, SUMMER if is_summer(time) else 0, truth[time].import_wh, truth[time].export_wh)
        for time in wanted
    ]


@pytest.mark.parametrize("transport", ["wrapper", "hdlc"])
@pytest.mark.parametrize("max_pdu", [128, 512, 4096])
@pytest.mark.parametrize(("start", "end"), [("2026-03-04", "2026-03-05"), ("2026-03-01", "2026-03-10")])
def test_one_day_and_nine_at_every_size(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
    max_pdu: int,
    start: str,
    end: str,
) -> None:
    monkeypatch.setenv("KWARTIER_MAX_PDU", str(max_pdu))
    first = midnight("2026-03-01") - 8 * QUARTER_S
    with meter(first=first, count=BUFFER_ROWS, transport=transport) as port:
        introduce(command, tmp_path, port, transport=transport)
        ran = command("read", "g1", "--from", start, "--to", end, "--json")
    assert ran.code == 0, ran.err
    check(json.loads(ran.out), start, end, first, BUFFER_ROWS)


@pytest.mark.parametrize(
    ("day", "next_day", "quarters"), [("2026-03-29", "2026-03-30", 92), ("2025-10-26", "2025-10-27", 100)]
)
def test_days_on_which_clocks_change(command: Command, tmp_path: Path, day: str, next_day: str, quarters: int) -> None:
    first = midnight(day) - 96 * QUARTER_S
    with meter(first=first, count=300) as port:
        introduce(command, tmp_path, port)
        ran = command("read", "g1", "--from", day, "--to", next_day, "--json")
    table = json.loads(ran.out)
    assert len(table["rows"]) == quarters
    check(table, day, next_day, first, 300)


@pytest.mark.parametrize("transport", ["wrapper", "hdlc"])
def test_its_clock_is_set_in_its_own_words(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    monkeypatch.setattr(host_time, "synchronised", lambda: True)
    monkeypatch.setenv("KWARTIER_SYNCHRONISED_CLOCK", "true")
    monkeypatch.setenv("KWARTIER_CLOCK_CORRECTION", "steps")
    first = midnight("2026-03-04")
    now = midnight("2026-03-05") + 3600 + 400
    day = date(2026, 3, 4)
    with meter(first=first, count=101, transport=transport, shows=now + 60) as port:
        introduce(command, tmp_path, port, transport=transport)
        found = []
        with open_home(tmp_path / "home") as home:
            for day_of_visit in range(2):
                at = now + 86_400 * day_of_visit
                request = Request(meter="g1", start=day, end=date(2026, 3, 5), actor=TESTER)
                report = read(home, request, wall=lambda at=at: float(at))  # type: ignore[misc]  # bound now
                found.append((report.record.outcome, *(one.code for one in report.findings)))
                assert report.visit.result is not None
                after_s = report.visit.result.left_s
                assert day_of_visit or after_s == pytest.approx(30, abs=2)
    # Its clock stands still, so a day later it is broken by any measure.
    assert found == [("done", "clock-corrected"), ("done", "clock-broken")]


def test_as_a_process_of_its_own(command: Command, tmp_path: Path) -> None:
    first = midnight("2026-03-03")
    with meter(first=first, count=300) as port:
        introduce(command, tmp_path, port)
        words = [sys.executable, "-m", "kwartier", "read", "g1", "--from", "2026-03-04", "--to", "2026-03-05", "--json"]
        ran = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    check(json.loads(ran.stdout), "2026-03-04", "2026-03-05", first, 300)


@pytest.mark.parametrize(
    "manner",
    [
        {"general": True},
        {"general": True, "titled": False},
        {"clear_release": True},
        {"columns": [1, 0, 3, 2]},
    ],
    ids=["general-glo", "empty title", "clear release only", "another order of columns"],
)
def test_manners_of_real_meters(command: Command, tmp_path: Path, manner: dict[str, object]) -> None:
    first = midnight("2026-03-03")
    with meter(first=first, count=300, **manner) as port:
        introduce(command, tmp_path, port)
        ran = command("read", "g1", "--from", "2026-03-04", "--to", "2026-03-05", "--json")
    assert ran.code == 0, ran.err
    check(json.loads(ran.out), "2026-03-04", "2026-03-05", first, 300)


def test_a_counter_that_fell_behind_is_recovered_once_through_the_public_client(
    command: Command, tmp_path: Path
) -> None:
    recovering_at_once(tmp_path)
    first = midnight("2026-03-03")
    with meter(first=first, count=300, expects=5000) as port:
        introduce(command, tmp_path, port, companion="hasty")
        table = json.loads(command("read", "g1", "--from", "2026-03-04", "--json").out)
        request = Request(meter="g1", start=date(2026, 3, 4), end=date(2026, 3, 5), actor=TESTER)
        with open_home(tmp_path / "home") as home:
            again = read(home, request, wall=lambda: time.time() + 86_400)
    check(table, "2026-03-04", "2026-03-05", first, 300)
    assert table["visit"]["attempts"] == 2
    # Its clock stands still in March.
    assert [one["code"] for one in table["visit"]["findings"]] == ["counter-recovered", "clock-broken"]
    assert (again.visit.attempts, [one.code for one in again.findings]) == (1, ["clock-broken"])


def test_a_counter_that_is_far_behind_needs_an_operator(command: Command, tmp_path: Path) -> None:
    recovering_at_once(tmp_path)
    with meter(first=midnight("2026-03-03"), count=300, expects=3_000_000_000) as port:
        introduce(command, tmp_path, port, companion="hasty")
        ran = command("read", "g1", "--from", "2026-03-04", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert "[counter-jump]" in ran.err


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"ek": "FF" * 16}, "association-refused"),
        ({"ak": "FF" * 16}, "bad-tag"),
        ({"title": "4752583030303032"}, "identity"),
    ],
    ids=["another encryption key", "another authentication key", "another title"],
)
def test_a_meter_that_is_not_who_it_should_be_gives_no_rows(
    command: Command, tmp_path: Path, wrong: dict[str, object], code: str
) -> None:
    recovering_at_once(tmp_path)
    with meter(**{"first": midnight("2026-03-03"), "count": 300, **wrong}) as port:
        introduce(command, tmp_path, port, companion="hasty")
        ran = command("read", "g1", "--from", "2026-03-04", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert f"[{code}]" in ran.err
    assert ran.err.count("\n") == 1
