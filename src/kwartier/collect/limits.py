"""What the radio bears: how many visits may begin in a second and be open at once, in all and in each cell.

Visits that may not begin yet wait in a queue for each cell and kind of meter, so that one which is full, or silent, holds up
nobody else. Whose turn it is goes round: the meters of a large cell that comes back do not crowd out the others.
All times are seconds of the loop.
"""

import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from kwartier.collect.breaker import Breakers
from kwartier.collect.lease import Shut
from kwartier.collect.outcome import Task

BURST_S = 0.1
"""A rate is kept over spans as short as this, a beat of the engine: what was not used before cannot be made up for."""
HELD_A_GROUP = 32
"""A group with so many visits at hand that may not begin is given no more."""
PROBES_HELD = 8
"""As many visits are kept at hand of a cell where nothing answers."""
MAX_SHUT = 10_000
"""As many cells and kinds are left out by name when meters are leased; of what is leased of others and is given up, no more
is kept than :data:`PROBES_HELD`."""
Group = tuple[str, str]
"""Cell and kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """For one process; 0: no bound. ``breaks``: whether groups that do not answer are given up."""

    visits_per_s: float = 0.0
    cell_visits_per_s: float = 0.0
    cell_open_visits: int = 0
    breaks: bool = False


UNBOUNDED = Bounds()


class Rate:
    """A bucket that fills at ``per_s``, and holds one and what comes in :data:`BURST_S`."""

    __slots__ = ("_at_s", "_held", "_most", "_per_s")

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._most = 1.0 + per_s * BURST_S
        self._held = self._most
        self._at_s = 0.0

    def next_s(self, now_s: float) -> float:
        """When something may be taken: ``now_s``, or later."""
        self._held = min(self._most, self._held + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        return now_s if self._held >= 1 else now_s + (1 - self._held) / self._per_s

    def take(self) -> None:
        """Take one."""
        self._held -= 1


class _Cell:
    """What begins and is open in one cell."""

    __slots__ = ("open", "rate")

    def __init__(self, per_s: float) -> None:
        self.open = 0
        self.rate = Rate(per_s) if per_s else None


class Limits:
    """What may begin now, in one process."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._rate = Rate(bounds.visits_per_s) if bounds.visits_per_s else None
        self._cells: dict[str, _Cell] = {}
        self.cells = Breakers()
        self.kinds = Breakers()
        self.opened = 0
        """How often a breaker opened."""

    def any_s(self, now_s: float) -> float:
        """When any visit at all may begin."""
        return now_s if self._rate is None else self._rate.next_s(now_s)

    def next_s(self, group: Group, now_s: float) -> float | None:
        """When a visit of ``group`` may begin, or when to ask again; None: when another of its cell has ended."""
        name, kind = group
        cell = self._cells.get(name)
        if cell is not None:
            most = self.bounds.cell_open_visits
            if most and cell.open >= most:
                return None
            if cell.rate is not None and (next_s := cell.rate.next_s(now_s)) > now_s:
                return next_s
        if not self.bounds.breaks:
            return now_s
        return max(self.cells.next_s(name, now_s), self.kinds.next_s(kind, now_s))

    def begin(self, task: Task) -> None:
        """A visit begins."""
        name, kind = group_of(task)
        if self._rate is not None:
            self._rate.take()
        if name:
            cell = self._cells.get(name)
            if cell is None:
                cell = self._cells[name] = _Cell(self.bounds.cell_visits_per_s)
            cell.open += 1
            if cell.rate is not None:
                cell.rate.take()
        if self.bounds.breaks:
            self.cells.begun(name)
            self.kinds.begun(kind)

    def end(self, task: Task, *, answered: bool | None, began_s: float, now_s: float) -> None:
        """A visit ended. ``answered``: whether anything was heard of the meter; None: our own system was at fault."""
        name, kind = group_of(task)
        if name and (cell := self._cells.get(name)) is not None:
            cell.open -= 1
            if not cell.open and cell.rate is None:
                del self._cells[name]
        if self.bounds.breaks:
            for breakers, group, member in (
                (self.cells, name, task.meter.meter),
                (self.kinds, kind, name or task.meter.meter),
            ):
                self.opened += breakers.ended(
                    group, member, is_first=not task.tries, answered=answered, began_s=began_s, now_s=now_s
                )

    def is_broken(self, group: Group) -> bool:
        """Whether ``group`` is given up for now."""
        return group[0] in self.cells.open or group[1] in self.kinds.open

    def is_enough(self, group: Group, held: int) -> bool:
        """Whether ``held`` visits, one at least, are enough to find out with; of a kind, one in each cell that is at hand."""
        return group[1] in self.kinds.open or (held >= PROBES_HELD and group[0] in self.cells.open)


class _Line:
    """The visits at hand of one group, and whether they have to wait."""

    __slots__ = ("held_up", "tasks")

    def __init__(self) -> None:
        self.tasks: deque[Task] = deque()
        self.held_up = False


class Waiting:
    """Visits at hand, in a queue for each group; the groups that may begin take turns."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lines: dict[Group, _Line] = {}
        self._turn: deque[Group] = deque()
        self._later: list[tuple[float, int, Group]] = []
        self._number = 0
        """Groups that may begin at the same moment keep their order, so that each has its turn."""
        self._full: dict[str, list[Group]] = {}
        """By cell: the groups that wait for another visit to end there."""
        self.ready = 0
        """How many are in groups that were not held up when they were last asked."""

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __iter__(self) -> Iterator[Task]:
        for line in self._lines.values():
            yield from line.tasks

    def put(self, task: Task) -> bool:
        """A visit that may begin as soon as the limits allow; False: not taken, for enough are at hand of what is given up."""
        group = group_of(task)
        line = self._lines.get(group)
        if line is not None and self._limits.is_enough(group, len(line.tasks)):
            return False
        if line is None:
            line = self._lines[group] = _Line()
            self._turn.append(group)
        line.tasks.append(task)
        self.ready += not line.held_up
        return True

    def next(self, now_s: float) -> Task | None:
        """A visit that may begin now; the limits have been told."""
        while self._later and self._later[0][0] <= now_s:
            self._let_go(heapq.heappop(self._later)[2])
        while self._turn:
            group = self._turn.popleft()
            line = self._lines[group]
            at_s = self._limits.next_s(group, now_s)
            if at_s is None:
                self._full.setdefault(group[0], []).append(group)
                self._hold_up(line)
            elif at_s > now_s:
                self._number += 1
                heapq.heappush(self._later, (at_s, self._number, group))
                self._hold_up(line)
            else:
                task = line.tasks.popleft()
                self.ready -= 1
                self._limits.begin(task)
                if line.tasks:
                    self._turn.append(group)
                else:
                    del self._lines[group]
                return task
        return None

    def _hold_up(self, line: _Line) -> None:
        line.held_up = True
        self.ready -= len(line.tasks)

    def _let_go(self, group: Group) -> None:
        line = self._lines[group]
        line.held_up = False
        self.ready += len(line.tasks)
        self._turn.append(group)

    def ended(self, task: Task) -> None:
        """A visit ended: groups of its cell may have room now."""
        for group in self._full.pop(task.meter.cell, ()):
            self._let_go(group)

    def crowded(self) -> Shut:
        """What is to be left out: of what is held up, where enough is at hand; of what is given up, where some is."""
        cells: dict[str, None] = {}
        kinds: dict[str, None] = {}
        silent, broken = self._limits.cells.open, self._limits.kinds.open
        for (cell, kind), line in self._lines.items():
            if line.held_up:
                if kind in broken:
                    kinds[kind] = None
                elif cell and len(line.tasks) >= (1 if cell in silent else HELD_A_GROUP):
                    cells[cell] = None
        return Shut(cells=tuple(islice(cells, MAX_SHUT)), kinds=tuple(islice(kinds, MAX_SHUT)))

    def surplus(self) -> list[Task]:
        """Visits of groups that are given up, but for a few to find out with: they are at hand no more."""
        spare: list[Task] = []
        for group, line in self._lines.items():
            while len(line.tasks) > 1 and self._limits.is_enough(group, len(line.tasks) - 1):
                spare.append(line.tasks.pop())
                self.ready -= not line.held_up
        return spare

    def drop(self, leases: Collection[str]) -> list[Task]:
        """Visits under ``leases`` are at hand no more; which these were."""
        return self._keep(lambda task: task.job.lease not in leases)

    def clear(self) -> list[Task]:
        """Nothing is at hand any more; what was."""
        return self._keep(lambda task: False)

    def _keep(self, is_kept: Callable[[Task], bool]) -> list[Task]:
        """Begin anew with those that are kept; the others."""
        tasks = [(task, is_kept(task)) for task in self]
        self._lines, self._turn, self._later, self._full, self.ready = {}, deque(), [], {}, 0
        return [task for task, kept in tasks if not (kept and self.put(task))]


def group_of(task: Task) -> Group:
    """Cell and kind of a meter."""
    return task.meter.cell, task.job.kind
