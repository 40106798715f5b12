"""What was asked for of settlement, asked once more from outside: gaps by length, what adds up, what the market is told."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from kwartier.clock import QUARTER_S, midnight
from kwartier.export.codes import Codes
from kwartier.gate.ids import Ids, Link
from kwartier.market.columns import Kind
from kwartier.market.market import Market
from kwartier.model import Quality
from kwartier.service.settling.run import Outcome
from kwartier.service.settling.versions import Versions
from kwartier.service.validating.runs import Runs
from kwartier.settle.tables import Energy, Part
from tests.export.reading import check_schema, names, parsed, texts, watt_hours
from tests.market.files import FRACTION, write
from tests.service.a_market_day import (
    AREAS,
    BY_READINGS,
    COME_LATE,
    UNKNOWN_PROFILE,
    WAYS,
    AtWork,
    Dwelling,
    Fault,
    MarketDay,
    Row,
    at_work,
    draw,
)
from tests.service.settling.test_simulated import spread
from tests.service.validating.a_street import ALL_DAY, CHANNELS, ONE_DAY, ZONE, Street, a_street, ean, energy_wh

SPRING, PLAIN, AUTUMN = date(2026, 3, 29), date(2026, 11, 24), date(2026, 10, 25)
DAYS = (SPRING, PLAIN, AUTUMN)
MEASURED, CALCULATED, ESTIMATED, MISSING, ABSENT = Quality
LINEAR_QUARTERS = 8
"""A longer gap needs a shape."""
LATER = 4
"""Days after the day on which the rest of the readings has come."""

# 9. Gaps of 1 h, 5 h, 3 d and 11 d.

FIRST = date(2025, 11, 5)
"""A Wednesday; before it lie days of which like ones are chosen."""
HISTORY_DAYS = 21
NOON = 48
"""The place at which every gap begins: the last register before it."""


@dataclass(frozen=True)
class Gap:
    """Of the meter ``number``; ``quarters`` without a register at their end, but for the last."""

    number: int
    quarters: int
    method: str

    @property
    def start(self) -> int:
        return midnight(FIRST, ZONE) + NOON * QUARTER_S

    @property
    def end(self) -> int:
        return self.start + self.quarters * QUARTER_S

    def places(self, day: date) -> range:
        """The registers of a day that are missing."""
        opens = midnight(day, ZONE)
        first, last = self.start + QUARTER_S - opens, self.end - QUARTER_S - opens
        return range(max(0, first // QUARTER_S), min(ALL_DAY - 1, last // QUARTER_S) + 1)


GAPS = (Gap(0, 4, "E2"), Gap(1, 20, "E3"), Gap(2, 3 * 96, "E3"), Gap(3, 11 * 96, "E5"))
GAP_DAYS = [FIRST + number * ONE_DAY for number in range(12)]


@pytest.fixture(scope="module")
def with_gaps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """A street after twelve nights, in which each meter but one came back after a gap of its own length."""
    with a_street(tmp_path_factory.mktemp("gaps"), len(GAPS) + 1) as street:
        say_profile(street)
        for day in (FIRST - back * ONE_DAY for back in range(HISTORY_DAYS, 0, -1)):
            street.read(day, *range(len(GAPS) + 1))
            street.validate(day)
        for day in GAP_DAYS:
            street.read(day, len(GAPS))
            for gap in GAPS:
                missing = gap.places(day)
                if len(missing) < ALL_DAY:
                    street.read(day, gap.number, missing=missing)
            street.due(day)
        yield street


def say_profile(street: Street) -> None:
    head = "ean,brp,supplier,grid_area,method,profile,year_volume_wh,year_export_wh,valid_from"
    rows = [f"{ean(gap.number)},B1,S1,noord,SMA,E1A,2300000,1000,2020-01-01" for gap in GAPS]
    parts = [
        f"noord,E1A,{way},{end:%Y-%m-%dT%H:%MZ},0.0000{20 + end.hour},DYN"
        for day in GAP_DAYS
        for way in ("import", "export")
        for end in (datetime.fromtimestamp(midnight(day, ZONE) + place * QUARTER_S, UTC) for place in range(1, ALL_DAY))
    ]
    for kind, header, lines in ((Kind.MARKET, head, rows), (Kind.FRACTIONS, FRACTION, parts)):
        path = write(street.folder / f"{kind}.csv", header, lines)
        Market(street.home.engine).import_file(path, kind=kind, at=9, actor="os:test")


@pytest.mark.parametrize("gap", GAPS, ids=lambda gap: f"{gap.quarters // 4}h")
def test_a_gap_has_its_method_and_the_sum_of_its_registers(with_gaps: Street, gap: Gap) -> None:
    runs = Runs(with_gaps.home.engine)
    found = dict.fromkeys(CHANNELS, 0)
    count, methods, kinds = 0, set(), set()
    for day in GAP_DAYS:
        first = max(0, (gap.start - midnight(day, ZONE)) // QUARTER_S)
        stop = min(ALL_DAY - 1, (gap.end - midnight(day, ZONE)) // QUARTER_S)
        row = with_gaps.volumes(day)[f"m{gap.number}"]
        for channel in CHANNELS:
            inside = row.qualities(channel)[first : max(first, stop)]
            outside = row.qualities(channel)[:first] + row.qualities(channel)[max(first, stop) :]
            assert set(outside) <= {MEASURED}
            kinds |= set(inside)
            found[channel] += sum(row.wh(channel)[first : max(first, stop)])
        count += max(0, stop - first)
        methods |= methods_on(runs, with_gaps, day, gap.number) if stop > first else set()
    assert count == gap.quarters
    assert kinds == {CALCULATED}, "its energy is known, and only how it was spread is not"
    assert methods == {gap.method}
    assert found == {channel: energy_wh(gap.number, gap.start, gap.end, channel) for channel in CHANNELS}


def methods_on(runs: Runs, street: Street, day: date, number: int) -> set[str]:
    """By which methods something was put in the place of a meter's quarters of a day."""
    (identity,) = Ids(street.home.engine).known([Link(ean(number), f"m{number}", day.year)]).values()
    return {one.method for one in runs.put(runs.demand(day)) if one.reading == identity}


# 10. Everything adds up to the infeed.


SEEDS = [*range(6), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(6, 60))]


@pytest.mark.parametrize("seed", SEEDS)
def test_parties_residual_and_losses_are_the_infeed(tmp_path: Path, seed: int) -> None:
    true = draw(seed, DAYS[seed % len(DAYS)])
    with at_work(tmp_path, true) as here:
        here.read()
        here.validate()
        first = here.settle()
        check(here, first, late=False)
        here.read(late=True)
        assert here.validate(LATER) == 1
        second = here.settle(LATER)
        check(here, second, late=True)
        versions = [first.publication.version, second.publication.version]
        assert [(one.version, one.state) for one in versions] == [(1, "published"), (2, "published")]
        again = Versions(here.home.engine).settled(true.day, 1)
        assert [one.energy_wh.tolist() for one in again.sums] == [one.energy_wh.tolist() for one in first.settled.sums]


def check(here: AtWork, done: Outcome, *, late: bool) -> None:
    """What was settled, against what really flowed."""
    true, volumes = here.true, here.volumes()
    assert done.not_settled == ()
    for one in true.homes:
        check_volumes(one, volumes.get(one.ean, []), late=late)
    parties = by_party(true, volumes)
    for area in AREAS:
        homes = [one for one in true.homes if one.area == area]
        unread = [one for one in homes if one.method in BY_READINGS and not is_read(volumes.get(one.ean, []))]
        said = next((one for one in done.settled.areas if one.grid_area == area), None)
        assert said is not None
        assert (said.connections, said.unread) == (len(homes), len(unread))
        for way in WAYS:
            sums = [one for one in done.settled.sums if (one.grid_area, one.direction) == (area, way)]
            by_brp: dict[str, Energy] = {}
            for told in sums:
                if told.part in {Part.METERED, Part.PROFILED}:
                    by_brp[told.brp] = by_brp.get(told.brp, 0) + told.energy_wh
            (residual,) = (one.energy_wh for one in sums if one.part is Part.RESIDUAL)
            (losses,) = (one.energy_wh for one in sums if one.part is Part.LOSS)
            assert losses.tolist() == true.losses_wh[area, way].tolist()
            assert (sum(by_brp.values()) + residual + losses).tolist() == true.infeed_wh(area, way).tolist()
            expected = {brp: one for (where, which, brp), one in parties.items() if (where, which) == (area, way)}
            assert {brp: one.tolist() for brp, one in by_brp.items()} == {
                brp: one.tolist() for brp, one in expected.items()
            }
            # What nobody meters, and what the volumes that count differ from what really flowed.
            left = true.unmetered_wh[area, way] + sum(one.used_wh[way] for one in homes) - sum(expected.values())
            assert residual.tolist() == left.tolist()


def check_volumes(one: Dwelling, rows: list[Row], *, late: bool) -> None:
    """The volumes of a connection, by what became of its readings."""
    fault = Fault.NONE if late and one.fault in COME_LATE else one.fault
    if fault is Fault.OPTED_OUT:
        assert rows == []
        return
    for way in WAYS:
        used_wh = one.used_wh[way]
        found_wh = sum(row.energy_wh[way] for row in rows)
        kinds = [row.quality[way] for row in rows]
        if fault is Fault.EXCHANGED:
            quarters = one.moment[0]
            assert len(rows) == 2
            assert int(found_wh.sum()) == int(used_wh.sum())
            assert set(np.flatnonzero(found_wh != used_wh).tolist()) <= {quarters, quarters - 1, quarters + 1}
            assert {kind for said in kinds for kind in said} == {MEASURED, ABSENT}
            continue
        (said,) = kinds
        if fault in {Fault.UNREAD, Fault.LATE}:
            assert set(said) <= {ESTIMATED, MISSING}
            continue
        has_gap = fault in {Fault.HOLE, Fault.TAIL, Fault.LATE_PART}
        # A register that is missing bounds a quarter on either side.
        first, stop = (one.gap.start - 1, min(one.gap.stop, len(used_wh))) if has_gap else (0, 0)
        inside, outside = slice(first, stop), np.r_[0:first, stop : len(used_wh)]
        assert found_wh[outside].tolist() == used_wh[outside].tolist()
        assert {said[place] for place in outside.tolist()} == {MEASURED}
        if fault is Fault.TAIL:
            assert set(said[inside]) <= {ESTIMATED, MISSING}
        elif has_gap and one.profile == UNKNOWN_PROFILE and stop - first > LINEAR_QUARTERS and used_wh[inside].any():
            assert set(said[inside]) == {MISSING}, "nothing tells how it was spread"
        elif has_gap:
            assert set(said[inside]) == {CALCULATED}
            assert int(found_wh[inside].sum()) == int(used_wh[inside].sum())


def is_read(rows: list[Row]) -> bool:
    """Whether a connection has volumes, and none of them is missing."""
    return bool(rows) and not any(MISSING in said for row in rows for said in row.quality.values())


def by_party(true: MarketDay, volumes: dict[str, list[Row]]) -> dict[tuple[str, str, str], Energy]:
    """By area, direction and party: volumes of those that are read, and of the others the year by its profile."""
    found: dict[tuple[str, str, str], Energy] = {}
    years: Counter[tuple[str, ...]] = Counter()
    for one in true.homes:
        rows = volumes.get(one.ean, [])
        for way in WAYS:
            energy_wh = np.zeros_like(one.used_wh[way])
            if is_counted(one, volumes):
                energy_wh = sum((row.energy_wh[way] for row in rows), energy_wh)
            else:
                years[one.area, one.profile, way, one.brp, one.supplier, one.method] += one.years[way]
            key = one.area, way, one.brp
            found[key] = found.get(key, 0) + energy_wh
    for (area, profile, way, brp, *_), year_wh in years.items():
        if year_wh:
            found[area, way, brp] = found[area, way, brp] + spread(year_wh, list(true.parts[area, profile, way]))
    return found


def test_every_fault_is_among_what_was_drawn() -> None:
    for seed in range(6):
        assert {one.fault for one in draw(seed, PLAIN).homes} == set(Fault)


# 11. What the market is told is valid, and says it as it was settled.

CODES = {MEASURED: "A04", CALCULATED: "A06", ESTIMATED: "A03", MISSING: "A02", ABSENT: "A06"}
AREA_MRID, BRP_MRID, _ = PARTY_MRIDS = (
    "meteringGridArea_Domain.mRID",
    "balanceResponsibleParty_MarketParticipant.mRID",
    "energySupplier_MarketParticipant.mRID",
)
BY_PROFILE = "E01"
TYPES = {"E17": "import", "E18": "export"}


@dataclass(frozen=True)
class Told:
    """One series of a message."""

    facts: dict[str, str]
    energy_wh: list[int]
    codes: list[str]

    @property
    def way(self) -> str:
        return TYPES[self.facts["marketEvaluationPoint.type"]]


def told(text: str, day: date, quarters: int) -> Iterator[Told]:
    """The series of a message, each of which covers the day from midnight to midnight by positions from 1 on."""
    for series in (one for one in parsed(text) if one.tag.endswith("}Series")):
        (start,), (end,), (resolution,) = (texts(series, name) for name in ("start", "end", "resolution"))
        moments = [int(datetime.fromisoformat(one).timestamp()) for one in (start, end)]
        assert moments == [midnight(day, ZONE), midnight(day + ONE_DAY, ZONE)]
        assert (moments[1] - moments[0], resolution) == (quarters * QUARTER_S, "PT15M")
        assert texts(series, "position") == [f"{place}" for place in range(1, quarters + 1)]
        facts = {name: texts(series, name)[0] for name in names(series) if name != "Period"}
        yield Told(facts, watt_hours(series), texts(series, "quality"))


@pytest.mark.parametrize(("day", "quarters"), [(SPRING, 92), (PLAIN, 96), (AUTUMN, 100)], ids=str)
def test_what_was_validated_and_settled_is_told_in_valid_messages(tmp_path: Path, day: date, quarters: int) -> None:
    true = draw(quarters, day)
    with at_work(tmp_path, true) as here:
        here.read()
        here.validate()
        here.settle()
        volumes, documents = here.volumes(), {kind: here.export(kind) for kind in ("validated", "aggregated")}
        codes = here.home.settings.codes
    connections = [one for text in documents["validated"] for one in told(text, day, quarters)]
    check_connections(true, volumes, connections)
    parties = [one for text in documents["aggregated"] for one in told(text, day, quarters)]
    expected = by_party(true, volumes)
    heard: dict[tuple[str, str, str], Energy] = {}
    for one in parties:
        area, brp = (one.facts[name] for name in (AREA_MRID, BRP_MRID))
        key = area, one.way, brp
        heard[key] = heard.get(key, 0) + np.array(one.energy_wh)
    assert {key: energy_wh.tolist() for key, energy_wh in heard.items()} == {
        (codes.area(area).value, way, codes.party(brp).value): energy_wh.tolist()
        for (area, way, brp), energy_wh in expected.items()
    }
    assert {code for one in parties for code in one.codes} == {"A03", "A04", "A06"}
    for one in parties:
        if one.facts["marketEvaluationPoint.settlementMethod"] == BY_PROFILE:
            assert set(one.codes) == {CODES[ESTIMATED]}
        else:
            whose = tuple(one.facts[name] for name in PARTY_MRIDS)
            members = [home for home in true.homes if is_counted(home, volumes)]
            members = [home for home in members if whose == codes_of(codes, home)]
            assert one.codes == worst(one.way, [row for home in members for row in volumes[home.ean]])
    for kind, found in documents.items():
        for text in found:
            check_schema(text, kind)


def is_counted(one: Dwelling, volumes: dict[str, list[Row]]) -> bool:
    return one.method in BY_READINGS and is_read(volumes.get(one.ean, []))


def codes_of(codes: Codes, one: Dwelling) -> tuple[str, ...]:
    """Of its area, responsible party and supplier."""
    return codes.area(one.area).value, codes.party(one.brp).value, codes.party(one.supplier).value


def worst(way: str, rows: list[Row]) -> list[str]:
    """How sure a sum is in each quarter: as its least sure part, if that is not nothing."""
    found = []
    for place in range(len(rows[0].quality[way])):
        kinds = {row.quality[way][place] for row in rows if row.energy_wh[way][place]}
        found.append(CODES[ESTIMATED if ESTIMATED in kinds else CALCULATED if CALCULATED in kinds else MEASURED])
    return found


def check_connections(true: MarketDay, volumes: dict[str, list[Row]], connections: list[Told]) -> None:
    """Every connection that is settled by readings, once in each direction, and each quarter with how it came about."""
    wanted = {one.ean for one in true.homes if one.method in BY_READINGS and one.ean in volumes}
    heard = {(one.facts["marketEvaluationPoint.mRID"], one.way): one for one in connections}
    assert len(heard) == len(connections)
    assert set(heard) == {(whose, way) for whose in wanted for way in WAYS}
    for (whose, way), one in heard.items():
        rows = volumes[whose]
        sides = list(zip(*(row.quality[way] for row in rows), strict=True))
        # Of two meters the one that was there says how sure a quarter is.
        kinds = [max((kind for kind in side if kind != ABSENT), default=ABSENT) for side in sides]
        assert one.codes == [CODES[Quality(kind)] for kind in kinds]
        energy_wh = sum(row.energy_wh[way] for row in rows).tolist()
        assert one.energy_wh == [wh for wh, kind in zip(energy_wh, kinds, strict=True) if kind != MISSING]
    assert {code for one in connections for code in one.codes} == set(CODES.values())
