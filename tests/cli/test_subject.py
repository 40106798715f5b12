"""``kwartier subject`` and ``kwartier breach``: what they print, and with which code they leave."""

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import update

from kwartier.database import writing
from kwartier.service.home import open_home
from kwartier.tables import requests
from tests.service.subject.planted import OLD, ONE_DAY, YOUNG, ean, planted_home

SPAN = ("--from", f"{OLD[0]}", "--to", f"{OLD[-1] + ONE_DAY}")
PATIENCE_S = 60


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return planted_home(tmp_path, "sqlite", "aes-gcm")


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kwartier", "--home", str(home), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env={**os.environ, "KWARTIER_HOME": ""},
    )


def told(home: Path, *words: str) -> dict[str, object]:
    ran = run(home, *words)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert isinstance(found, dict)
    return found


def test_an_export_in_each_form_goes_to_a_file_or_to_stdout_and_is_written_down(home: Path, tmp_path: Path) -> None:
    found = told(home, "subject", "export", ean(1), *SPAN)
    assert len(found["readings"]) == 4 * 96 + 1  # type: ignore[arg-type]  # a list
    ran = run(home, "subject", "export", ean(1), *SPAN, "--format", "csv")
    assert {row["record"] for row in csv.DictReader(io.StringIO(ran.stdout))} >= {"reading", "use", "request"}
    out = tmp_path / "out.xml"
    ran = run(home, "subject", "export", ean(1), *SPAN, "--format", "espi", "--out", str(out))
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ET.parse(out).getroot().tag.endswith("feed")
    listed = run(home, "subject", "history", ean(1), "--json")
    uses = json.loads(listed.stdout)
    assert [one["purpose"] for one in uses if one["kind"] == "named"][-3:] == ["customer"] * 3
    assert "customer" in run(home, "subject", "history", ean(1), *SPAN).stdout
    kinds = [one["kind"] for one in json.loads(run(home, "subject", "requests", ean(1), "--json").stdout)]
    assert kinds == ["export", "export", "export", "history", "history"]


def test_of_an_unknown_connection_nothing_can_be_asked(home: Path) -> None:
    for words in (
        ("export", ean(9)),
        ("history", ean(9)),
        ("erase", ean(9), "--ground", "unlawful"),
        ("object", ean(9)),
    ):
        ran = run(home, "subject", *words)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "unknown-connection" in ran.stderr


def test_erasure_is_told_with_its_articles_and_done_now_if_asked(home: Path) -> None:
    words = ("subject", "erase", ean(1), "--ground", "no-longer-needed", "--now")
    refused = told(home, *words, "--from", f"{datetime.now(UTC).date()}", "--json")
    assert refused["outcome"] == "refused"
    assert refused["receipt"] == ""
    ran = run(home, *words)
    assert ran.returncode == 0, ran.stderr
    assert "receipt" in ran.stdout
    listed = json.loads(run(home, "subject", "requests", "--json").stdout)
    assert [(one["state"], one["connection"]) for one in listed] == [("refused", ean(1)), ("done", None)]
    ran = run(home, "subject", "erase", ean(1), "--ground", "because")
    assert ran.returncode == 2
    assert "unknown-ground" in ran.stderr


def test_a_dispute_is_opened_and_settled_and_holds_are_lifted(home: Path, tmp_path: Path) -> None:
    days = ("--from", f"{OLD[2]}", "--to", f"{OLD[3]}")
    made = told(home, "subject", "rectify", ean(1), *days, "--reason", "too much", "--json")
    file = tmp_path / "c.csv"
    file.write_text(f"meter,quarter_end,import_wh,export_wh\nm1,{OLD[2]}T12:00:00Z,5,\n")
    settle = ("subject", "rectify", ean(1), "--request", str(made["request"]), "--reason", "seen")
    assert run(home, *settle, "--outcome", "corrected").returncode == 2
    ran = run(home, *settle, "--outcome", "corrected", "--with", str(file))
    assert (ran.returncode, ran.stderr) == (0, "a new version of 1 days is stored\n")
    again = told(home, "subject", "rectify", ean(1), *days, "--json")
    ran = run(home, "subject", "rectify", ean(1), "--request", str(again["request"]), "--outcome", "right")
    assert ran.returncode == 0, ran.stderr
    held = told(home, "subject", "restrict", ean(1), "--ground", "unlawful", "--json")
    objected = told(home, "subject", "object", ean(1), "--reason", "no", "--json")
    for one in (held, objected):
        assert run(home, "subject", "lift", str(one["hold"]), "--reason", "settled").returncode == 0
    assert "no longer" not in run(home, "subject", "lift", str(held["hold"]), "--reason", "settled").stderr


def test_what_is_overdue_is_said(home: Path) -> None:
    made = told(home, "subject", "rectify", ean(1), "--json")
    assert run(home, "subject", "requests").returncode == 0
    with open_home(home) as opened, writing(opened.engine) as connection:
        connection.execute(update(requests).values(due_at=1))
    ran = run(home, "subject", "requests")
    assert ran.returncode == 1
    assert str(made["request"]) in ran.stderr


def test_a_breach_is_told_with_its_clock(home: Path) -> None:
    now = datetime.now(UTC)
    at = ("--from", "2026-11-26T00:00", "--to", "2026-11-27T00:00Z", "--purpose", "complaint")
    ran = run(home, "breach", "report", *at, "--discovered-at", (now - timedelta(hours=3)).isoformat(), "--json")
    found = json.loads(ran.stdout)
    assert found["connections"] == sorted(ean(number) for number in range(3))
    assert 68 * 3600 < found["left_s"] <= 69 * 3600
    rows = list(csv.DictReader(io.StringIO(run(home, "breach", "report", *at, "--csv").stdout)))
    assert len(rows) == 3 * (len(OLD) + len(YOUNG))
    shown = run(home, "breach", "report", *at)
    assert "71 hours left" in shown.stdout or "72 hours left" in shown.stdout
    assert run(home, "breach", "report", "--from", "yesterday", "--to", "today").returncode == 2
