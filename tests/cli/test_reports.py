"""``register`` and ``dictionary``: in each form, to a file, and the second without an installation."""

import json
from pathlib import Path

import pytest

from tests.cli.command import Ran, run
from tests.service.reports.test_page import needs_nothing


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> "Command":
    monkeypatch.setenv("HOME", str(tmp_path))
    return Command(capsys, monkeypatch)


class Command:
    """``kwartier WORDS``."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *words: str) -> Ran:
        return run(*words, capsys=self.capsys, monkeypatch=self.monkeypatch)


def test_the_dictionary_needs_no_installation(command: Command) -> None:
    ran = command("dictionary")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("# Data dictionary\n")
    assert "## This installation" not in ran.out


def test_an_installation_that_is_named_and_not_there_is_an_error(command: Command, tmp_path: Path) -> None:
    ran = command("dictionary", "--home", f"{tmp_path / 'nowhere'}")
    assert (ran.code, ran.out) == (2, "")
    assert "no-home" in ran.err
    assert command("register").code == 2


def test_both_say_what_the_installation_decided(command: Command, tmp_path: Path) -> None:
    home = f"{tmp_path / 'home'}"
    assert command("init", "--home", home).code == 0
    with (tmp_path / "home" / "kwartier.toml").open("a") as out:
        out.write('controller = "Net B.V."\nkeep_days = 40\nencryption = "none"\nencryption_decision = "a test"\n')
    for name in ("register", "dictionary"):
        ran = command(name, "--home", home, "--json")
        assert ran.code == 0, ran.err
        table = json.loads(ran.out)
        assert table["report"] == name
        assert 'not encrypted (encryption = \\"none\\")' in ran.out
        assert ("a test" in ran.out) == (name == "register"), "who decided on that stands in the register"
        assert command(name, "--home", home, "--format", "json").out == ran.out
        needs_nothing(command(name, "--home", home, "--format", "html").out)
    assert "Net B.V." in command("register", "--home", home).out
    # The default home is used where there is one.
    assert "## This installation" not in command("dictionary").out
    (tmp_path / "home").rename(tmp_path / ".kwartier")
    assert "## This installation" in command("dictionary").out


def test_a_report_goes_to_a_file(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "dictionary.html"
    ran = command("dictionary", "--format", "html", "--out", f"{out}")
    assert (ran.code, ran.out) == (0, "")
    needs_nothing(out.read_text("utf-8"))
    ran = command("dictionary", "--out", f"{tmp_path / 'no' / 'such' / 'folder.md'}")
    assert ran.code == 2
    assert "unwritable-file" in ran.err
