"""The register of processing says what article 30 asks for, from the tables, and what it does not know it does not say."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from kwartier.database import writing
from kwartier.gate.purposes import Need, purposes
from kwartier.service.home import Home
from kwartier.service.reports.facts import Facts, UseCase, facts_of
from kwartier.service.reports.page import Section, html
from kwartier.service.reports.register import Measure, register, texts
from kwartier.tables import use_cases
from tests import living
from tests.service.reports.test_dictionary import FACTS
from tests.service.reports.test_page import needs_nothing

DAY = date(2026, 3, 6)


def sections(facts: Facts = FACTS, *measures: Measure) -> dict[str, Section]:
    return {section.name: section for section in register(facts, measures).sections}


def pairs(section: Section) -> dict[str, str]:
    """A table of two columns."""
    return {row[0]: row[1] for row in section.rows}


def test_it_has_every_letter_of_the_article() -> None:
    titles = [section.title[:3] for section in register(FACTS).sections if section.title.startswith("(")]
    assert titles == ["(a)", "(b)", "(c)", "(d)", "(e)", "(f)", "(g)"]


def test_every_purpose_is_there_with_all_that_the_table_says_of_it() -> None:
    found = sections()
    for name, one in purposes().items():
        section = found[f"purpose-{name}"]
        assert [(said.lang, said.text) for said in section.said] == [("nl", one.text["nl"]), ("en", one.text["en"])]
        says = pairs(section)
        assert says["ground"].endswith("(text not verified)") != one.verified
        assert says["rests on AVG art. 6(1)"][:1] in (one.avg, "n")
        assert says["days that one grant spans at most"] == f"{one.days}"
        assert says["may act for it"] == ", ".join(sorted(one.who))
        assert ("use case" in says["needs"]) == (Need.USE_CASE in one.needs)
        assert (f"{one.retention_days} days" == says["kept for it"]) == bool(one.retention_days)
    assert {row[0] for row in found["retention"].rows} == set(purposes())


def test_recipients_are_said_for_each_purpose_and_for_nothing_else() -> None:
    assert set(texts().recipients) == set(purposes())
    assert all(set(one) == {"nl", "en"} for one in texts().recipients.values())


def test_who_is_responsible_is_said_or_is_said_to_be_unknown() -> None:
    assert pairs(sections()["controller"])["controller"] == "Net B.V."
    unsaid = sections(replace(FACTS, controller="", controller_contact=""))["controller"]
    assert [row[1].startswith("not said: set `controller") for row in unsaid.rows] == [True, True, False]


def test_what_is_in_force_here_is_what_was_decided() -> None:
    says = pairs(sections()["security"])
    assert says["readings on the disk"] == 'not encrypted (encryption = "none")'
    sealed = sections(replace(FACTS, encryption="aes-gcm"), Measure(what="audit log", how="witnessed"))["security"]
    assert pairs(sealed)["readings on the disk"].startswith("encrypted (aes-gcm)")
    assert sealed.rows[-1] == ("audit log", "witnessed")


def test_the_page_needs_nothing_beside_itself() -> None:
    needs_nothing(html(register(FACTS)))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An installation with three meters."""
    with living.fleet(tmp_path / "home", 3) as (opened, _):
        yield opened


def registered(home: Home, name: str, start: date, end: date, ended: bool = False) -> None:
    row = {
        "id": name,
        "title": f"case {name}",
        "problem": "a cable | <b>that</b> is hot",
        "necessity": "yes",
        "subsidiarity": "yes",
        "proportionality": "yes",
        "assessor": "somebody",
        "dpia": "DPIA-1",
        "channels": "import_wh",
        "resolution": "quarter",
        "area": "",
        "valid_from": start,
        "valid_to": end,
        "registered_at": 0,
        "registered_by": "os:test",
        "ended_at": int(datetime(2026, 2, 1, tzinfo=UTC).timestamp()) if ended else None,
    }
    with writing(home.engine) as connection:
        connection.execute(insert(use_cases), [row])


def test_facts_are_those_of_the_settings_and_the_database(home: Home) -> None:
    facts = facts_of(home, DAY)
    assert (facts.connections, sum(facts.kinds.values()), facts.requests) == (3, 3, 0)
    assert (facts.encryption, facts.keep_days, facts.controller) == ("aes-gcm", 0, "")
    assert facts.use_cases == ()
    assert "None has been registered." in {said.text for said in sections(facts)["use-cases"].said}


def test_a_use_case_says_how_it_stands_on_the_day(home: Home) -> None:
    registered(home, "a", date(2026, 1, 1), date(2027, 1, 1))
    registered(home, "b", date(2025, 1, 1), DAY)
    registered(home, "c", date(2026, 1, 1), date(2027, 1, 1), ended=True)
    registered(home, "d", date(2026, 5, 1), date(2027, 1, 1))
    facts = facts_of(home, DAY)
    assert [(one.id, one.state) for one in facts.use_cases] == [
        ("a", "active"),
        ("b", "expired"),
        ("c", "ended"),
        ("d", "not yet"),
    ]
    page = html(register(facts))
    needs_nothing(page)
    assert "a cable | &lt;b&gt;that&lt;/b&gt; is hot" in page
    assert isinstance(facts.use_cases[0], UseCase)


def test_more_use_cases_than_are_shown_are_counted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kwartier.service.reports.facts.MAX_USE_CASES", 2)
    for name in "abcde":
        registered(home, name, date(2026, 1, 1), date(2027, 1, 1))
    facts = facts_of(home, DAY)
    assert (len(facts.use_cases), facts.more_use_cases) == (2, 3)
    assert "3 more are not shown." in {said.text for said in sections(facts)["use-cases"].said}
