"""The day of an exchange: two meters of one connection hold a part of it each, and both are read, once, under its one claim."""

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from kwartier.collect.claims import Claims
from kwartier.fleet.mutations import Exchange
from kwartier.gate.policy import Scope
from kwartier.service.home import open_home
from tests.living import new_home
from tests.service.street import TIMEZONE, night, street
from tests.service.test_night import asked, finish
from tests.somebody import TESTER

DAY = date(2026, 1, 14)
NOON = int(datetime(2026, 1, 14, 12, tzinfo=ZoneInfo(TIMEZONE)).timestamp())
OLD, NEW = "noord-000001", "zuid-000002"


def test_both_meters_of_the_day_are_read_under_one_claim(tmp_path: Path) -> None:
    home = tmp_path / "home"
    new_home(home)
    with street(tmp_path, 2, "--faults", "none") as fleet:
        header, old, new = (fleet / "fleet.csv").read_text().splitlines()
        connection = old.split(",")[1]
        (tmp_path / "old.csv").write_text(f"{header}\n{old}\n")
        cells = dict(zip(header.split(","), new.split(","), strict=True))
        blank = dict.fromkeys(("grid_area", "brp", "supplier", "transformer", "capacity"), "")
        (tmp_path / "new.csv").write_text(f"{header}\n{','.join({**cells, **blank, 'ean': connection}.values())}\n")
        with open_home(home) as opened:
            opened.registry.import_file(tmp_path / "old.csv", at=0)
            opened.registry.exchange(
                Exchange(ean=connection, old_meter=OLD, new_meter=NEW, moment=NOON), tmp_path / "new.csv", at=NOON
            )
            opened.keyring.import_file(fleet / "keys.csv", at=0, actor="os:test", own_title=opened.settings.own_title)
        code, out, err = finish(night(home, "run", "--date", f"{DAY}", "--now", "--json"))
        table = json.loads(out)
        assert (code, table["due"], table["read"]) == (0, 2, 2), err
        # Another day is another read of the connection, whichever of its meters it would be.
        code, out, _ = finish(night(home, "run", "--date", f"{DAY + timedelta(days=1)}", "--now", "--json"))
        assert (code, json.loads(out)["causes"]) == (1, {"claimed-by-another": 1})
    assert dict(asked(home)) == {OLD: 1, NEW: 1}
    with open_home(home) as opened:
        today = datetime.now(ZoneInfo(TIMEZONE)).date()
        proof = Claims(opened.engine).proof(today)
        assert (proof.beyond, proof.fulfilled, proof.refused) == ((), 2, {"claimed-by-another": 1})
        scope = Scope(start=DAY, end=DAY + timedelta(days=1), eans=(connection,))
        shown = list(opened.gate.open(actor=TESTER, purpose="test", scope=scope).readings())
    assert {one.readings.meter for one in shown} == {OLD, NEW}
    assert {one.ean for one in shown} == {connection}
