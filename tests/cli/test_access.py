"""``kwartier access`` and ``kwartier account``."""

import io
import json
import time
from pathlib import Path

import pytest

from kwartier.service import identity
from kwartier.service.home import open_home
from kwartier.service.settings import FILE_NAME
from kwartier.who.actor import Identity
from tests.cli.command import Command
from tests.living import new_home
from tests.service.test_identity import supplied, used

PASSWORD = "correct horse battery"
DIGEST = "ab" * 32


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    monkeypatch.setenv("KWARTIER_HOME", str(path))
    new_home(path)
    return path


@pytest.fixture
def kwartier(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


def typed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_whoami_tells_name_and_roles(kwartier: Command, home: Path) -> None:
    told = json.loads(kwartier("access", "whoami", "--json").out)
    assert told["via"] == "os"
    assert "operator" in told["roles"]
    assert told["name"] in kwartier("access", "whoami").out
    with (home / FILE_NAME).open("a") as out:
        out.write('[roles]\n"os:nobody-here" = ["vendor"]\n')
    ran = kwartier("access", "whoami")
    assert ran.code == 2
    assert "'vendor'" in ran.err


def test_the_report_in_its_three_forms_and_its_exit_code(kwartier: Command, home: Path) -> None:
    ran = kwartier("access", "report")
    assert (ran.code, ran.err) == (0, "vendor principals = 0\n")
    assert ran.out.startswith("state")
    assert kwartier("access", "report", "--csv").out.startswith("pattern,actor,roles")
    with open_home(home) as opened:
        used(opened, ("os:intruder", int(time.time())))
    ran = kwartier("access", "report", "--json")
    assert ran.code == 1
    assert ran.err.endswith("used a grant and has no role: os:intruder\n")
    assert json.loads(ran.out)["vendor_principals"] == 0
    with open_home(home) as opened:
        supplied(opened, "Intruder BV")
    ran = kwartier("access", "report", "--since", "2020-01-01")
    assert ran.code == 1
    assert ran.err.startswith("vendor principals = 1: os:intruder\n")


def test_what_another_asked_for_is_shown_and_approved(kwartier: Command, home: Path) -> None:
    with (home / FILE_NAME).open("a") as out:
        out.write('[roles]\n"os:*" = ["operator"]\n')
    assert json.loads(kwartier("access", "pending", "--json").out) == []
    with open_home(home) as opened:
        other = identity.acting(opened, Identity(name="os:somebody-else", via="os"))
        own, now = identity.actor(opened), int(time.time())
        names = [identity.pairs(opened).request("bulk-export", DIGEST, one, text="May", at=now) for one in (other, own)]
    assert "May" in kwartier("access", "pending").out
    assert {one["id"] for one in json.loads(kwartier("access", "pending", "--json").out)} == set(names)
    ran = kwartier("access", "approve", names[0])
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("bulk-export, asked by os:somebody-else, is approved until ")
    ran = kwartier("access", "approve", names[1])
    assert ran.code == 1
    assert ran.err.endswith("[same-actor]\n")
    assert kwartier("access", "approve", "x").code == 2
    with open_home(home) as opened:
        identity.pairs(opened).spend(names[0], "bulk-export", DIGEST, at=int(time.time()))


def test_an_account_from_its_making_to_its_end(kwartier: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(f"{PASSWORD}\nmore\n", monkeypatch)
    ran = kwartier("account", "add", "demo")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("account:demo is made")
    assert PASSWORD not in ran.err
    assert kwartier("account", "list").out.splitlines()[1].startswith("demo")
    (one,) = json.loads(kwartier("account", "list", "--json").out)
    assert (one["name"], one["used_at"]) == ("demo", "")
    assert kwartier("account", "remove", "demo").err == "account:demo is gone\n"
    assert kwartier("account", "remove", "demo").code == 2


@pytest.mark.parametrize("text", ["", "short\n", "x" * 5000])
def test_a_password_that_is_none_is_refused(text: str, kwartier: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(text, monkeypatch)
    ran = kwartier("account", "add", "demo")
    assert ran.code == 2
    assert ran.err.endswith("[bad-password]\n")


def test_a_password_is_no_argument(kwartier: Command) -> None:
    assert kwartier("account", "add", "demo", PASSWORD).code == 2
