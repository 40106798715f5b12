"""A home with some dozen connections in two grid areas, of which everything is known: what they used, and what was read.

Connection k uses 10 (k + 1) Wh in every quarter, and every fourth one feeds in 1 Wh besides. In area A the last connection but
one is never read and the last one is settled by its profile, which gives each of the two 100 Wh. Each area loses 40 Wh a
quarter, and 25 Wh go to nobody.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from kwartier.clock import midnight, quarter_ends
from kwartier.database import writing
from kwartier.gate.ids import Ids
from kwartier.market.columns import Kind
from kwartier.market.market import Market
from kwartier.model import STATE, Bytes8, Quality, Volumes
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.settling.run import Outcome, settle
from kwartier.service.settling.versions import Versions
from kwartier.service.validating.runs import Runs
from kwartier.settle.tables import Settled
from kwartier.store.rows import Integers
from tests.gate.rooms import EVA
from tests.market.files import ENERGY, FRACTION, ean, write
from tests.store.entries import CHANNELS, ZONE, entry, readings

DAY = date(2026, 11, 24)
ONE_DAY = timedelta(days=1)
HOMES, OF_A = 24, 16
UNREAD, PROFILED = OF_A - 2, OF_A - 1
READ = tuple(number for number in range(HOMES) if number not in (UNREAD, PROFILED))
BY_PROFILE_WH, LOSS_WH, UNMETERED_WH = 100, 40, 25
YEAR_WH = 1_000_000
PART = "0.0001"
"""The part of a year in each quarter: 100 Wh."""
MARKET = "ean,valid_from,brp,supplier,grid_area,method,year_volume_wh"
STATES = dict.fromkeys(STATE, 0) | {"raw_version": 1}


def area_of(number: int) -> str:
    return "A" if number < OF_A else "B"


def brp_of(number: int) -> str:
    return f"brp-{number % 2}"


def used_wh(number: int, direction: str) -> int:
    """In every quarter."""
    return 10 * (number + 1) if direction == "import" else int(number % 4 == 0)


def flow_wh(area: str, direction: str) -> int:
    """What flows into an area in every quarter."""
    used = sum(used_wh(number, direction) for number in range(HOMES) if area_of(number) == area)
    return used + (LOSS_WH + UNMETERED_WH if direction == "import" else 0)


def noon_after(day: date, days: int = 2) -> int:
    """UTC seconds."""
    return midnight(day + timedelta(days=days), ZONE) + 43_200


@dataclass(frozen=True, kw_only=True)
class Village:
    """The home at work on one day; ``ids`` are those of the meters that were read."""

    home: Home
    folder: Path
    day: date
    ids: dict[int, int] = field(default_factory=dict)

    @property
    def versions(self) -> Versions:
        return Versions(self.home.engine)

    @property
    def at(self) -> int:
        return noon_after(self.day)

    def fleet(self, numbers: Iterable[int] = range(HOMES), at: int = 0) -> None:
        """The registry knows the meters."""
        lines = [
            f"m{number},{ean(number)},127.0.0.1,4059,4B575400000000{number:02X},smr-5.5,{area_of(number)},2020-01-01"
            for number in numbers
        ]
        header = "meter,ean,host,port,system_title,companion,grid_area,valid_from"
        self.home.registry.import_file(write(self.folder / "fleet.csv", header, lines), at=at)

    def say(self, kind: Kind, header: str, rows: Iterable[str]) -> None:
        """The market says something."""
        Market(self.home.engine).import_file(
            write(self.folder / f"{kind}.csv", header, rows), kind=kind, at=self.at, actor="test"
        )

    def supplies(self, numbers: Iterable[int] = range(HOMES)) -> None:
        """Who answers for the connections."""
        method = {PROFILED: "PRF"}
        self.say(
            Kind.MARKET,
            MARKET,
            [
                f"{ean(one)},2026-01-01,{brp_of(one)},lev,{area_of(one)},{method.get(one, 'cSMA')},{YEAR_WH}"
                for one in numbers
            ],
        )

    def flows(self, kind: Kind, areas: Iterable[str] = "AB", more_wh: int = 0, direction: str = "import") -> None:
        """Infeed or losses of areas; ``more_wh`` than there was in every quarter of a direction."""
        rows = []
        for area in areas:
            for way in ("import", "export"):
                energy_wh = flow_wh(area, way) if kind is Kind.INFEED else LOSS_WH * (way == "import")
                energy_wh += more_wh if way == direction else 0
                rows += [f"{area},{quarter},{way},{energy_wh}" for quarter in self.quarters()]
        self.say(kind, ENERGY, rows)

    def fractions(self, areas: Iterable[str] = "AB") -> None:
        """The part of a year in each quarter of the day."""
        rows = [f"{area},E1A,import,{quarter},{PART},DYN" for area in areas for quarter in self.quarters()]
        self.say(Kind.FRACTIONS, FRACTION, rows)

    def quarters(self) -> list[str]:
        """The quarters of the day, as files have them."""
        ends = quarter_ends(self.day, self.day + ONE_DAY, ZONE)[1:].tolist()
        return [datetime.fromtimestamp(one, UTC).strftime("%Y-%m-%dT%H:%MZ") for one in ends]

    def read(self, numbers: Iterable[int] = READ, *, more_wh: int = 0, batch: str = "night") -> None:
        """Readings of meters are stored; ``more_wh`` in every quarter than was used."""
        entries = []
        for number in numbers:
            with writing(self.home.engine) as connection:
                wanted = [(ean(number), f"m{number}", self.day.year)]
                (self.ids[number],) = Ids(self.home.engine).ids_of(connection, wanted).values()
            found = readings(self.day, self.day + ONE_DAY, first_wh=1_000)
            for way in ("import", "export"):
                step_wh = used_wh(number, way) + (more_wh if way == "import" else 0)
                found.registers[f"{way}_wh"][:] = 1_000 + step_wh * np.arange(len(found.times))
            entries.append(entry(self.ids[number], found))
        self.home.open_store().append(batch, entries)

    def validate(
        self,
        numbers: Sequence[int] = READ,
        *,
        more_wh: int = 0,
        raw_version: int = 1,
        quality: Mapping[int, Quality] | None = None,
    ) -> int:
        """A run of validation makes of the readings what was read; the number of the run."""
        runs, energy_wh = Runs(self.home.engine), {}
        count = len(quarter_ends(self.day, self.day + ONE_DAY, ZONE)) - 1
        order = sorted(numbers, key=self.ids.__getitem__)
        for way in ("import", "export"):
            column = [used_wh(one, way) + (more_wh if way == "import" else 0) for one in order]
            energy_wh[f"{way}_wh"] = np.repeat(np.array(column, np.int32), count).reshape(-1, count)
        how = np.array([(quality or {}).get(one, Quality.MEASURED) for one in order], np.uint8)
        grades = np.zeros((len(order), count), np.uint8)
        grades[:, 40:50] = how[:, np.newaxis]
        ids = np.array([self.ids[one] for one in order], np.int64)
        return self.keep(runs, ids, energy_wh, grades, raw_version)

    def keep(
        self,
        runs: Runs,
        ids: Integers,
        energy_wh: Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.int32]]],
        grades: Bytes8,
        raw_version: int = 1,
    ) -> int:
        """Store volumes as those of a new run; its number."""
        run = runs.begin(self.day, actor="test", rules="2026", raw_version=0, market_revision=0, at=self.at)
        state = STATES | {"raw_version": raw_version}
        made = Volumes(
            day=self.day,
            ids=ids,
            energy_wh=energy_wh,
            quality=dict.fromkeys(CHANNELS, grades),
            state={name: np.full(len(ids), value, np.int64) for name, value in state.items()},
        )
        version = self.home.open_validated().append(run, self.day, [made])
        counts = {"rows": len(ids), "findings": 0, "substitutes": 0}
        runs.finish(run, checks=[], counts=counts, version=version, at=self.at)
        return run

    def settle(self, at: int | None = None) -> Outcome:
        """Settle the day."""
        return settle(self.home, self.day, actor=EVA, reason="a test", at=self.at if at is None else at)


@contextmanager
def village(folder: Path, day: date = DAY, settings: Sequence[str] = ()) -> Iterator[Village]:
    """All was read and validated, and the market has said everything."""
    with empty(folder, day, settings) as found:
        found.fleet()
        found.supplies()
        found.flows(Kind.INFEED)
        found.flows(Kind.LOSSES)
        found.fractions()
        found.read()
        found.validate()
        yield found


@contextmanager
def empty(folder: Path, day: date = DAY, settings: Sequence[str] = ()) -> Iterator[Village]:
    """Nobody lives there yet."""
    create_home(folder / "home")
    with (folder / "home" / "kwartier.toml").open("a", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in settings)
    with open_home(folder / "home") as home:
        yield Village(home=home, folder=folder, day=day)


def day_wh(found: Settled) -> dict[tuple[str, str, str], int]:
    """Wh over the day, by area, part and direction; nothing that is 0."""
    sums: dict[tuple[str, str, str], int] = {}
    for one in found.sums:
        key = (one.grid_area, one.part.value, one.direction)
        sums[key] = sums.get(key, 0) + int(one.energy_wh.sum())
    return {key: value for key, value in sums.items() if value}
