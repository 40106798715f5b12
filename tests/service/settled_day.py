"""A home with a settled day: registers from a seed, the volumes that follow from them, and sums added up one by one.

Nothing here asks the program what comes out: the sums are those of a loop over connections.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kwartier import __version__
from kwartier.database import writing
from kwartier.gate.ids import Ids
from kwartier.market.columns import Kind
from kwartier.market.market import Market
from kwartier.model import STATE, Quality, Volumes
from kwartier.service.exporting.outbox import Exported
from kwartier.service.exporting.run import Show, export
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.settling.versions import Made, Version, Versions
from kwartier.service.validating.runs import Runs
from kwartier.settle.tables import DIRECTIONS, Area, AreaState, Check, Part, Settled, Sum
from tests.export.days import AREA, LENGTHS, OTHER_AREA
from tests.market.files import MARKET, ean, supply, write
from tests.somebody import TESTER

Energy = npt.NDArray[np.int64]
ONE_DAY = timedelta(days=1)
DELTA, VELUWE = "BRP-Delta", "BRP-Veluwe"
POLDER, ZON = "Polderstroom", "Zonnewende"
BY_READINGS = ("SMA", "cSMA")
M, C, E, GONE, NONE = Quality.MEASURED, Quality.CALCULATED, Quality.ESTIMATED, Quality.MISSING, Quality.ABSENT
CODES = """
[market]
sender = "2900000000018"
tso = "10X1001A1001A264"
answer_within_h = 2
[parties]
"BRP-Delta" = "2900000000032"
"BRP-Veluwe" = "2900000000049"
"Polderstroom" = "2900000000063"
"Zonnewende" = "2900000000087"
[areas]
"GA-west" = "290000000000000012"
"GA-oost" = "10YNL----------L"
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A meter's day: registers at the opening and after each quarter, and qualities, by channel."""

    meter: str
    registers: dict[str, Energy]
    quality: dict[str, list[int]]

    def energy_wh(self, channel: str) -> Energy:
        """What the meter counted; where a quarter is missing, or there is no meter, 0."""
        void = np.isin(self.quality[channel], (GONE, NONE))
        counted: Energy = self.registers[channel][1:] - self.registers[channel][:-1]
        counted[void] = 0
        return counted


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A connection, and what its meters say; no rows: it was never read."""

    number: int
    brp: str
    supplier: str
    rows: tuple[Row, ...]
    area: str = AREA
    method: str = "cSMA"

    @property
    def ean(self) -> str:
        return ean(self.number)

    @property
    def is_usable(self) -> bool:
        every = [one for row in self.rows for said in row.quality.values() for one in said]
        return self.method in BY_READINGS and bool(every) and GONE not in every

    def total(self, channel: str, *kinds: int) -> Energy:
        """What it took or fed in; of some qualities alone, if there are any."""
        parts = [
            np.where(np.isin(row.quality[channel], kinds) if kinds else True, row.energy_wh(channel), 0)
            for row in self.rows
        ]
        found: Energy = np.sum(parts, axis=0, dtype=np.int64)
        return found


def a_row(day: date, number: int, *, imports: Sequence[int] = (), exports: Sequence[int] = ()) -> Row:
    """A meter with registers of its own; qualities as given: of the first quarters, and the last one goes on to the end."""
    count = LENGTHS[day]
    generator = np.random.default_rng([number, day.toordinal()])
    quality = {
        name: [*said, *[said[-1]] * (count - len(said))]
        for name, said in (("import_wh", imports or [M]), ("export_wh", exports or [M]))
    }
    registers: dict[str, Energy] = {}
    for name, said in quality.items():
        # A meter that is not there counts nothing.
        steps = np.where(np.equal(said, NONE), 0, generator.integers(0, 900, count))
        registers[name] = np.concatenate([[7_000_000], 7_000_000 + np.cumsum(steps)])
    return Row(meter=f"m{number}", registers=registers, quality=quality)


def a_street(day: date) -> list[Connection]:
    """Every kind of connection that there is."""
    half = LENGTHS[day] // 2
    return [
        Connection(number=1, brp=DELTA, supplier=POLDER, rows=(a_row(day, 1, exports=[NONE]),)),
        Connection(
            number=2, brp=DELTA, supplier=ZON, method="SMA", rows=(a_row(day, 2, imports=[M, C, E, M], exports=[C, M]),)
        ),
        # The meter was exchanged at noon. The new one has an export register and estimates its first quarter.
        Connection(
            number=3,
            brp=VELUWE,
            supplier=POLDER,
            rows=(
                a_row(day, 31, imports=[*[M] * half, NONE], exports=[NONE]),
                a_row(day, 32, imports=[*[NONE] * half, E, M], exports=[*[NONE] * half, M]),
            ),
        ),
        Connection(number=4, brp=DELTA, supplier=POLDER, rows=(a_row(day, 4, imports=[M, GONE, GONE, M]),)),
        Connection(number=5, brp=DELTA, supplier=POLDER, method="PRF", rows=(a_row(day, 5),)),
        Connection(number=6, brp=DELTA, supplier=ZON, rows=()),
        Connection(number=7, brp=DELTA, supplier=ZON, area=OTHER_AREA, rows=(a_row(day, 7),)),
        Connection(number=8, brp=DELTA, supplier=POLDER, rows=(a_row(day, 8, exports=[NONE]),)),
    ]


@dataclass(kw_only=True)
class Town:
    """A home in which the street was settled."""

    home: Home
    folder: Path
    day: date
    street: list[Connection]
    ids: dict[str, int] = field(default_factory=dict)
    """By meter."""
    run: int = 0

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def at(self) -> int:
        return int(datetime.combine(self.day + ONE_DAY, datetime.min.time(), UTC).timestamp()) + 8 * 3600

    def connection(self, number: int) -> Connection:
        return next(one for one in self.street if one.number == number)

    def change(self, one: Connection) -> None:
        """From now on this is said of a connection."""
        self.street = [one if each.number == one.number else each for each in self.street]

    def import_market(self) -> int:
        """What the market says of the street, as a new revision; its number."""
        rows = [
            supply(one.number, brp=one.brp, supplier=one.supplier, area=one.area, method=one.method)
            for one in self.street
        ]
        path, market = write(self.folder / "market.csv", MARKET, rows), Market(self.home.engine)
        return market.import_file(path, kind=Kind.MARKET, at=self.at, actor="os:test").revision

    def validate(self, *, splits: int = 1) -> None:
        """Store the volumes as a new run: in one file, or in several."""
        runs, rows = Runs(self.home.engine), [row for one in self.street for row in one.rows]
        with writing(self.home.engine) as connection:
            links = [(one.ean, row.meter, self.day.year) for one in self.street for row in one.rows]
            found = Ids(self.home.engine).ids_of(connection, links)
        self.ids = {link.meter: identity for link, identity in found.items()}
        self.run = runs.begin(self.day, actor="os:test", rules="2026", raw_version=0, market_revision=1, at=self.at)
        store, version = self.home.open_validated(), 0
        rows.sort(key=lambda row: self.ids[row.meter])
        for part in range(splits):
            chosen = rows[part::splits]
            version = store.append(self.run, self.day, [self._volumes(chosen)] if chosen else [], part)
        counts = {"rows": len(rows), "findings": 0, "substitutes": 0}
        runs.finish(self.run, checks=[], counts=counts, version=version, at=self.at)

    def _volumes(self, rows: list[Row]) -> Volumes:
        return Volumes(
            day=self.day,
            ids=np.array([self.ids[row.meter] for row in rows], np.int64),
            energy_wh={name: np.array([row.energy_wh(name) for row in rows], np.int32) for name in DIRECTIONS},
            quality={name: np.array([row.quality[name] for row in rows], np.uint8) for name in DIRECTIONS},
            state={name: np.zeros(len(rows), np.int64) for name in STATE},
        )

    def settled(self, **states: AreaState) -> Settled:
        """The sums of the day, by a loop. ``west``, ``oost``: what became of the area."""
        outcome = {AREA: states.get("west", AreaState.SETTLED), OTHER_AREA: states.get("oost", AreaState.SETTLED)}
        sums = []
        keys = {(one.area, one.brp, one.supplier, one.method) for one in self.street if one.is_usable}
        for key in sorted(keys):
            members = [one for one in self.street if (one.area, one.brp, one.supplier, one.method) == key]
            members = [one for one in members if one.is_usable]
            sums += [self._sum(Part.METERED, direction, *key, members=members) for direction in DIRECTIONS.values()]
        for area in outcome:
            for direction in DIRECTIONS.values():
                sums.append(self._sum(Part.PROFILED, direction, area, DELTA, POLDER, "PRF", wh=300))
                sums.append(self._sum(Part.LOSS, direction, area, wh=20))
                sums.append(self._sum(Part.RESIDUAL, direction, area, wh=-5))
        sums = [one for one in sums if outcome[one.grid_area] is not AreaState.STOPPED]
        order = ("grid_area", "part", "brp", "supplier", "method", "direction")
        reasons = {AreaState.HELD: "the residual is too large", AreaState.STOPPED: "no infeed", AreaState.SETTLED: ""}
        return Settled(
            day=self.day,
            areas=tuple(
                Area(grid_area=area, state=state, code="", reason=reasons[state], connections=7, unread=2)
                for area, state in sorted(outcome.items())
            ),
            sums=tuple(sorted(sums, key=lambda one: [getattr(one, name) for name in order])),
            checks=(Check(grid_area=AREA, code="adds-up", passed=True, detail=""),),
        )

    def _sum(
        self,
        part: Part,
        direction: str,
        area: str,
        brp: str = "",
        supplier: str = "",
        method: str = "",
        *,
        members: Sequence[Connection] = (),
        wh: int = 0,
    ) -> Sum:
        channel = f"{direction}_wh"
        none = np.full(LENGTHS[self.day], wh, np.int64)
        energy_wh, calculated_wh, estimated_wh = none.copy(), np.zeros_like(none), np.zeros_like(none)
        for one in members:
            energy_wh += one.total(channel)
            calculated_wh += one.total(channel, C)
            estimated_wh += one.total(channel, E)
        return Sum(
            grid_area=area,
            part=part,
            direction=direction,
            brp=brp,
            supplier=supplier,
            method=method,
            connections=len(members),
            energy_wh=energy_wh,
            calculated_wh=calculated_wh,
            estimated_wh=estimated_wh,
        )

    def publish(self, settled: Settled | None = None, *, late: int = 1, code: str = __version__) -> Version:
        """A version, made so many days after the day."""
        made = Made(
            actor="os:test",
            code=code,
            rules="2026",
            validation_run=self.run,
            raw_version=0,
            validated_version=0,
            market_revision=Market(self.home.engine).revision(),
        )
        told = self.settled() if settled is None else settled
        at = self.at + (late - 1) * 86_400
        return Versions(self.home.engine).publish(told, made, at=at, today=self.day + late * ONE_DAY).version

    def export(
        self, kind: str = "validated", *, version: int | None = None, later_s: int = 600, show: Show | None = None
    ) -> Exported:
        """What the operator's command does."""
        at, who = self.at + later_s, TESTER
        return export(
            self.home, kind, self.day, version=version, out=self.out, actor=who, reason="test", at=at, show=show
        )

    def texts(self) -> dict[str, str]:
        """What lies in the outbox, without the twins."""
        return {one.name: one.read_text("utf-8") for one in self.out.glob("*.xml")}

    def log(self, kind: str) -> list[dict[str, object]]:
        """The records of a kind in the audit log."""
        log = self.home.log.opened()
        found = [json.loads(octets) for octets in log.records(0, log.size)]
        return [one for one in found if one["kind"] == kind]


@contextmanager
def town(folder: Path, day: date, *, splits: int = 1) -> Iterator[Town]:
    """A home, in ``folder``, of which the street has volumes of a day; nothing is settled yet."""
    path = folder / "home"
    create_home(path)
    with (path / "kwartier.toml").open("a", encoding="utf-8") as settings:
        settings.write(CODES)
    with open_home(path) as home:
        found = Town(home=home, folder=folder, day=day, street=a_street(day))
        found.import_market()
        found.validate(splits=splits)
        yield found
