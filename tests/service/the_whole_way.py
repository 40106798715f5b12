"""The whole way of a recorded household: a meter counts it, nights read it, and in the end the market hears of each quarter.

Nothing on the way is put in place of the real thing but time, which jumps, and the line, which is in memory. Nights have a
window, by the clocks where the meter stands; only in some of them somebody comes, and fetches what the buffer holds of the
days before. After each of these the days that came are validated, settled and exported. The infeed of the only grid area is
the household by its recording, a loss, and what nobody meters. The purpose is that of tests with connections that are nobody's:
the law that allows settlement is younger than the recording.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from kwartier.clock import QUARTER_S, local_day, midnight, quarter_ends
from kwartier.collect.due import Dues
from kwartier.collect.engine import Room
from kwartier.market.columns import Kind
from kwartier.market.market import Market
from kwartier.service import night
from kwartier.service.demo.codes import write_codes
from kwartier.service.exporting.run import export
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.rehearsal.process import Host, Process, Stage
from kwartier.service.settling.due import due
from kwartier.service.settling.run import settle
from kwartier.service.simulating import write_files
from kwartier.service.validating.due import validate_due
from kwartier.settle.tables import Part
from kwartier.simulate.household import Household
from kwartier.simulate.running import Running
from kwartier.simulate.virtual.loop import VirtualLoop
from kwartier.simulate.virtual.trace import Trace
from kwartier.simulate.world import World
from tests.export.reading import complaints_of, parsed, texts, watt_hours
from tests.household import TIMEZONE, HouseholdYear, repeating
from tests.market.files import ENERGY, MARKET, write
from tests.somebody import TESTER

ONE_DAY = timedelta(days=1)
EARLY_S = 60
"""A night is planned this long before its window opens."""
WINDOW_S = 180
DAYS_A_VISIT = 9
"""As many whole days as a buffer of 960 rows holds in the night after the last of them."""
LOSS_WH, UNMETERED_WH = 11, 6
"""In every quarter, of what flows into the area; nobody feeds in."""
PURPOSES = ("night", "validate", "settle", "export")
WAYS = {"E17": "import", "E18": "export"}
FIRST_COUNTER = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class OneHousehold(World):
    """A fleet of one meter, which counts a household that was recorded."""

    counted: Household = field(repr=False)

    def household(self, index: int) -> Household:
        """The only one."""
        return self.counted


@dataclass(kw_only=True)
class Heard:
    """What the market heard, by direction and the end of each quarter (UTC s); and how it came about."""

    energy_wh: dict[str, dict[int, int]] = field(default_factory=lambda: {way: {} for way in WAYS.values()}, repr=False)
    codes: Counter[str] = field(default_factory=Counter)
    quarters: dict[date, int] = field(default_factory=dict)
    """Of each local day."""
    residual_wh: dict[str, list[int]] = field(default_factory=lambda: {way: [] for way in WAYS.values()})
    visits: int = 0
    readings: int = 0
    """Days of the meter that are stored."""

    def listen(self, text: str) -> None:
        """A message: positions count the quarters of its day from 1."""
        root = parsed(text)
        assert texts(root, "type")[0] == "E66"
        for series in (one for one in root if one.tag.endswith("}Series")):
            (way,), (start,), (end,) = (texts(series, name) for name in ("marketEvaluationPoint.type", "start", "end"))
            begins, ends = (int(datetime.fromisoformat(one).timestamp()) for one in (start, end))
            positions = [int(one) for one in texts(series, "position")]
            assert positions == list(range(1, (ends - begins) // QUARTER_S + 1))
            heard = self.energy_wh[WAYS[way]]
            for position, energy_wh in zip(positions, watt_hours(series), strict=True):
                assert begins + position * QUARTER_S not in heard, "told twice"
                heard[begins + position * QUARTER_S] = energy_wh
            self.codes.update(texts(series, "quality"))
            self.quarters[local_day(begins, TIMEZONE)] = len(positions)


def whole_way(folder: Path, year: HouseholdYear, days: Sequence[date]) -> Heard:
    """All of ``days``, which follow each other."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(_Way(folder, year, days, loop).walk())


class _Way:
    def __init__(self, folder: Path, year: HouseholdYear, days: Sequence[date], loop: VirtualLoop) -> None:
        self._folder, self._year, self._days, self._loop = folder, year, days, loop
        self._home = folder / "home"
        self._epoch = midnight(days[0] + ONE_DAY, TIMEZONE) - 2 * EARLY_S
        self._world = OneHousehold(seed=1, count=1, timezone=TIMEZONE, counted=repeating(year))
        self._fleet = Running(self._world, now=self._now, has_clocks=True, first_counter=FIRST_COUNTER)
        self._heard = Heard()

    def _now(self) -> float:
        return self._epoch + self._loop.time()

    async def walk(self) -> Heard:
        await self._fleet.listen()
        write_files(self._fleet, self._folder / "fleet", datetime.fromtimestamp(self._now(), UTC), "operator")
        self._settle_in()
        with open_home(self._home) as home:
            for number, day in enumerate(self._days, 1):
                await self._plan(home, day)
                if number % DAYS_A_VISIT == 0 or number == len(self._days):
                    await self._visit(home, day)
                    self._go_on(home)
        self._fleet.close()
        return self._heard

    def _settle_in(self) -> None:
        create_home(self._home)
        with (self._home / "kwartier.toml").open("a", encoding="utf-8") as out:
            out.write(f'timezone = "{TIMEZONE}"\nwindow_closes = 00:{WINDOW_S // 60:02d}:00\n')
            out.writelines(f'{name}_purpose = "test"\n' for name in PURPOSES)
        write_codes(self._home)
        files, at = self._folder / "fleet", int(self._now())
        with open_home(self._home) as home:
            home.registry.import_file(files / "fleet.csv", at=at)
            own = home.settings.own_title
            home.keyring.import_file(files / "keys.csv", at=at, actor=TESTER.name, own_title=own)
            for kind, path in self._market():
                Market(home.engine).import_file(path, kind=kind, at=at, actor=TESTER.name)

    def _market(self) -> Iterator[tuple[Kind, Path]]:
        """What the market says: not by the meter, but by the recording."""
        who, folder = self._world.who(0), self._folder
        row = f"{who.ean},2023-01-01,,{who.brp},{who.energy_supplier},{who.grid_area},cSMA,8463093"
        yield Kind.MARKET, write(folder / "market.csv", MARKET, [row])
        times = quarter_ends(self._days[0], self._days[-1] + ONE_DAY, TIMEZONE)
        first = int(np.searchsorted(self._year.times, times[0]))
        used = self._year.energy_wh()[first : first + len(times) - 1].tolist()
        stamps = [datetime.fromtimestamp(one, UTC).strftime("%Y-%m-%dT%H:%MZ") for one in times[1:].tolist()]
        lost, flown = [], []
        for stamp, used_wh in zip(stamps, used, strict=True):
            lost += [f"{who.grid_area},{stamp},import,{LOSS_WH}", f"{who.grid_area},{stamp},export,0"]
            flows_wh = used_wh + LOSS_WH + UNMETERED_WH
            flown += [f"{who.grid_area},{stamp},import,{flows_wh}", f"{who.grid_area},{stamp},export,0"]
        yield Kind.LOSSES, write(folder / "losses.csv", ENERGY, lost)
        yield Kind.INFEED, write(folder / "infeed.csv", ENERGY, flown)

    # A night.

    async def _plan(self, home: Home, day: date) -> None:
        await asyncio.sleep(midnight(day + ONE_DAY, TIMEZONE) - EARLY_S - self._now())
        assert night.plan(home, self._request(day), now=self._now()) == 1

    async def _visit(self, home: Home, day: date) -> None:
        opens, orders = midnight(day + ONE_DAY, TIMEZONE), night.orders_of(home, self._request(day))
        assert orders.until == opens + WINDOW_S
        await asyncio.sleep(opens - self._now())
        trace = Trace(self._loop.time)
        chance, room = random.Random(f"{day}"), Room(first=1, again=1)
        stage = Stage(home=self._home, network=self._loop.network, trace=trace, chance=chance, room=room)
        host = Host(name="host", world_s=self._now, steady_s=self._loop.time)
        await Process(f"host.{day}", host, stage).run(orders)
        await asyncio.sleep(max(0.0, orders.until - self._now()))
        Dues(home.engine).close(day, at=int(self._now()))
        assert Dues(home.engine).counts(day).stored == 1
        self._heard.visits += 1

    def _request(self, day: date) -> night.Request:
        return night.Request(day=day, workers=0, at_once=False, actor=TESTER, reason="a recorded household")

    # And what follows from it.

    def _go_on(self, home: Home) -> None:
        now = int(self._now())
        for outcome in validate_due(home, actor=TESTER, now=now, reason="a test", watch=lambda _: None):
            self._heard.readings += outcome.run.rows
        for day in due(home, local_day(now, TIMEZONE)):
            done = settle(home, day, actor=TESTER, reason="a test", at=now)
            assert done.not_settled == ()
            for one in done.settled.sums:
                if one.part is Part.RESIDUAL:
                    self._heard.residual_wh[one.direction] += one.energy_wh.tolist()
            out = self._folder / "out"
            told = export(home, "validated", day, version=None, out=out, actor=TESTER, reason="a test", at=now)
            for path in told.files:
                text = path.read_text("utf-8")
                assert complaints_of(text, "validated") == []
                self._heard.listen(text)
