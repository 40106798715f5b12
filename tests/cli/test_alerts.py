"""``kwartier night alerts`` and ``kwartier night worklist``, and what `doctor` says of a webhook."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from kwartier.collect.due import State
from kwartier.service.alerting import webhook
from kwartier.service.home import open_home
from tests.cli.command import run
from tests.living import new_home
from tests.service.alerting.test_lookout import DAY, put, row


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """One meter of which eight days are missing, and one that has other keys."""
    new_home(tmp_path / "home")
    with open_home(tmp_path / "home") as opened:
        lost = {"state": State.FAILED, "attempts": 3, "code": "connect-timeout"}
        put(opened, *(row("lost", DAY - timedelta(days=back), **lost) for back in range(8)))
        put(opened, row("keys", state=State.REFUSED, attempts=1, code="hls-refused", cell="c1"))
    return tmp_path / "home"


def test_alerts_are_found_shown_and_told_once(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--home", f"{home}", "night", "alerts", "--date", f"{DAY}")
    ran = run(*words, capsys=capsys, monkeypatch=monkeypatch)
    text = "day 8 of 10 before data are lost: 1 meter (lost)"
    assert (ran.code, ran.err) == (0, f"alert data-loss-near, day 8 of 10, Alpha 1: {text}\n")
    header, line = ran.out.splitlines()
    assert header.split() == ["since", "until", "code", "about", "what"]
    assert line.endswith(f"open   data-loss-near  day 8 of 10, Alpha 1  {text}")
    ran = run(*words, "--json", capsys=capsys, monkeypatch=monkeypatch)
    assert (ran.code, ran.err) == (0, "")
    (alert,) = json.loads(ran.out)
    assert (alert["code"], alert["ended_at"]) == ("data-loss-near", None)
    assert alert["runbook"] == "docs/operations.md#data-loss-near"
    assert len((home / "alerts.jsonl").read_text("utf-8").splitlines()) == 1


def test_the_work_list_goes_to_stdout_a_file_or_json(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--home", f"{home}", "night", "worklist", "--date", f"{DAY}")
    ran = run(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert (ran.code, ran.err) == (0, "")
    assert [line.split(",")[0] for line in ran.out.splitlines()] == ["meter", "keys", "lost"]
    out = home / "work.csv"
    out.write_text("what was there before")
    assert run(*words, "--out", f"{out}", capsys=capsys, monkeypatch=monkeypatch).err == f"2 lines in {out}\n"
    assert out.read_text("utf-8") == ran.out
    table = json.loads(run(*words, "--json", capsys=capsys, monkeypatch=monkeypatch).out)
    assert [(one["meter"], one["who"], one["nights"]) for one in table] == [
        ("keys", "office", 1),
        ("lost", "fitter", 8),
    ]
    ran = run(*words, "--out", f"{home}/none/x.csv", capsys=capsys, monkeypatch=monkeypatch)
    assert (ran.code, ran.err.endswith("[unwritable-file]\n")) == (2, True)


def test_doctor_says_whether_alerts_can_be_sent(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> str | None:
        ran = run("--home", f"{home}", "doctor", "--json", capsys=capsys, monkeypatch=monkeypatch)
        return {one["name"]: one["state"] for one in json.loads(ran.out)["checks"]}.get("webhook")

    assert found() is None
    monkeypatch.setenv("KWARTIER_ALERT_WEBHOOK", "http://example.org/")
    monkeypatch.setenv(webhook.ENVIRONMENT, "whsec_" + "QUJD" * 8)
    assert found() == "fail"
    monkeypatch.setenv("KWARTIER_ALERT_WEBHOOK", "https://example.org/")
    assert found() == "ok"
    monkeypatch.delenv(webhook.ENVIRONMENT)
    assert found() == "fail"
