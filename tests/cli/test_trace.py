"""``kwartier trace``: a meter is named, and what its visit said is shown and copied."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from sqlalchemy import update

from kwartier.database import writing
from kwartier.service.home import open_home
from kwartier.tables import traces
from tests.cli.command import Ran, run
from tests.service.tracing.conftest import REASON, Place, Traced, built

__all__ = ["built"]
FAR = 4_000_000_000


@pytest.fixture
def home(built: Place, tmp_path: Path) -> Path:
    """A copy of the installation whose traces are kept whatever the clock of this machine says."""
    shutil.copytree(built.path, tmp_path / "home")
    with open_home(tmp_path / "home") as opened, writing(opened.engine) as connection:
        connection.execute(update(traces).values(expires_at=FAR))
    return tmp_path / "home"


@pytest.fixture
def traced(built: Place) -> Traced:
    return built.traced["wrapper"]


class Shell:
    """Runs ``kwartier trace`` in one home."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._home, self._capsys, self._monkeypatch = home, capsys, monkeypatch

    def __call__(self, *words: str) -> Ran:
        return run("--home", f"{self._home}", "trace", *words, capsys=self._capsys, monkeypatch=self._monkeypatch)


@pytest.fixture
def shell(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(home, capsys, monkeypatch)


def test_a_request_is_listed_until_the_visit_is_made(shell: Shell, traced: Traced) -> None:
    made = shell("request", traced.meter.meter, "--reason", "it says nothing", "--days", "2")
    assert made.code == 0
    listed = shell("list", traced.meter.meter, "--json")
    rows = {row["trace"]: row for row in json.loads(listed.out)}
    assert rows[made.out.strip()]["state"] == "waiting"
    assert rows[made.out.strip()]["reason"] == "it says nothing"
    kept = rows[traced.trace]
    assert (kept["state"], kept["outcome"], kept["meter"], kept["from"]) == (
        "kept", "done", traced.meter.meter, "2026-11-24",
    )  # fmt: skip  # what it says, in the order in which it is asked
    table = shell("list")
    assert traced.trace in table.out
    assert table.out.splitlines()[0].split()[:3] == ["trace", "meter", "state"]
    told = shell("request", traced.meter.meter, "--reason", "again", "--json")
    assert json.loads(told.out)["state"] == "waiting"


def test_without_a_reason_or_a_meter_nothing_is_traced(shell: Shell, traced: Traced) -> None:
    refused = shell("request", traced.meter.meter, "--reason", " ")
    assert (refused.code, "[no-reason]" in refused.err) == (2, True)
    unknown = shell("request", "nobody", "--reason", REASON)
    assert (unknown.code, "[unknown-meter]" in unknown.err) == (2, True)


def test_it_is_shown_without_values_unless_the_purpose_is_one_for_them(shell: Shell, traced: Traced) -> None:
    register = f"double-long-unsigned {int(traced.readings.registers['import_wh'][5])}"
    masked = shell("show", traced.trace)
    assert masked.code == 0
    assert "values are not shown" in masked.err
    assert "system title" in masked.out
    assert "ciphertext: **" in masked.out
    assert register not in masked.out
    shown = shell("show", traced.trace, "--purpose", "complaint", "--reason", REASON)
    assert "values are shown" in shown.err
    assert register in shown.out
    table = json.loads(shell("show", traced.trace, "--purpose", "complaint", "--json").out)
    assert set(table) == {"trace", "purpose", "grant", "masked", "frames", "fields"}
    assert {frame["way"] for frame in table["frames"]} == {"sent", "received"}
    assert set(table["fields"][0]) == {"layer", "name", "role", "depth", "at", "plain", "masked", "text"}
    assert len(shown.out.splitlines()) > len(table["frames"])
    refused = shell("show", traced.trace, "--purpose", "settlement")
    assert (refused.code, "[wrong-source]" in refused.err) == (1, True)
    lost = shell("show", "nothing")
    assert (lost.code, "[unknown-trace]" in lost.err) == (2, True)


def test_a_copy_is_a_piece_of_a_vector_file(shell: Shell, traced: Traced) -> None:
    made = shell("copy", traced.trace, "--purpose", "complaint", "--reason", REASON)
    assert (made.code, made.err) == (0, "")
    (row,) = tomllib.loads(made.out)["capture"]
    assert row["layers"][0] == "wrapper"
    (told,) = json.loads(shell("copy", traced.trace, "--purpose", "complaint", "--json").out)
    assert (told["text"], told["left_out"]) == (made.out, 0)
    for purpose, code in (("maintenance", "no-consumption"), ("", "no-purpose")):
        refused = shell("copy", traced.trace, "--purpose", purpose)
        assert (refused.code, f"[{code}]" in refused.err) == (1, True)
