"""The data dictionary says all that is read and all that companions know of and is not, and says it as the tables do."""

from datetime import date

import pytest

from kwartier.cosem import companion as companions
from kwartier.cosem.allowed import allowed
from kwartier.cosem.classes import CLASSES, SUPPLY_AFFECTING
from kwartier.dlms.obis import dotted, obis
from kwartier.gate.purposes import purposes
from kwartier.service.reports.dictionary import dictionary, not_read, purposes_of
from kwartier.service.reports.facts import Facts
from kwartier.service.reports.page import FORMATS, html
from kwartier.store.schema import CHANNELS
from tests.service.reports.test_page import needs_nothing

FACTS = Facts(
    day=date(2026, 3, 4),
    controller="Net B.V.",
    controller_contact="fg@net.example",
    dso="net",
    keep_days=150,
    encryption="none",
    clock_correction="steps",
    window="from 00:00 to 06:00",
    connections=12,
    kinds={"smr-5.5": 12},
    requests=3,
    use_cases=(),
    more_use_cases=0,
)
"""An installation."""


def test_every_object_that_a_companion_knows_is_read_or_is_said_not_to_be() -> None:
    read = {row.obis for row in allowed().values()}
    never = [code for row in not_read().values() for code in row.obis]
    assert len(never) == len(set(never))
    assert not read & set(never)
    for name in companions.companions():
        kind = companions.load(name)
        known = [one.obis for one in kind.objects.values()]
        for more in (kind.profiles, kind.event_logs, kind.alarms):
            known += [one.obis for one in more.values()]
        assert [dotted(code) for code in known if code not in read | set(never)] == [], name


def test_power_is_registered_and_not_read() -> None:
    power = not_read()["power"]
    assert power.obis == (obis("1-0:1.7.0"), obis("1-0:2.7.0"))
    assert (power.unit, power.personal) == ("W", True)


def test_both_parts_are_about_known_classes_and_nothing_that_is_read_can_interrupt_a_supply() -> None:
    for row in not_read().values():
        assert set(row.classes) <= set(CLASSES), row.name
        assert (row.name == "switch") == bool(set(row.classes) & SUPPLY_AFFECTING), row.name
    for text in (*(row.text for row in allowed().values()), *(row.text for row in not_read().values())):
        assert set(text) == {"nl", "en"}
        assert all(text.values())


def test_the_registers_are_those_that_are_stored_and_that_purposes_reach() -> None:
    rows = allowed()
    assert {name for name in rows if name in CHANNELS} == set(CHANNELS)
    for channel in CHANNELS:
        names = {one.name for one in purposes_of(rows[channel])}
        assert names == {one.name for one in purposes().values() if channel in one.channels}
    assert "maintenance" in {one.name for one in purposes_of(rows["clock"])}
    assert "maintenance" not in {one.name for one in purposes_of(rows["quarter_profile"])}


def test_every_row_is_whole() -> None:
    for facts in (None, FACTS):
        for section in dictionary(facts).sections:
            assert section.rows
            for row in section.rows:
                assert len(row) == len(section.columns)
                assert all(row), row


def test_the_retention_is_that_of_the_purposes_and_of_the_installation() -> None:
    read = dictionary(FACTS).sections[0]
    at = [column.name for column in read.columns].index("retention")
    for row in read.rows:
        if allowed()[row[0]].personal:
            assert all(f"{one.name} {one.retention_days}" in row[at] for one in purposes_of(allowed()[row[0]]))
            assert row[at].endswith("; in the store: 150")
    own = {section.name: section for section in dictionary(FACTS).sections}["installation"]
    assert ("readings on the disk", 'not encrypted (encryption = "none")') in own.rows
    assert "installation" not in {section.name for section in dictionary().sections}


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_it_is_written_in_each_form(form: str) -> None:
    text = FORMATS[form](dictionary(FACTS))
    assert "1.0.1.7.0.255" in text
    assert "actuele vermogen" in text


def test_the_page_needs_nothing_beside_itself() -> None:
    needs_nothing(html(dictionary(FACTS)))
