"""A look that takes two: asked for, approved by another, used once, and denied - on record - when it is too late."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import select

from kwartier.database import reading
from kwartier.errors import Denied
from kwartier.gate.policy import Scope
from kwartier.service.home import Home, open_home
from kwartier.service.identity import pairs
from kwartier.service.two import ask
from kwartier.tables import accesses
from kwartier.who.actor import Actor
from kwartier.who.pairs import SPEND_WITHIN_S
from tests.fleet.test_registry import ean, row, write
from tests.living import new_home

AT = 1_795_600_000
EVA, ADAM = (Actor(name=name, roles=frozenset({"fraud-investigator"}), via="os") for name in ("os:eva", "os:adam"))
DAY = date(2026, 11, 24)


def refusal(home: Home, scope: Scope, at: int) -> str:
    """The rule that says no, or that it was granted."""
    try:
        home.gate_at(lambda: at).open(actor=EVA, purpose="fraud-case", scope=scope)
    except Denied as error:
        return error.code
    return "granted"


def test_what_another_approved_of_is_looked_at_once_and_not_much_later(tmp_path: Path) -> None:
    new_home(tmp_path / "home")
    with open_home(tmp_path / "home") as home:
        home.registry.import_file(write(tmp_path / "fleet.csv", row("A")), at=0)
        scope = Scope(start=DAY, end=DAY + timedelta(days=1), eans=(ean(1),))
        told = [refusal(home, scope, AT)]
        for late_s in (0, SPEND_WITHIN_S + 1):
            name = ask(pairs(home), EVA, "fraud-case", scope, "seal broken", at=AT)
            approved = replace(scope, approval=name)
            told.append(refusal(home, approved, AT))
            pairs(home).approve(name, ADAM, at=AT)
            told += [refusal(home, approved, AT + late_s) for _ in range(2)]
        again = "needs-approval"
        assert told == [again, again, "granted", again, again, "approval-over", "approval-over"]
        with reading(home.engine) as connection:
            written = list(connection.execute(select(accesses.c.verdict)).scalars())
        assert sorted(written) == sorted(told), "what was denied is not written down as granted"
        log = home.log.opened()
        rules = [json.loads(one)["rule"] for one in log.records(0, log.size)]
        assert rules == [one for one in told if one != "granted"]
