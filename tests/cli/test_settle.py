"""``kwartier settle``: a day settled, shown, made again and told apart, on the command line alone."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from kwartier.cli import settle as command
from kwartier.database import reading
from kwartier.market.columns import Kind
from kwartier.service.home import open_home
from kwartier.service.settling.again import EQUAL, GONE
from kwartier.service.subject.erasing import Wish, erase
from kwartier.tables import accesses
from tests.cli.command import Ran, run
from tests.market.files import ean
from tests.service.settling.village import DAY, ONE_DAY, READ, UNREAD, Village, noon_after, village

Kwartier = Callable[..., Ran]


class Clock:
    """What time the commands think it is."""

    def __init__(self) -> None:
        self.at = noon_after(DAY)

    def __call__(self) -> int:
        """UTC seconds."""
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(command, "now", found)
    return found


@pytest.fixture
def kwartier(
    clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Kwartier:
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "home"))
    return lambda *words: run("settle", *map(str, words), capsys=capsys, monkeypatch=monkeypatch)


@pytest.fixture
def here(tmp_path: Path) -> Village:
    """The village, with its home closed: the commands open it."""
    with village(tmp_path) as found:
        return found


def at_work(here: Village, work: Callable[[Village], object]) -> None:
    """Something happens in the village between two commands."""
    with open_home(here.folder / "home") as home:
        work(replace(here, home=home))


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_every_day_that_is_due_is_settled_once(here: Village, kwartier: Kwartier) -> None:
    ran = kwartier("run")
    assert (ran.code, ran.err) == (0, f"{DAY}: version 1 (D+5), published\n")
    header, *rows = lines(ran.out)
    assert header[:3] == ["area", "state", "direction"]
    # 14 homes read in A: 10 to 140 Wh a quarter, so 100.8 kWh; the 2 by profile take 100 Wh each, 16 % of it all.
    assert rows[0] == ["A", "settled", "import", "136.800", "100.800", "19.200", "3.840", "12.960", "16.0", "%"]
    assert rows[1] == ["A", "settled", "export", "0.384", "0.384", "0.000", "0.000", "0.000", "0.0", "%"]
    assert [row[:3] for row in rows[2:]] == [["B", "settled", "import"], ["B", "settled", "export"]]
    again = kwartier("run")
    assert (again.code, again.out, again.err) == (0, "", "no day is due\n")
    named = kwartier("run", "--date", DAY)
    assert (named.code, named.out) == (0, ran.out)
    assert "as before" in named.err


def test_versions_are_listed_oldest_first_and_without_a_sum(here: Village, kwartier: Kwartier, clock: Clock) -> None:
    assert json.loads(kwartier("versions", "--json").out) == {"versions": []}
    kwartier("run")
    at_work(here, lambda there: there.validate([3], quality={}))
    clock.at += 60
    kwartier("run")
    found = json.loads(kwartier("versions", "--json").out)["versions"]
    assert [(one["date"], one["version"], one["published"]) for one in found] == [
        (f"{DAY}", 1, "2026-11-26T11:00:00Z"),
        (f"{DAY}", 2, "2026-11-26T11:01:00Z"),
    ]
    assert json.loads(kwartier("versions", "--date", DAY + ONE_DAY, "--json").out) == {"versions": []}
    header, first, _ = lines(kwartier("versions").out)
    assert header[:4] == ["date", "version", "name", "state"]
    assert first[:4] == [f"{DAY}", "1", "D+5", "published"]


def test_a_version_is_shown_by_area_and_party_to_whom_it_is_recorded(here: Village, kwartier: Kwartier) -> None:
    kwartier("run")
    ran = kwartier("show", "--date", DAY, "--reason", "a question")
    assert ran.code == 0
    party = next(row for row in lines(ran.out) if row[:3] == ["A", "brp-1", "import"])
    # By readings 20, 40, ... 140 Wh of seven homes; the one by profile is theirs.
    assert party[3:] == ["8", "53.760", "9.600", "15.1", "%"]
    told = json.loads(kwartier("show", "--date", DAY, "--version", 1, "--quarters", "--json").out)
    assert (told["version"], told["state"], told["again"]) == (1, "published", None)
    infeed = next(one for one in told["sums"] if (one["grid_area"], one["part"]) == ("A", "infeed"))
    assert len(infeed["quarters"]["energy_wh"]) == 96
    assert all(one["passed"] for one in told["checks"])
    with open_home(here.folder / "home") as home, reading(home.engine) as connection:
        rows = connection.execute(select(accesses.c.purpose, accesses.c.reason).order_by(accesses.c.at)).all()
    assert ("settlement", "a question") in [tuple(row) for row in rows]
    assert len(rows) == 3


def test_what_was_never_settled_cannot_be_shown(here: Village, kwartier: Kwartier) -> None:
    for words in (("show", "--date", DAY), ("diff", "--date", DAY), ("show", "--date", DAY, "--again")):
        ran = kwartier(*words)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.endswith("[no-such-version]\n")
    kwartier("run")
    assert "[no-such-version]" in kwartier("diff", "--date", DAY).err
    assert "[no-such-version]" in kwartier("show", "--date", DAY, "--version", 2).err
    assert "[bad-argument]" in kwartier("show", "--date", DAY, "--quarters").err


def test_two_versions_are_told_apart(here: Village, kwartier: Kwartier, clock: Clock) -> None:
    kwartier("run")

    def late(there: Village) -> None:
        there.read([UNREAD], batch="late")
        there.validate([*READ, UNREAD])

    at_work(here, late)
    clock.at += 60
    assert kwartier("run").code == 0
    ran = kwartier("diff", "--date", DAY)
    assert ran.err == f"{DAY}: version 2 against version 1: 1 areas and 5 sums differ\n"
    rows = lines(ran.out)
    assert ["A", "settled", "->", "settled", "-1"] in rows
    metered = next(row for row in rows if row[:3] == ["A", "metered", "import"])
    assert metered == ["A", "metered", "import", "brp-0", "lev", "cSMA", "changed", "+1", "14.400", "96"]
    told = json.loads(kwartier("diff", "--date", DAY, "--from", 1, "--to", 2, "--json").out)
    assert (told["from"], told["to"], told["areas"][0]["unread"]) == (1, 2, -1)
    back = json.loads(kwartier("diff", "--date", DAY, "--from", 2, "--to", 1, "--json").out)
    assert back["areas"][0]["unread"] == 1


def test_a_version_is_made_again_or_its_readings_are_gone(here: Village, kwartier: Kwartier, clock: Clock) -> None:
    kwartier("run")
    at_work(here, lambda there: there.validate([3], quality={}))
    ran = kwartier("show", "--date", DAY, "--again")
    assert (ran.code, ran.err.splitlines()[-1]) == (0, EQUAL)
    assert json.loads(kwartier("show", "--date", DAY, "--again", "--json").out)["again"] == {
        "made": True,
        "note": EQUAL,
    }
    clock.at = noon_after(DAY, 365)
    wish = Wish(ean=ean(4), days=(DAY, DAY + ONE_DAY), ground="no-longer-needed", by="os:privacy")
    at_work(here, lambda there: erase(there.home, wish, wall=lambda: clock.at))
    gone = kwartier("show", "--date", DAY, "--again", "--json")
    assert json.loads(gone.out)["again"] == {"made": False, "note": GONE}
    assert json.loads(gone.out)["sums"] == json.loads(kwartier("show", "--date", DAY, "--json").out)["sums"]


def test_an_area_that_is_held_is_named_with_every_check_that_failed(here: Village, kwartier: Kwartier) -> None:
    at_work(here, lambda there: there.flows(Kind.INFEED, "B", more_wh=5_000))
    ran = kwartier("run")
    assert ran.code == 1
    first, second = ran.err.splitlines()
    assert first == f"{DAY}: version 1 (D+5), held"
    assert second.startswith("area B is held: check residual failed: 482400 Wh of ")
    assert [row[1] for row in lines(ran.out)[1:]] == ["settled", "settled", "held", "held"]
    shown = kwartier("show", "--date", DAY)
    assert shown.code == 0, "to show it is all that was asked"
    assert "area B is held: check residual failed" in shown.err
    told = json.loads(kwartier("run", "--date", DAY, "--json").out)["settlements"]
    assert [(one["state"], one["published"], one["unchanged"]) for one in told] == [("held", None, True)]
    at_work(here, lambda there: there.flows(Kind.INFEED, "B"))
    assert kwartier("run").code == 0


def test_an_area_that_is_stopped_says_all_that_it_lacks(here: Village, kwartier: Kwartier) -> None:
    at_work(here, lambda there: replace(there, day=DAY + ONE_DAY).flows(Kind.INFEED, "A"))

    def another_day(there: Village) -> None:
        tomorrow = replace(there, day=DAY + ONE_DAY)
        tomorrow.flows(Kind.LOSSES)
        tomorrow.fractions()
        tomorrow.read(batch="next")
        tomorrow.validate()

    at_work(here, another_day)
    ran = kwartier("run")
    assert ran.code == 1
    said = ran.err.splitlines()
    assert said[:2] == [f"{DAY}: version 1 (D+5), published", f"{DAY + ONE_DAY}: version 1 (D+1), published"]
    lacking = "infeed (import): none of 96 quarters; infeed (export): none of 96 quarters [no-infeed]"
    assert said[2:] == [f"area B is stopped: {lacking}"]
    assert [row[0] for row in lines(ran.out)[6:]] == ["A", "A"]


def test_a_day_that_cannot_be_settled_says_why_and_holds_up_no_other(
    here: Village, kwartier: Kwartier, clock: Clock
) -> None:
    ran = kwartier("run", "--date", DAY - ONE_DAY)
    assert (ran.code, ran.out) == (1, "")
    assert "kwartier validate run --date" in ran.err
    assert ran.err.endswith("[not-validated]\n")

    def stray(there: Village) -> None:
        before = replace(there, day=DAY - ONE_DAY)
        before.read([99], batch="stray")
        before.validate([99])

    at_work(here, stray)
    ran = kwartier("run")
    assert ran.code == 1
    first, second = ran.err.splitlines()
    assert first.startswith(f"{DAY - ONE_DAY}: ")
    assert first.endswith("[bad-table]")
    assert second == f"{DAY}: version 1 (D+5), published"
    clock.at = noon_after(DAY + timedelta(days=200), 0)
    closed = kwartier("run", "--date", DAY)
    assert (closed.code, closed.out) == (1, "")
    assert closed.err.endswith("[settlement-closed]\n")
    assert kwartier("run").err == "no day is due\n"
