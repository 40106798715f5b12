"""``kwartier market`` and ``kwartier simulate market``: what the one writes the other takes in."""

import json
from datetime import date
from pathlib import Path

import pytest

from kwartier.simulate import truth
from kwartier.simulate.world import World
from tests.cli.command import Command
from tests.living import new_home
from tests.market.files import ENERGY, MARKET, supply, write

DAY = "2026-03-29"
FILES = ("market.csv", "infeed.csv", "losses.csv", "fractions.csv")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    monkeypatch.setenv("KWARTIER_HOME", str(path))
    new_home(path)
    return path


@pytest.fixture
def kwartier(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


@pytest.fixture
def files(kwartier: Command, tmp_path: Path) -> list[Path]:
    """What a fleet of sixty has the market say of a day with 92 quarters."""
    (tmp_path / truth.FILE).write_text(truth.dump(World(seed=4, count=60), None))
    ran = kwartier("simulate", "market", tmp_path, "--from", DAY, "--out", tmp_path / "market")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    return [tmp_path / "market" / name for name in FILES]


def test_what_is_simulated_is_taken_in_and_nothing_is_missing(kwartier: Command, files: list[Path]) -> None:
    ran = kwartier("market", "import", *files)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines() == [
        "market.csv: market: 60 new or changed, 0 unchanged, 0 refused: revision 1",
        "infeed.csv: infeed: 368 new or changed, 0 unchanged, 0 refused: revision 2",
        "losses.csv: losses: 368 new or changed, 0 unchanged, 0 refused: revision 3",
        "fractions.csv: fractions: 736 new or changed, 0 unchanged, 0 refused: revision 4",
    ]
    shown = json.loads(kwartier("market", "show", "--day", DAY, "--json").out)
    assert (shown["day"], shown["revision"]) == (DAY, 4)
    assert [one["grid_area"] for one in shown["areas"]] == ["GA-oost", "GA-west"]
    assert sum(sum(one["connections"].values()) for one in shown["areas"]) == 60
    assert [one["missing"] for one in shown["areas"]] == [[], []]
    assert shown["areas"][0]["infeed"] == {"import": 92, "export": 92}
    assert shown["areas"][0]["fractions"]["E1A"] == {"import": 92, "export": 92}
    again = kwartier("market", "import", *files)
    assert again.code == 0
    assert again.err.count("nothing new, so no revision") == 4
    listed = json.loads(kwartier("market", "revisions", "--json").out)["revisions"]
    assert [(one["revision"], one["kind"], one["rows"]) for one in listed] == [
        (1, "market", 60),
        (2, "infeed", 368),
        (3, "losses", 368),
        (4, "fractions", 736),
    ]
    assert kwartier("market", "revisions").out.splitlines()[0].split()[:3] == ["revision", "kind", "known_at"]


def test_what_is_missing_is_shown_for_an_area_a_day_and_a_revision(kwartier: Command, files: list[Path]) -> None:
    kwartier("market", "import", *files)
    lines = kwartier("market", "show", "--day", DAY, "--area", "GA-west", "--revision", "2").out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("GA-west")
    assert "losses (import): 0 of 92 quarters" in lines[1]
    assert "infeed" not in lines[1]
    assert kwartier("market", "show", "--day", DAY).out.count("nothing") == 2
    other = json.loads(kwartier("market", "show", "--day", "2026-03-30", "--json").out)["areas"]
    assert all(len(one["missing"]) == 8 for one in other)
    assert json.loads(kwartier("market", "show", "--json").out)["areas"][0]["quarters"] in (92, 96, 100)
    ran = kwartier("market", "show", "--revision", "9")
    assert (ran.code, ran.out) == (2, "")
    assert "[unknown-revision]" in ran.err


def test_a_bad_row_is_named_or_skipped_and_written_aside(kwartier: Command, tmp_path: Path) -> None:
    path = write(tmp_path / "market.csv", MARKET, [supply(1), supply(2, method="none")])
    ran = kwartier("market", "import", path)
    assert (ran.code, ran.out) == (2, "")
    assert "market.csv: 1 bad row: line 3, column method: 'none' is none of SMA, cSMA, PRF" in ran.err
    ran = kwartier("market", "import", path, "--skip-bad")
    assert ran.code == 0
    assert "1 new or changed, 0 unchanged, 1 refused: revision 1" in ran.err
    assert "none" in (tmp_path / "market.csv.refused.csv").read_text()


def test_a_file_that_cannot_be_told_stops_all_before_the_first_is_taken_in(kwartier: Command, tmp_path: Path) -> None:
    good = write(tmp_path / "market.csv", MARKET, [supply(1)])
    unclear = write(tmp_path / "march.csv", ENERGY, ["GA-1,2026-03-09T23:15Z,import,5"])
    ran = kwartier("market", "import", good, unclear)
    assert ran.code == 2
    assert "[unclear-kind]" in ran.err
    assert "--kind" in ran.err
    assert json.loads(kwartier("market", "revisions", "--json").out) == {"revisions": []}
    assert "march.csv: losses: 1 new" in kwartier("market", "import", unclear, "--kind", "losses").err
    ran = kwartier("market", "import", good, unclear, "--refused", tmp_path / "aside.csv")
    assert (ran.code, "--refused goes with one file" in ran.err) == (2, True)


def test_it_takes_a_role_to_say_what_the_market_says(kwartier: Command, home: Path, tmp_path: Path) -> None:
    with (home / "kwartier.toml").open("a") as settings:
        settings.write('\n[roles]\n"os:*" = ["customer-desk"]\n')
    ran = kwartier("market", "import", write(tmp_path / "market.csv", MARKET, [supply(1)]))
    assert ran.code == 1
    assert "[no-role]" in ran.err
    assert "registry, settlement" in ran.err


def test_simulated_days_go_up_to_the_first_that_is_not_wanted(kwartier: Command, files: list[Path]) -> None:
    folder = files[0].parent
    ran = kwartier("simulate", "market", folder.parent, "--from", DAY, "--to", "2026-04-01", "--out", folder)
    assert ran.code == 0
    assert len((folder / "infeed.csv").read_text().splitlines()) == 1 + 4 * (92 + 96 + 96)
    ran = kwartier("simulate", "market", folder.parent, "--from", DAY, "--to", DAY, "--out", folder)
    assert (ran.code, "[bad-day]" in ran.err) == (2, True)
    ran = kwartier("simulate", "market", folder, "--from", str(date(2026, 1, 1)), "--out", folder)
    assert (ran.code, "[bad-truth]" in ran.err) == (2, True)
