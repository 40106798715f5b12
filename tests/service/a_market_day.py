"""A day of a small market, drawn from a seed: who is connected, what really flowed, what was read of it, and what came late.

Everything that an installation may meet on one day is in it: areas and parties, profiles, solar, meters of which a part or
nothing is read, that are exchanged, opted out, or heard days later. What really flowed is known of each connection, so all that
comes out can be told from it. The infeed of an area is what its connections used, what is lost, and what nobody meters.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import numpy as np

from kwartier.clock import QUARTER_S, midnight, quarter_ends
from kwartier.database import writing
from kwartier.fleet.ean import check_digit
from kwartier.fleet.mutations import Exchange
from kwartier.fleet.readout import Mode
from kwartier.gate.ids import Ids
from kwartier.gate.policy import Scope
from kwartier.market.columns import Kind
from kwartier.market.market import Market
from kwartier.model import Missing, Readings, Volumes
from kwartier.service.exporting.run import export
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.settling.run import Outcome, settle
from kwartier.service.validating.due import validate_due
from kwartier.service.validating.runs import Runs
from kwartier.settle.tables import Energy
from kwartier.store.encode import Entry
from tests.market.files import ENERGY, FRACTION, ean, write
from tests.somebody import TESTER

ZONE = "Europe/Amsterdam"
ONE_DAY = timedelta(days=1)
WAYS = ("import", "export")
AREAS = ("GA-oost", "GA-west", "GA-zuid")
PARTIES = ("BRP-Delta", "BRP-Veluwe", "BRP-Waal")
SUPPLIERS = ("Polderstroom", "Zonnewende")
PROFILES = ("E1A", "E1B")
UNKNOWN_PROFILE = "E9Z"
"""One without fractions: nothing is put in the place of what nobody knows. Its connections have no year volume either."""
UNKNOWN_EVERY = 4
BY_READINGS = ("SMA", "cSMA")
METHODS = ("SMA", "cSMA", "PRF")
YEARS = (0, 1_234_567, 3_000_000, 5_555_555)
FIRST_WH = 1_000_000
MARKET = "ean,valid_from,brp,supplier,grid_area,method,profile,year_volume_wh,year_export_wh"
FLEET = "meter,ean,host,port,system_title,companion,grid_area,capacity,valid_from"
SETTINGS = "residual_share_bp = 10000\nresidual_floor_wh = 1000000000000\n"


class Fault(StrEnum):
    """What becomes of a connection's readings."""

    NONE = "none"
    HOLE = "hole"
    """Quarters between two registers are missing."""
    TAIL = "tail"
    """The day ends in missing quarters."""
    UNREAD = "unread"
    OPTED_OUT = "opted-out"
    EXCHANGED = "exchanged"
    LATE = "late"
    """All of it comes days later,"""
    LATE_PART = "late-part"
    """or a hole is filled then."""


COME_LATE = frozenset({Fault.LATE, Fault.LATE_PART})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dwelling:
    """A connection; ``used_wh``: what really flowed in each quarter; ``gap``: places of registers that are missing."""

    number: int
    area: str
    brp: str
    supplier: str
    method: str
    profile: str
    years: Mapping[str, int]
    fault: Fault
    used_wh: Mapping[str, Energy] = field(repr=False)
    gap: range
    moment: tuple[int, int]
    """An exchange: so many quarters and seconds after the day began."""

    @property
    def ean(self) -> str:
        return ean(self.number)

    def registers(self, way: str) -> Energy:
        """At the opening and after each quarter."""
        return FIRST_WH * (1 + self.number) + np.concatenate([[0], np.cumsum(self.used_wh[way])])

    def until_exchange_wh(self, way: str) -> int:
        """What flowed until the moment of the exchange."""
        quarters, seconds = self.moment
        whole_wh = self.used_wh[way][:quarters].sum()
        return int(whole_wh + self.used_wh[way][quarters] * seconds // QUARTER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketDay:
    """What is true of a day; energies by area and direction."""

    day: date
    homes: Sequence[Dwelling]
    losses_wh: Mapping[tuple[str, str], Energy] = field(repr=False)
    unmetered_wh: Mapping[tuple[str, str], Energy] = field(repr=False)
    parts: Mapping[tuple[str, str, str], Sequence[int]] = field(repr=False)
    """By area, profile and direction: of a year's volume, in units of 1e-12."""

    def infeed_wh(self, area: str, way: str) -> Energy:
        """What flows into an area in each quarter."""
        found = self.losses_wh[area, way] + self.unmetered_wh[area, way]
        for one in self.homes:
            if one.area == area:
                found = found + one.used_wh[way]
        return found


def draw(seed: int, day: date, count: int = 12) -> MarketDay:
    """The day of a seed; the first homes are read with one fault each, and the last has quarters of which nothing is known.

    So none of it is left out by chance.
    """
    chance, numbers = random.Random(seed), np.random.default_rng(seed)
    times = quarter_ends(day, day + ONE_DAY, ZONE)
    quarters = len(times) - 1
    homes = []
    for number in range(count):
        start = chance.randint(4, quarters - 40)
        fault = list(Fault)[number] if number < len(Fault) else chance.choice(list(Fault))
        profile = chance.choice(PROFILES) if chance.randrange(UNKNOWN_EVERY) else UNKNOWN_PROFILE
        method = chance.choice(METHODS if number >= len(Fault) else BY_READINGS)
        if number == count - 1:
            fault, profile, method = Fault.TAIL, UNKNOWN_PROFILE, BY_READINGS[0]
        gap = range(start, start + chance.randint(1, 30))
        homes.append(
            Dwelling(
                number=number,
                area=chance.choice(AREAS),
                brp=chance.choice(PARTIES),
                supplier=chance.choice(SUPPLIERS),
                method=method,
                profile=profile,
                years={way: chance.choice(YEARS) if profile in PROFILES else 0 for way in WAYS},
                fault=fault,
                used_wh={
                    "import": numbers.integers(100, 400, quarters),
                    "export": _sun(numbers.integers(100, 400, quarters)) * chance.randint(0, 1),
                },
                gap=range(start, quarters + 1) if fault is Fault.TAIL else gap,
                moment=(chance.randint(10, quarters - 10), chance.randint(1, QUARTER_S - 1)),
            )
        )
    keys = [(area, way) for area in AREAS for way in WAYS]
    return MarketDay(
        day=day,
        homes=homes,
        losses_wh={key: numbers.integers(0, 300, quarters) for key in keys},
        unmetered_wh={key: numbers.integers(0, 50, quarters) for key in keys},
        parts={
            (area, profile, way): numbers.integers(10**7, 10**8, quarters).tolist()
            for area, way in keys
            for profile in PROFILES
        },
    )


def _sun(energy_wh: Energy) -> Energy:
    lit = np.zeros_like(energy_wh)
    lit[len(lit) // 2 - 10 : len(lit) // 2 + 10] = 1
    return energy_wh * lit


@contextmanager
def at_work(folder: Path, true: MarketDay) -> Iterator["AtWork"]:
    """An installation that knows the connections and was told what the market has to say; nothing is read yet."""
    create_home(folder / "home")
    with (folder / "home" / "kwartier.toml").open("a", encoding="utf-8") as out:
        out.write(SETTINGS + _codes())
    with open_home(folder / "home") as home:
        found = AtWork(home, folder, true)
        found.settle_in()
        yield found


def _codes() -> str:
    bodies = iter([f"29{number:010d}" for number in range(1, 20)])
    glns = (body + str(check_digit(body)) for body in bodies)
    lines = ["[market]", f'sender = "{next(glns)}"', f'tso = "{next(glns)}"', "[parties]"]
    lines += [f'"{name}" = "{next(glns)}"' for name in (*PARTIES, *SUPPLIERS)]
    codes = [f"29{number:015d}" for number in range(1, 1 + len(AREAS))]
    lines += ["[areas]", *(f'"{name}" = "{one}{check_digit(one)}"' for name, one in zip(AREAS, codes, strict=True))]
    return "\n".join(lines) + "\n"


class AtWork:
    """The installation, and what it does with the day."""

    def __init__(self, home: Home, folder: Path, true: MarketDay) -> None:
        self.home = home
        self.folder = folder
        self.true = true
        self.times = quarter_ends(true.day, true.day + ONE_DAY, ZONE)
        self._batches = 0

    def settle_in(self) -> None:
        rows = [
            f"m{one.number},{one.ean},127.0.0.1,4059,{_title(one.number)},smr-5.5,{one.area},3x25A,2020-01-01"
            for one in self.true.homes
        ]
        self.home.registry.import_file(write(self.folder / "fleet.csv", FLEET, rows), at=0)
        for one in self.true.homes:
            if one.fault is Fault.OPTED_OUT:
                self.home.registry.state_readout(one.ean, Mode.OPTED_OUT, on=date(2026, 1, 1), at=5)
            if one.fault is Fault.EXCHANGED:
                self._exchange(one)
        self._say_market()

    def _exchange(self, one: Dwelling) -> None:
        header = "meter,ean,host,port,system_title,companion"
        row = f"n{one.number},{one.ean},127.0.0.1,4060,{_title(100 + one.number)},smr-5.5"
        quarters, seconds = one.moment
        until_wh = {way: one.until_exchange_wh(way) for way in WAYS}
        first_wh = FIRST_WH * (1 + one.number)
        done = Exchange(
            ean=one.ean,
            old_meter=f"m{one.number}",
            new_meter=f"n{one.number}",
            moment=int(self.times[quarters]) + seconds,
            closing_import_wh=first_wh + until_wh["import"],
            closing_export_wh=first_wh + until_wh["export"],
        )
        self.home.registry.exchange(done, write(self.folder / "new.csv", header, [row]), at=9)

    def _say_market(self) -> None:
        true = self.true
        stamps = [datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%MZ") for end in self.times[1:].tolist()]
        rows = [
            f"{one.ean},2026-01-01,{one.brp},{one.supplier},{one.area},{one.method},{one.profile},"
            f"{one.years['import']},{one.years['export']}"
            for one in true.homes
        ]
        self._say(Kind.MARKET, MARKET, rows)
        lost, flown = [], []
        for area, way in true.losses_wh:
            for place, stamp in enumerate(stamps):
                lost.append(f"{area},{stamp},{way},{true.losses_wh[area, way][place]}")
                flown.append(f"{area},{stamp},{way},{true.infeed_wh(area, way)[place]}")
        self._say(Kind.LOSSES, ENERGY, lost)
        self._say(Kind.INFEED, ENERGY, flown)
        rows = [
            f"{area},{profile},{way},{stamp},0.{part:012d},DYN"
            for (area, profile, way), parts in true.parts.items()
            for stamp, part in zip(stamps, parts, strict=True)
        ]
        self._say(Kind.FRACTIONS, FRACTION, rows)

    def _say(self, kind: Kind, header: str, rows: Sequence[str]) -> None:
        path = write(self.folder / f"{kind}.csv", header, rows)
        Market(self.home.engine).import_file(path, kind=kind, at=9, actor=TESTER.name)

    # What is read.

    def read(self, *, late: bool = False) -> None:
        """The night after the day; or ``late``, what comes after that."""
        entries: list[Entry] = []
        for one in self.true.homes:
            never = {Fault.UNREAD, Fault.OPTED_OUT, *(() if late else (Fault.LATE,))}
            if one.fault in never or (late and one.fault not in COME_LATE):
                continue
            if one.fault is Fault.EXCHANGED:
                entries += self._both(one)
                continue
            has_gap = one.fault in {Fault.HOLE, Fault.TAIL} or (one.fault is Fault.LATE_PART and not late)
            registers = {way: one.registers(way) for way in WAYS}
            entries.append(self._entry(one, f"m{one.number}", registers, one.gap if has_gap else range(0)))
        self._batches += 1
        self.home.open_store().append(f"b{self._batches}", entries)

    def _both(self, one: Dwelling) -> Iterator[Entry]:
        """Of an exchange: the old meter up to its moment; the new one from then on, from 0."""
        after, count = one.moment[0] + 1, len(self.times)
        old = {way: one.registers(way) for way in WAYS}
        new = {way: old[way] - FIRST_WH * (1 + one.number) - one.until_exchange_wh(way) for way in WAYS}
        yield self._entry(one, f"m{one.number}", old, range(after, count))
        yield self._entry(one, f"n{one.number}", new, range(after))

    def _entry(self, one: Dwelling, meter: str, registers: Mapping[str, Energy], gap: range) -> Entry:
        with writing(self.home.engine) as connection:
            link = (one.ean, meter, self.true.day.year)
            (identity,) = Ids(self.home.engine).ids_of(connection, [link]).values()
        reasons = np.zeros(len(self.times), np.uint8)
        reasons[list(gap)] = Missing.NOT_RECEIVED
        readings = Readings(
            meter=meter,
            start=self.true.day,
            end=self.true.day + ONE_DAY,
            times=self.times,
            registers={f"{way}_wh": np.where(reasons == 0, registers[way], 0) for way in WAYS},
            missing={f"{way}_wh": reasons for way in WAYS},
            status=np.zeros(len(self.times), np.uint8),
            clock_status=np.zeros(len(self.times), np.uint8),
        )
        return Entry(id=identity, readings=readings, timezone=ZONE, known_at=self.now())

    # What is made of it.

    def now(self, days: int = 1) -> int:
        """In the morning so many days after the day, in UTC seconds."""
        return midnight(self.true.day + days * ONE_DAY, ZONE) + 7 * 3600

    def validate(self, days: int = 1) -> int:
        """Validate what is due; how many runs that took."""
        now = self.now(days)
        return len(list(validate_due(self.home, actor=TESTER, now=now, reason="a test", watch=lambda _: None)))

    def settle(self, days: int = 1) -> Outcome:
        """Settle the day."""
        return settle(self.home, self.true.day, actor=TESTER, reason="a test", at=self.now(days))

    def export(self, kind: str, days: int = 1) -> list[str]:
        """The messages of the latest version."""
        found = export(
            self.home,
            kind,
            self.true.day,
            version=None,
            out=self.folder / "out",
            actor=TESTER,
            reason="a test",
            at=self.now(days),
        )
        return [path.read_text("utf-8") for path in found.files]

    def volumes(self) -> dict[str, list["Row"]]:
        """What validation has last made of each meter, by connection."""
        run = Runs(self.home.engine).demand(self.true.day)
        scope = Scope(start=self.true.day, end=self.true.day + ONE_DAY)
        grant = self.home.gate.open(actor=TESTER, purpose="validation", scope=scope, reason="a test")
        found: dict[str, list[Row]] = {}
        for piece, links in grant.volumes(self.true.day, run.run):
            for row, link in enumerate(links):
                found.setdefault(link.ean, []).append(Row(piece, row))
        return found


class Row:
    """The volumes of one meter."""

    def __init__(self, volumes: Volumes, row: int) -> None:
        self.energy_wh = {way: volumes.energy_wh[f"{way}_wh"][row].astype(np.int64) for way in WAYS}
        self.quality = {way: volumes.quality[f"{way}_wh"][row].tolist() for way in WAYS}


def _title(number: int) -> str:
    return f"4B5754{number:010d}"
