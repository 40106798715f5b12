"""The course of a rehearsal: a fleet, an installation, several hosts, and night after night until the last, which is quiet.

In the last night nothing of the director's goes wrong, so that whatever the buffers of the meters still hold has to be there
when it is over. The first days are those around the change to summer time: one of them has 92 quarters.
"""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from kwartier.clock import midnight
from kwartier.collect.due import Dues
from kwartier.collect.engine import Room
from kwartier.collect.steps import Step
from kwartier.service import night
from kwartier.service.home import create_home, open_home
from kwartier.service.rehearsal import promises
from kwartier.service.rehearsal.director import USUAL, Director, Trouble
from kwartier.service.rehearsal.process import Host, Killed, Process, Stage
from kwartier.service.simulating import write_files
from kwartier.service.worker import Orders
from kwartier.simulate.compare import Comparison
from kwartier.simulate.faults import LINE_FAULTS, VALUE_FAULTS, Fault, FaultTable
from kwartier.simulate.virtual.fleet import WatchedFleet
from kwartier.simulate.virtual.loop import VirtualLoop
from kwartier.simulate.virtual.trace import Trace
from kwartier.simulate.virtual.weather import FAIR, WILD, Climate, Storm
from kwartier.simulate.world import World, meter_name
from kwartier.who.actor import Actor

FIRST_DAY = date(2026, 3, 27)
TIMEZONE = "Europe/Amsterdam"
HOSTS = 2
PROCESSES_A_HOST = 2
WINDOW_MINUTES = 30
VISIT_DEADLINE_S = 40.0
EARLY_S = 60
"""The night is planned this long before its window opens."""
RESTART_S = 3.0
MAX_STARTS = 200
FAULTY_PART = 100
"""One meter in so many has each of the faults, and at least one."""
ACTOR = Actor(name="os:rehearsal", roles=frozenset({"operator", "test"}), via="os")
REASON = "rehearsed night"
FIRST_COUNTER = 1000
CERTAIN_ROUNDS = 6
"""With each step named so often to a process, one at least has reached it before something else killed it."""
OPEN_VISITS = Room(first=200, again=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is rehearsed."""

    seed: int
    meters: int
    days: int
    """Local days that are read, each in a night of its own; nothing of the director's goes wrong in the last."""
    first_day: date = FIRST_DAY
    """The first of them."""
    trouble: Trouble = USUAL
    climate: Climate = WILD
    window_minutes: int = WINDOW_MINUTES
    """How long each night is. The shorter, the closer everything that goes wrong, and the sooner it is over."""

    def expected(self) -> list[str]:
        """What has to go wrong at least once, or the rehearsal proves nothing of it."""
        if self.days == 1:
            return [f"meter:{name}" for name in (*LINE_FAULTS, *VALUE_FAULTS)]
        names = [name for name, count in self.trouble.counts().items() if count]
        names += self.climate.names()
        names += [f"meter:{name}" for name in (*LINE_FAULTS, *VALUE_FAULTS)]
        if self.trouble.kills_at_steps * (self.days - 1) >= CERTAIN_ROUNDS * len(Step):
            names += [f"killed-at:{step}" for step in Step]
        return names


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it went. ``happened``: what went wrong, and how often; ``broken``: the promises that did not hold."""

    seed: int
    meter_nights: int
    happened: dict[str, int]
    comparison: Comparison
    counters: int
    digest: str
    steps: int
    broken: tuple[str, ...]


def rehearse(script: Script, *, show: Callable[[str], None] | None = None) -> Outcome:
    """The nights of ``script``. ``show`` is told of each step. The same script gives the same steps."""
    with (
        tempfile.TemporaryDirectory(prefix="kwartier-rehearsal-") as folder,
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
    ):
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        loop.set_exception_handler(_unheard)
        return runner.run(Rehearsal(script, Path(folder), loop, show).run())


def faults_of(script: Script) -> FaultTable:
    """Every fault, each for meters of its own by name, so that none is left out by chance."""
    names = [*LINE_FAULTS, *VALUE_FAULTS]
    each = max(1, script.meters // FAULTY_PART // 4)
    drawn = random.Random(script.seed).sample(range(script.meters), each * len(names))
    found = []
    for place, name in enumerate(names):
        meters = frozenset(map(meter_name, drawn[place * each : (place + 1) * each]))
        for_ever = name in {"wrong-key", "hostile"}
        found.append(Fault(name=name, attempts=0 if for_ever or name in VALUE_FAULTS else 1, meters=meters))
    return FaultTable(found)


def _unheard(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Processes that were killed leave tasks behind, as they should; everything else is told."""
    if not isinstance(context.get("exception"), Killed) and "destroyed but it is pending" not in str(
        context["message"]
    ):
        loop.default_exception_handler(context)


class Rehearsal:
    """One rehearsal, in ``folder``."""

    def __init__(self, script: Script, folder: Path, loop: VirtualLoop, show: Callable[[str], None] | None) -> None:
        self._script = script
        self._chance = random.Random(script.seed)
        self._home = folder / "home"
        self._files = folder / "fleet"
        self._epoch = midnight(script.first_day + timedelta(days=1), TIMEZONE) - 2 * EARLY_S
        self._loop = loop
        self._storm = Storm(random.Random(self._chance.getrandbits(64)), script.climate)
        loop.network.weather = self._storm
        world = World(seed=script.seed, count=script.meters, faults=faults_of(script))
        self._fleet = WatchedFleet(world, now=self._now, first_counter=FIRST_COUNTER)
        self._stage = Stage(
            home=self._home,
            network=loop.network,
            trace=Trace(loop.time, show),
            chance=random.Random(self._chance.getrandbits(64)),
            room=OPEN_VISITS,
        )
        self._hosts = [
            Host(name=f"host-{number + 1}", world_s=self._now, steady_s=loop.time) for number in range(HOSTS)
        ]
        self._alive: dict[str, Process] = {}
        self._director = Director(self._stage, self._hosts, self._fleet, self._storm, self.alive)
        self._broken: list[str] = []

    def alive(self) -> list[Process]:
        """The processes that run."""
        return list(self._alive.values())

    def _now(self) -> float:
        return self._epoch + self._loop.time()

    async def run(self) -> Outcome:
        """All nights."""
        days = [self._script.first_day + timedelta(days=number) for number in range(self._script.days)]
        await self._settle_in()
        for day in days:
            await self._night(day, is_last=day == days[-1])
        with open_home(self._home) as home:
            comparison, broken = promises.values(home, self._files, days, actor=ACTOR)
            self._broken += broken + promises.counters(self._fleet) + promises.settled(home.engine)
            self._broken += promises.clocks(home.engine, self._fleet) + promises.recorded(home, days)
        self._fleet.close()
        met = Counter({f"meter:{name}": count for name, count in self._fleet.met.items()})
        set_clocks = Counter({"clock-set": sum(1 for _ in self._fleet.clock_settings())})
        happened = self._stage.happened + self._storm.happened + met + set_clocks
        self._broken += [f"{name} never happened" for name in self._script.expected() if not happened[name]]
        return Outcome(
            seed=self._script.seed,
            meter_nights=self._script.meters * len(days),
            happened=dict(sorted(happened.items())),
            comparison=comparison,
            counters=self._fleet.watch.counters,
            digest=self._stage.trace.digest,
            steps=self._stage.trace.count,
            broken=tuple(self._broken),
        )

    async def _settle_in(self) -> None:
        """A fleet that listens, and an installation that knows it."""
        await self._fleet.listen()
        write_files(self._fleet, self._files, datetime.fromtimestamp(self._now(), UTC), "operator")
        create_home(self._home)
        minutes = self._script.window_minutes
        closes = f"{minutes // 60:02d}:{minutes % 60:02d}"
        with (self._home / "kwartier.toml").open("a", encoding="utf-8") as out:
            out.write(f"window_closes = {closes}:00\nvisit_deadline_s = {VISIT_DEADLINE_S}\n")
            out.write('synchronised_clock = true\nclock_correction = "steps"\n')
        with open_home(self._home) as home:
            at = int(self._now())
            home.registry.import_file(self._files / "fleet.csv", at=at)
            home.registry.import_modules(self._files / "modules.csv", at=at)
            home.keyring.import_file(
                self._files / "keys.csv", at=at, actor=ACTOR.name, own_title=home.settings.own_title
            )

    async def _night(self, day: date, *, is_last: bool) -> None:
        opens = midnight(day + timedelta(days=1), TIMEZONE)
        closes = opens + self._script.window_minutes * 60
        await asyncio.sleep(opens - EARLY_S - self._now())
        self._stage.trace.note("night", f"of {day}")
        request = night.Request(day=day, workers=0, at_once=False, actor=ACTOR, reason=REASON)
        with open_home(self._home) as home:
            night.plan(home, request, now=self._now())
        orders = night.orders_of(home, request)
        await asyncio.sleep(opens - self._now())
        self._storm.climate = FAIR if is_last else self._script.climate
        if not is_last:
            chance = random.Random(self._chance.getrandbits(64))
            self._director.schedule(self._script.trouble, window_s=closes - opens, chance=chance)
        await asyncio.gather(
            *(self._keep(host, place, orders) for host in self._hosts for place in range(PROCESSES_A_HOST))
        )
        await asyncio.sleep(max(0.0, closes - self._now()))
        self._look_back(day, opens, closes)

    def _look_back(self, day: date, opens: int, closes: int) -> None:
        visit_day = day + timedelta(days=1)
        with open_home(self._home) as home:
            Dues(home.engine).close(day, at=int(self._now()))
            counts = Dues(home.engine).counts(day)
            self._stage.trace.note("night", f"{counts.stored} of {counts.due} stored, {dict(counts.causes)}")
            self._broken += promises.one_read(home, self._fleet, visit_day)
            self._broken += promises.deadlines(
                home.engine, opens=opens, closes=closes, deadline_s=VISIT_DEADLINE_S, visit_day=visit_day
            )

    async def _keep(self, host: Host, place: int, orders: Orders) -> None:
        """Start a process, and another when it is lost, as whoever minds a night does."""
        clock = host.clock()
        for number in range(1, MAX_STARTS + 1):
            while host.name in self._director.lost or clock.waits():
                await asyncio.sleep(RESTART_S)
            process = Process(f"{host.name}.{place + 1}.{orders.day:%d}.{number}", host, self._stage)
            self._alive[process.name] = process
            try:
                await asyncio.create_task(process.run(orders))
            finally:
                del self._alive[process.name]
            if not process.was_killed:
                return
            await asyncio.sleep(RESTART_S)
        self._broken.append(f"a place of {host.name} needed more than {MAX_STARTS} processes")
