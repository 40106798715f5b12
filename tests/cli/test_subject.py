"""``kwartier subject`` and ``kwartier breach``: what they print, and with which code they leave."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import update

from kwartier.database import writing
from kwartier.service.home import open_home
from kwartier.tables import requests
from tests.cli.command import Ran, run
from tests.service.subject.planted import OLD, ONE_DAY, YOUNG, ean, planted_home

SPAN = ("--from", f"{OLD[0]}", "--to", f"{OLD[-1] + ONE_DAY}")
PATIENCE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """``kwartier WORDS`` on a home with readings."""

    home: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *words: str) -> Ran:
        return run("--home", str(self.home), *words, capsys=self.capsys, monkeypatch=self.monkeypatch)

    def told(self, *words: str) -> dict[str, object]:
        """What it says as JSON, when it succeeds."""
        ran = self(*words)
        assert ran.code == 0, ran.err
        found = json.loads(ran.out)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(home=planted_home(tmp_path, "sqlite", "aes-gcm"), capsys=capsys, monkeypatch=monkeypatch)


def test_an_export_in_each_form_goes_to_a_file_or_to_stdout_and_is_written_down(
    command: Command, tmp_path: Path
) -> None:
    found = command.told("subject", "export", ean(1), *SPAN)
    assert len(found["readings"]) == 4 * 96 + 1  # type: ignore[arg-type]  # readings are a list
    # One in a process of its own, as the shell would.
    words = [sys.executable, "-m", "kwartier", "--home", str(command.home), "subject", "export", ean(1), *SPAN]
    rows = subprocess.run([*words, "--format", "csv"], capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    assert {row["record"] for row in csv.DictReader(io.StringIO(rows.stdout))} >= {"reading", "use", "request"}
    out = tmp_path / "out.xml"
    ran = command("subject", "export", ean(1), *SPAN, "--format", "espi", "--out", str(out))
    assert (ran.code, ran.out) == (0, "")
    assert ET.parse(out).getroot().tag.endswith("feed")
    uses = json.loads(command("subject", "history", ean(1), "--json").out)
    assert [one["purpose"] for one in uses if one["kind"] == "named"][-3:] == ["customer"] * 3
    assert "customer" in command("subject", "history", ean(1), *SPAN).out
    listed = json.loads(command("subject", "requests", ean(1), "--json").out)
    # Within a second they come in any order.
    assert [one["at"] for one in listed] == sorted(one["at"] for one in listed)
    assert sorted(one["kind"] for one in listed) == ["export", "export", "export", "history", "history"]


def test_of_an_unknown_connection_nothing_can_be_asked(command: Command) -> None:
    for words in (
        ("export", ean(9)),
        ("history", ean(9)),
        ("erase", ean(9), "--ground", "unlawful"),
        ("object", ean(9)),
    ):
        ran = command("subject", *words)
        assert (ran.code, ran.out) == (2, "")
        assert "unknown-connection" in ran.err


def test_erasure_is_told_with_its_articles_and_done_now_if_asked(command: Command) -> None:
    words = ("subject", "erase", ean(1), "--ground", "no-longer-needed", "--now")
    refused = command.told(*words, "--from", f"{datetime.now(UTC).date()}", "--json")
    assert refused["outcome"] == "refused"
    assert refused["receipt"] == ""
    ran = command(*words)
    assert ran.code == 0, ran.err
    assert "receipt" in ran.out
    listed = json.loads(command("subject", "requests", "--json").out)
    assert {(one["state"], one["connection"]) for one in listed} == {("refused", ean(1)), ("done", None)}
    assert len(listed) == 2
    ran = command("subject", "erase", ean(1), "--ground", "because")
    assert ran.code == 2
    assert "unknown-ground" in ran.err


def test_a_dispute_is_opened_and_settled_and_holds_are_lifted(command: Command, tmp_path: Path) -> None:
    days = ("--from", f"{OLD[2]}", "--to", f"{OLD[3]}")
    made = command.told("subject", "rectify", ean(1), *days, "--reason", "too much", "--json")
    file = tmp_path / "c.csv"
    file.write_text(f"meter,quarter_end,import_wh,export_wh\nm1,{OLD[2]}T12:00:00Z,5,\n")
    settle = ("subject", "rectify", ean(1), "--request", str(made["request"]), "--reason", "seen")
    assert command(*settle, "--outcome", "corrected").code == 2
    ran = command(*settle, "--outcome", "corrected", "--with", str(file))
    assert (ran.code, ran.err) == (0, "a new version of 1 days is stored\n")
    again = command.told("subject", "rectify", ean(1), *days, "--json")
    ran = command("subject", "rectify", ean(1), "--request", str(again["request"]), "--outcome", "right")
    assert ran.code == 0, ran.err
    held = command.told("subject", "restrict", ean(1), "--ground", "unlawful", "--json")
    objected = command.told("subject", "object", ean(1), "--reason", "no", "--json")
    for one in (held, objected):
        assert command("subject", "lift", str(one["hold"]), "--reason", "settled").code == 0
    assert "no longer" not in command("subject", "lift", str(held["hold"]), "--reason", "settled").err


def test_what_is_overdue_is_said(command: Command) -> None:
    made = command.told("subject", "rectify", ean(1), "--json")
    assert command("subject", "requests").code == 0
    with open_home(command.home) as opened, writing(opened.engine) as connection:
        connection.execute(update(requests).values(due_at=1))
    ran = command("subject", "requests")
    assert ran.code == 1
    assert str(made["request"]) in ran.err


def test_a_breach_is_told_with_its_clock(command: Command) -> None:
    now = datetime.now(UTC)
    at = ("--from", "2026-11-26T00:00", "--to", "2026-11-27T00:00Z", "--purpose", "complaint")
    ran = command("breach", "report", *at, "--discovered-at", (now - timedelta(hours=3)).isoformat(), "--json")
    found = json.loads(ran.out)
    assert found["connections"] == sorted(ean(number) for number in range(3))
    assert 68 * 3600 < found["left_s"] <= 69 * 3600
    rows = list(csv.DictReader(io.StringIO(command("breach", "report", *at, "--csv").out)))
    assert len(rows) == 3 * (len(OLD) + len(YOUNG))
    shown = command("breach", "report", *at)
    assert "71 hours left" in shown.out or "72 hours left" in shown.out
    assert command("breach", "report", "--from", "yesterday", "--to", "today").code == 2
