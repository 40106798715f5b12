"""The promise that every night asked the gate first is broken by a night that did not, and by a log that was changed."""

from datetime import date, timedelta
from pathlib import Path

from kwartier.gate.policy import Scope
from kwartier.gate.purposes import Source
from kwartier.service.auditing import log_folder
from kwartier.service.home import open_home
from kwartier.service.rehearsal.promises import recorded
from tests.living import new_home
from tests.somebody import TESTER

DAY = date(2026, 3, 4)
NEXT_DAY = DAY + timedelta(days=1)


def test_a_night_without_a_grant_and_a_changed_log_are_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    new_home(home)
    with open_home(home) as opened:
        scope = Scope(start=DAY, end=NEXT_DAY, source=Source.METER)
        opened.gate.open(actor=TESTER, purpose="settlement", scope=scope)
        assert recorded(opened, [DAY]) == []
        assert recorded(opened, [DAY, NEXT_DAY]) == [f"{NEXT_DAY}: meters were read without a grant"]
    path = log_folder(home) / "tile" / "entries" / "000"
    path.write_bytes(path.read_bytes().replace(b"os:test", b"os:nobo"))
    with open_home(home) as opened:
        (told,) = recorded(opened, [DAY])
        assert told.startswith("the audit log: ")
