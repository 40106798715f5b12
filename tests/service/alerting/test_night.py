"""A night over a street in which things are wrong: it says so, tells whom it has to, and says who has to see to what."""

import base64
import csv
import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from kwartier.collect.due import State
from kwartier.database import writing
from kwartier.keys.counters import LAST_COUNTER, CounterKey
from kwartier.service.alerting import webhook
from kwartier.service.home import open_home
from kwartier.service.night import Request, watching
from kwartier.tables import drifts
from tests.living import new_home
from tests.service.alerting import test_lookout as march
from tests.service.alerting.test_lookout import put, row
from tests.service.alerting.test_webhook import SECRET, Got, receiver
from tests.service.street import installed, night, street
from tests.somebody import TESTER

DAY = date(2026, 1, 14)
PATIENCE_S = 120.0
METERS = 60
SILENT = [f"noord-{number:06d}" for number in range(1, 25, 2)]
WRONG_KEYS = "zuid-000002"
OFF = SILENT[0]
"""Its clock was off when it was last asked, and it cannot be asked tonight."""
FAULTS = f"[unreachable]\nattempts = 0\nmeters = {json.dumps(SILENT)}\n[wrong-key]\nattempts = 0\nmeters = ['{WRONG_KEYS}']\n"


def ran(home: Path, *words: str) -> tuple[int, str, str]:
    process = night(home, *words)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


@pytest.fixture
def home_of_a_bad_night(tmp_path: Path) -> Iterator[Path]:
    """Meters that answered for three nights and are silent now, one that was not read for long, and one whose clock is off."""
    faults = tmp_path / "faults.toml"
    faults.write_text(FAULTS)
    with street(tmp_path, METERS, "--faults", f"{faults}") as fleet:
        home = installed(tmp_path, fleet)
        with (fleet / "fleet.csv").open(encoding="utf-8") as file:
            meters = list(csv.DictReader(file))
        with open_home(home) as opened:
            for back in range(1, 10):
                day = DAY - timedelta(days=back)
                for one in meters:
                    failed = {"state": State.FAILED, "attempts": 3, "code": "connect-timeout"}
                    given = failed if one["meter"] == WRONG_KEYS and back < 9 else {}
                    named = {"ean": one["ean"], "cell": one["cell"], "kind": one["companion"]}
                    if back < 4 or given:
                        put(opened, row(one["meter"], day, **named, **given))
            with writing(opened.engine) as connection:
                connection.execute(insert(drifts), [{"meter": OFF, "drift_s": 90, "at": 0}])
        yield home


def test_a_night_tells_what_is_wrong_and_lists_who_has_to_see_to_what(home_of_a_bad_night: Path) -> None:
    home = home_of_a_bad_night
    secret = home / webhook.FILE_NAME
    secret.write_text(f"whsec_{base64.b64encode(SECRET).decode()}")
    secret.chmod(0o600)
    with receiver(503, 0) as (url, got):
        with (home / "kwartier.toml").open("a", encoding="utf-8") as out:
            out.write(f'alert_webhook = "{url}"\n')
        code, told, said = ran(home, "run", "--date", f"{DAY}", "--now", "--json")
        count = len(got)
        _, listed, err = ran(home, "alerts", "--date", f"{DAY}", "--json")
        assert (err, len(got)) == ("", count), "what was told is not told again"
    assert (code, json.loads(told)["read"]) == (0, METERS - len(SILENT) - 1)
    wanted = {
        ("clock-beyond-norm", "smr-5.5"),
        ("data-loss-near", "day 9 of 10, cell cell-zuid-0001"),
        ("silent-cohort", "cell cell-noord-0001"),
        ("silent-cohort", "smr-5.5"),
    }
    assert {(one["code"], one["subject"]) for one in json.loads(listed)} == wanted
    for alert, subject in wanted:
        assert f"alert {alert}, {subject}: " in said
    lines = [json.loads(line) for line in (home / "alerts.jsonl").read_text("utf-8").splitlines()]
    assert {(one["data"]["code"], one["data"]["subject"]) for one in lines} == wanted
    assert len(lines) == len(wanted)
    check(got, lines)
    work(home)


def check(got: list[Got], lines: list[dict[str, object]]) -> None:
    """Signed, tried until taken, each notice once from then on, and nobody's connection in it."""
    assert all(one.is_ours for one in got)
    assert len({got[number].headers["webhook-id"] for number in range(3)}) == 1
    taken = [one.headers["webhook-id"] for one in got[2:]]
    assert sorted(taken) == sorted(str(one["id"]) for one in lines)
    for one in got:
        assert not re.search(rb"(?<![0-9a-f])[0-9]{18}(?![0-9a-f])", one.body)  # an id may end in as many digits


def work(home: Path) -> None:
    """Those that were silent for one night are not on the list."""
    out = home / "work.csv"
    code, told, said = ran(home, "worklist", "--date", f"{DAY}", "--out", f"{out}")
    assert (code, told, said) == (0, "", f"2 lines in {out}\n")
    with out.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [(one["meter"], one["code"], one["who"], one["nights"], one["since"]) for one in lines] == [
        (OFF, "clock-beyond-norm", "fitter", "0", "2026-01-14"),
        (WRONG_KEYS, "association-refused", "office", "9", "2026-01-06"),
    ]
    code, told, _ = ran(home, "worklist", "--date", f"{DAY}")
    assert told == out.read_text("utf-8")
    assert ran(home, "worklist", "--out", f"{home}/none/x.csv")[0] == 2


def test_a_meter_whose_counter_is_spent_is_refused_alone_and_listed(tmp_path: Path) -> None:
    with street(tmp_path, 7, "--faults", "none") as fleet:
        home = installed(tmp_path, fleet)
        spent = ["noord-000003", "zuid-000002"]
        with open_home(home) as opened:
            counters, title = opened.keyring.counters, opened.settings.own_title.hex()
            for keys in opened.keyring.keys_of_many(spent).values():
                counters.raise_to(CounterKey(keys.ek_fingerprint, title), LAST_COUNTER)
        code, told, said = ran(home, "run", "--date", f"{DAY}", "--now", "--json")
        table = json.loads(told)
        assert (code, table["read"], table["causes"]) == (0, 5, {"counter-exhausted": 2})
        assert "alert counter-near-end, fleet: " in said
        _, told, _ = ran(home, "worklist", "--date", f"{DAY}", "--json")
    assert [(one["meter"], one["code"]) for one in json.loads(told)] == [
        (name, code) for name in spent for code in ("counter-exhausted", "counter-near-end")
    ]


def test_a_webhook_without_a_secret_does_not_keep_a_night_from_reading(tmp_path: Path) -> None:
    with street(tmp_path, 4, "--faults", "none") as fleet:
        home = installed(tmp_path, fleet, 'alert_webhook = "https://example.invalid/"')
        code, told, said = ran(home, "run", "--date", f"{DAY}", "--now", "--json")
        assert (code, json.loads(told)["read"]) == (0, 4)
        assert "[no-webhook-secret]" in said
        code, told, said = ran(home, "alerts", "--json")
        assert (code, json.loads(told)) == (0, [])
        assert "[no-webhook-secret]" in said


@pytest.mark.parametrize("at_once", [False, True])
def test_a_window_that_closes_with_meters_left_is_told_where_it_was_waited_for(tmp_path: Path, at_once: bool) -> None:
    new_home(tmp_path / "home")
    said: list[str] = []
    with open_home(tmp_path / "home") as home:
        put(home, *(row(name, state=State.WAITING) for name in "ABC"), row("D"))
        request = Request(day=march.DAY, workers=1, at_once=at_once, actor=TESTER)
        with watching(home, request, lambda: march.CLOSES, said.append):
            pass
    told = f"alert will-not-finish, {march.DAY}: the window closed at 05:00 UTC, and 3 of 4 meters had not been tried"
    assert said == ([] if at_once else [told])
