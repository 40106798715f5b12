"""A person is given everything: each reading as it is stored, and each use of them with its purpose and recipient."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from sqlalchemy import delete, insert

from kwartier.clock import midnight, quarter_ends
from kwartier.database import writing
from kwartier.errors import InputError
from kwartier.gate.grant import Shown
from kwartier.gate.holds import Holds
from kwartier.gate.policy import Scope
from kwartier.gate.purposes import Hold
from kwartier.service.home import Home, open_home
from kwartier.service.subject import breach, dossier, espi, moments
from kwartier.service.subject.dossier import Dossier
from kwartier.service.subject.history import ALL_DAYS, uses
from kwartier.service.subject.logged import Members, OfConnection, records
from kwartier.service.subject.seeing import through_gate
from kwartier.tables import access_connections, accesses
from tests.gate.rooms import EVA
from tests.service.subject.planted import DAYS, NOW, OLD, ONE_DAY, day_of, ean, planted_home, wall
from tests.store.entries import ZONE, readings

SPAN = (OLD[0], OLD[-1] + ONE_DAY)
ATOM, ESPI = "{http://www.w3.org/2005/Atom}", "{http://naesb.org/espi}"


def collected(home: Home, **more: object) -> Dossier:
    see = through_gate(home, asking=EVA, purpose="customer", reason="asked")
    return dossier.collect(home, see, ean(1), SPAN, wall=wall, **more)  # type: ignore[arg-type]  # as given


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_home(tmp_path_factory.mktemp("planted"), "sqlite", "none")


def test_every_reading_and_every_use_is_in_it(place: Path) -> None:
    with open_home(place) as opened:
        found = json.loads(dossier.as_json(collected(opened)))
    assert (found["connection"], found["from"], found["to"]) == (ean(1), f"{SPAN[0]}", f"{SPAN[1]}")
    shown = {row["quarter_end"]: row["import_wh"] for row in found["readings"]}
    for day in OLD:
        one = day_of(1, day)
        for at, register in zip(one.times[1:].tolist(), one.registers["import_wh"][1:].tolist(), strict=True):
            assert shown[moments.utc(at)] == register
    assert {row["meter"] for row in found["readings"]} == {"m1"}
    named = [one for one in found["uses"] if one["kind"] == "named"]
    # Those that were planted for these days, and this very look.
    assert {(one["purpose"], one["recipient"], one["actor"]) for one in named} == {
        ("complaint", "supplier", "os:test"),
        ("customer", "", EVA.name),
    }
    assert len(named) == len(OLD) + 1
    assert all(one["ground"].startswith("AVG") for one in named)
    visits = [one for one in found["uses"] if one["kind"] == "meter"]
    assert [(one["from"], one["purpose"]) for one in visits] == [(f"{day}", "settlement") for day in OLD]
    assert len(found["claims"]) == len(found["findings"]) == len(OLD)
    notice = found["notice"]
    assert {one["purpose"] for one in notice["purposes"]} >= {"settlement", "customer"}
    assert {one["right"] for one in notice["rights"]} == {"export", "history", "rectify", "restrict", "object", "erase"}
    assert set(notice["in_short"]) == {"nl", "en"}


def test_as_csv_it_says_the_same(place: Path) -> None:
    with open_home(place) as opened:
        found = collected(opened)
    rows = list(csv.DictReader(io.StringIO(dossier.as_csv(found))))
    assert {row["record"] for row in rows} == {"reading", "use", "claim", "finding"}
    registers = {int(row["import_wh"]) for row in rows if row["record"] == "reading" and row["import_wh"]}
    for day in OLD:
        assert set(day_of(1, day).registers["import_wh"][1:].tolist()) <= registers
    assert len([row for row in rows if row["record"] == "use"]) == len(found.tables["uses"])


def test_nobody_elses_readings_or_uses_are_in_it(place: Path) -> None:
    with open_home(place) as opened:
        text = dossier.as_json(collected(opened))
    assert ean(0) not in text
    assert str(int(day_of(0, OLD[0]).registers["import_wh"][5])) not in text


class Mine:
    """What the secrets of an installation would say."""

    def commitments(self, grant: str) -> list[str]:
        return [f"c-{grant}"]

    def is_member(self, day: date, root: str) -> bool:
        return root == "with"


RECORDS: list[Mapping[str, object]] = [
    {"kind": "use", "at": 5, "grant": "g1", "actor": "a", "persons": ["c-g1"], "days": ["2025-12-30", "2026-01-02"]},
    {"kind": "use", "at": 6, "grant": "g2", "actor": "a", "persons": ["c-g9"], "days": ["2025-12-30", "2026-01-02"]},
    {
        "kind": "bulk",
        "at": 7,
        "grant": "g3",
        "actor": "settler",
        "purpose": "settlement",
        "ground": "Energiewet",
        "day": "2025-12-30",
        "members": "with",
    },
    {"kind": "bulk", "at": 8, "grant": "g3", "day": "2026-01-01", "members": "with"},
    {"kind": "bulk", "at": 9, "grant": "g4", "day": "2025-12-30", "members": "without"},
    {"kind": "dropped", "at": 9, "day": "2025-12-30"},
]


def test_the_share_in_uses_of_many_at_once_is_told_from_the_log(place: Path) -> None:
    with open_home(place) as opened:
        found = [one for one in uses(opened.engine, ean(2), ALL_DAYS, RECORDS, Mine()) if one.reference.startswith("g")]
        twice = uses(opened.engine, ean(2), SPAN, [{**RECORDS[0], "grant": "20".rjust(32, "a")}], Mine())
    assert [(one.reference, one.kind) for one in found] == [("g1", "named"), ("g3", "bulk"), ("g3", "bulk")]
    assert found[1].days == (date(2025, 12, 30), date(2025, 12, 31))
    assert len({one.reference for one in twice}) == len(twice), "what the database names is not told a second time"


# Green Button.


def shown(start: date, days: int, missing: tuple[int, ...] = ()) -> Shown:
    found = readings(start, start + timedelta(days=days), missing=missing)
    return Shown(ean=ean(1), readings=found, timezone=ZONE, versions={}, known_at={})


@pytest.mark.parametrize(
    ("day", "count"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100), (date(2026, 11, 24), 96)]
)
def test_a_feed_has_each_quarter_once_whatever_the_clocks_do(day: date, count: int) -> None:
    root = ET.fromstring(espi.feed(ean(1), [shown(day, 1)], made_at=NOW))
    kinds = [content[0].tag.removeprefix(ESPI) for content in root.iter(f"{ATOM}content")]
    assert kinds == ["UsagePoint", "LocalTimeParameters", *["MeterReading", "ReadingType", "IntervalBlock"] * 2]
    (block, _) = root.iter(f"{ESPI}IntervalBlock")
    starts = [int(one.findtext(f"{ESPI}timePeriod/{ESPI}start", "")) for one in block.iter(f"{ESPI}IntervalReading")]
    assert starts == quarter_ends(day, day + ONE_DAY, ZONE)[:-1].tolist()
    assert len(starts) == count
    values = [one.findtext(f"{ESPI}value") for one in block.iter(f"{ESPI}IntervalReading")]
    assert values == ["7"] * count
    interval = block.find(f"{ESPI}interval")
    assert interval is not None
    assert interval.findtext(f"{ESPI}start") == f"{midnight(day, ZONE)}"
    assert interval.findtext(f"{ESPI}duration") == f"{count * 900}"


def test_a_feed_says_what_its_numbers_are_and_its_entries_point_to_each_other() -> None:
    root = ET.fromstring(espi.feed(ean(1), [shown(date(2026, 11, 24), 2)], made_at=NOW))
    types = list(root.iter(f"{ESPI}ReadingType"))
    assert [one.findtext(f"{ESPI}flowDirection") for one in types] == ["1", "19"]
    for one in types:
        told = {child.tag.removeprefix(ESPI): child.text for child in one}
        assert list(told) == sorted(told), "the schema has them in this order"
        assert (told["uom"], told["powerOfTenMultiplier"], told["intervalLength"]) == ("72", "0", "900")
        assert (told["accumulationBehaviour"], told["commodity"], told["kind"]) == ("4", "1", "12")
    clocks = root.find(f".//{ESPI}LocalTimeParameters")
    assert clocks is not None
    assert [child.text for child in clocks] == ["AE0E3000", "3600", "3E0E2000", "3600"]
    links = {(link.get("rel"), link.get("href")) for link in root.iter(f"{ATOM}link")}
    selves = {href for rel, href in links if rel == "self"}
    for rel, href in links:
        assert href is not None
        assert (
            rel != "related" or href in selves or any(one is not None and one.startswith(f"{href}/") for one in selves)
        )
    names = [one.text for one in root.iter(f"{ATOM}id")]
    assert len(set(names)) == len(names)
    assert all(one is not None and one.startswith("urn:uuid:") for one in names)
    assert len(list(root.iter(f"{ESPI}IntervalBlock"))) == 4


def test_a_quarter_of_which_a_register_is_missing_or_went_back_is_left_out() -> None:
    one = shown(date(2026, 11, 24), 1, missing=(10,))
    one.readings.registers["import_wh"][50:] -= np.int64(100_000)
    root = ET.fromstring(espi.feed(ean(1), [one], made_at=NOW))
    first, second = root.iter(f"{ESPI}IntervalBlock")
    assert len(first.findall(f"{ESPI}IntervalReading")) == 96 - 3
    assert len(second.findall(f"{ESPI}IntervalReading")) == 96 - 2


@pytest.mark.parametrize(
    ("zone", "rules"),
    [
        ("America/New_York", ("360E2000", "B40E2000", 3600, -18_000)),
        ("Europe/Amsterdam", ("3E0E2000", "AE0E3000", 3600, 3600)),
        ("Asia/Tokyo", ("FFFFFFFF", "FFFFFFFF", 0, 32_400)),
    ],
)
def test_rules_of_clocks_are_as_the_standard_writes_them(zone: str, rules: tuple[str, str, int, int]) -> None:
    """Those of New York are in the standard's own examples."""
    assert espi.clock_rules(zone, 2026) == rules


# Breaches.


def test_who_was_affected_and_until_when_it_has_to_be_told(place: Path) -> None:
    with open_home(place) as opened:
        wanted = breach.Wanted(start=NOW - 10, end=NOW, purpose="complaint", actor="os:test")
        found = breach.report(opened.engine, wanted, discovered_at=NOW, now=NOW + 3600)
        assert found.connections == sorted(ean(number) for number in range(3))
        assert len(found.grants) == 3 * len(DAYS)
        assert (found.deadline - NOW, found.left_s) == (72 * 3600, 71 * 3600)
        one = breach.report(
            opened.engine, breach.Wanted(start=0, end=NOW, grant="10".rjust(32, "a")), discovered_at=NOW, now=NOW
        )
        assert one.connections == [ean(1)]
        rows = list(csv.DictReader(io.StringIO(breach.as_csv(one))))
        assert [(row["connection"], row["recipient"], row["exact"]) for row in rows] == [(ean(1), "supplier", "true")]
        assert breach.as_table(one)["deadline"] == datetime.fromtimestamp(NOW + 72 * 3600, UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
        assert breach.report(opened.engine, breach.Wanted(start=1, end=2), discovered_at=0, now=9**9).left_s < 0
        for start, end, known_at in ((5, 5, 0), (0, 5, NOW + 1)):
            with pytest.raises(InputError) as refused:
                breach.report(opened.engine, breach.Wanted(start=start, end=end), discovered_at=known_at, now=NOW)
            assert refused.value.code == "bad-breach"


def test_a_grant_over_the_fleet_reached_its_members_or_else_everybody(tmp_path: Path) -> None:
    home = planted_home(tmp_path, "sqlite", "none")
    with open_home(home) as opened:
        scope = json.dumps({"start": f"{OLD[0]}", "end": f"{OLD[1]}"})
        row = {"id": "f" * 32, "at": 50, "actor": "s", "purpose": "settlement", "reason": "", "scope": scope}
        with writing(opened.engine) as connection:
            connection.execute(insert(accesses), [row])
        wanted = breach.Wanted(start=50, end=51)
        (one,) = breach.report(opened.engine, wanted, discovered_at=60, now=60).grants
        assert (one.is_exact, len(one.connections)) == (False, 3)
        told = [{"kind": "bulk", "grant": "f" * 32, "day": f"{OLD[0]}", "members": "root"}]

        def members(day: date, root: str) -> list[str]:
            assert (day, root) == (OLD[0], "root")
            return [ean(2)]

        (one,) = breach.report(opened.engine, wanted, discovered_at=60, now=60, records=told, members=members).grants
        assert (one.is_exact, one.connections) == (True, (ean(2),))


def test_a_use_of_the_whole_fleet_is_told_to_each_who_was_in_it_and_to_nobody_else(tmp_path: Path) -> None:
    home = planted_home(tmp_path, "sqlite", "aes-gcm")
    with open_home(home) as opened:
        with writing(opened.engine) as connection:
            Holds(opened.engine).make(connection, ean(0), Hold.RESTRICTION, OLD[0], OLD[1], "AVG art. 18", "os:test", 1)
        scope = Scope(start=OLD[0], end=OLD[1])
        grant = opened.gate.open(actor=EVA, purpose="validation", scope=scope, recipient="the auditor")
        shown = {link.ean for _, links in grant.day(OLD[0]) for link in links}
        assert shown == {ean(1), ean(2)}
        for number in range(3):
            found = uses(opened.engine, ean(number), ALL_DAYS, records(opened), OfConnection(opened, ean(number)))
            mine = [one for one in found if one.reference == grant.id]
            assert [(one.kind, one.recipient, one.days) for one in mine] == (
                [("bulk", "the auditor", (OLD[0], OLD[1]))] if number else []
            )
        wanted = breach.Wanted(start=0, end=9**10, grant=grant.id)
        (one,) = breach.report(
            opened.engine, wanted, discovered_at=0, now=9**9, records=records(opened), members=Members(opened)
        ).grants
        assert (set(one.connections), one.is_exact) == (shown, True)
        # A grant that names somebody is found in the database and in the log, and told once.
        list(through_gate(opened, asking=EVA, purpose="customer", reason="")(ean(1), OLD[0], OLD[1]))
        found = uses(opened.engine, ean(1), ALL_DAYS, records(opened), OfConnection(opened, ean(1)))
        assert len([one for one in found if one.purpose == "customer"]) == 1
        with writing(opened.engine) as connection:
            connection.execute(delete(access_connections))
        found = uses(opened.engine, ean(1), ALL_DAYS, records(opened), OfConnection(opened, ean(1)))
        assert len([one for one in found if one.purpose == "customer"]) == 1, "the log alone tells it, too"
