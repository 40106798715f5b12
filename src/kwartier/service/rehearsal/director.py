"""What goes wrong in a rehearsed night, and when: drawn from the seed, each thing with its beginning and its end."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from kwartier.collect.steps import Step
from kwartier.service.rehearsal.process import Host, Process, Stage
from kwartier.simulate.virtual.fleet import WatchedFleet
from kwartier.simulate.virtual.weather import Storm

CELL_SILENT_PART = 0.15
"""How long a cell is silent, as a part of the window; the others in seconds."""
ALL_AWAY_S = 25.0
CUT_OFF_S = 75.0
"""Longer than a lease holds."""
DATABASE_AWAY_S = 20.0
DISK_FULL_S = 20.0
CLOCK_WRONG_S = 45.0
JUMPS_S = (-86_400.0, -3_600.0, -20.0, 20.0, 3_600.0, 86_400.0)
STEPS = tuple(Step)
LAST_PART = 0.7
"""Nothing begins to go wrong later than this in the window, so that the same night can still mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """How often each thing goes wrong in one night."""

    killed: int = 12
    """Processes, each at any instant."""
    kills_at_steps: int = 18
    """Processes, each where it reaches a step; all steps by turns."""
    cell_silent: int = 2
    all_away: int = 1
    host_cut: int = 1
    """Hosts that reach no database, and all their meters."""
    host_lost: int = 1
    database_away: int = 1
    disk_full: int = 1
    clock_jumped: int = 2
    """Hosts whose clock is set wrong and, later, right again."""

    def counts(self) -> dict[str, int]:
        """By the names under which they are counted, but for the steps."""
        found = {name.replace("_", "-"): count for name, count in asdict(self).items()}
        del found["kills-at-steps"]
        return found


USUAL = Trouble()


class Director:
    """Lets things go wrong while a night runs. ``alive``: the processes that run just now."""

    def __init__(
        self,
        stage: Stage,
        hosts: Sequence[Host],
        fleet: WatchedFleet,
        storm: Storm,
        alive: Callable[[], Sequence[Process]],
    ) -> None:
        self._stage = stage
        self._hosts = hosts
        self._fleet = fleet
        self._storm = storm
        self._alive = alive
        self._next_step = 0
        self.lost: set[str] = set()
        """Hosts that are down: nobody starts a process there."""

    def schedule(self, trouble: Trouble, *, window_s: float, chance: random.Random) -> None:
        """Set everything for a night that begins now."""
        loop = asyncio.get_running_loop()
        acts: list[tuple[int, Callable[[random.Random], None]]] = [
            (trouble.killed, self._kill),
            (trouble.kills_at_steps, self._kill_at_step),
            (trouble.cell_silent, lambda drawn: self._silence(drawn, window_s * CELL_SILENT_PART)),
            (trouble.all_away, self._all_away),
            (trouble.host_cut, self._cut),
            (trouble.host_lost, self._lose),
            (trouble.database_away, self._database_away),
            (trouble.disk_full, self._disk_full),
            (trouble.clock_jumped, self._set_clock),
        ]
        for count, act in acts:
            for _ in range(count):
                drawn = random.Random(chance.getrandbits(64))
                loop.call_later(drawn.uniform(0.02, LAST_PART) * window_s, act, drawn)

    def _kill(self, drawn: random.Random) -> None:
        alive = self._alive()
        if alive:
            self._stage.happened["killed"] += 1
            drawn.choice(alive).kill()

    def _kill_at_step(self, drawn: random.Random) -> None:
        alive = self._alive()
        if alive:
            drawn.choice(alive).kill_at(STEPS[self._next_step % len(STEPS)])
            self._next_step += 1

    def _silence(self, drawn: random.Random, for_s: float) -> None:
        world = self._fleet.world
        cell = world.who(drawn.randrange(world.count)).cell
        self._note("cell-silent", f"{cell} is silent")
        self._fleet.silent_cells.add(cell)
        self._later(for_s, lambda: self._fleet.silent_cells.discard(cell), f"{cell} answers again")

    def _all_away(self, drawn: random.Random) -> None:
        self._note("all-away", "nothing can be reached")
        self._storm.is_away = True
        self._later(ALL_AWAY_S, lambda: setattr(self._storm, "is_away", False), "lines work again")

    def _cut(self, drawn: random.Random) -> None:
        host = drawn.choice(self._hosts)
        self._note("host-cut", f"{host.name} cannot reach the database")
        host.is_cut = True
        self._later(CUT_OFF_S, lambda: setattr(host, "is_cut", False), f"{host.name} reaches the database")

    def _lose(self, drawn: random.Random) -> None:
        host = drawn.choice(self._hosts)
        self._note("host-lost", f"{host.name} is down")
        self.lost.add(host.name)
        for one in self._alive():
            if one.host is host:
                one.kill()
        self._later(CUT_OFF_S, lambda: self.lost.discard(host.name), f"{host.name} is up")

    def _database_away(self, drawn: random.Random) -> None:
        self._note("database-away", "the database does not answer")
        self._stage.database_is_away = True
        self._later(DATABASE_AWAY_S, lambda: setattr(self._stage, "database_is_away", False), "the database answers")

    def _disk_full(self, drawn: random.Random) -> None:
        self._note("disk-full", "no room for readings")
        self._stage.disk_is_full = True
        self._later(DISK_FULL_S, lambda: setattr(self._stage, "disk_is_full", False), "there is room")

    def _set_clock(self, drawn: random.Random) -> None:
        host, jump_s = drawn.choice(self._hosts), drawn.choice(JUMPS_S)
        self._note("clock-jumped", f"the clock of {host.name} is {jump_s:+.0f} s wrong")
        host.ahead_s = jump_s
        self._later(CLOCK_WRONG_S, lambda: setattr(host, "ahead_s", 0.0), f"the clock of {host.name} is right")

    def _note(self, what: str, said: str) -> None:
        self._stage.happened[what] += 1
        self._stage.trace.note("director", said)

    def _later(self, after_s: float, act: Callable[[], None], said: str) -> None:
        def end() -> None:
            self._stage.trace.note("director", said)
            act()

        asyncio.get_running_loop().call_later(after_s, end)
