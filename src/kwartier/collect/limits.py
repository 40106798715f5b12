"""What the radio bears: how many visits may begin in a second and be open at once, in all and in each cell.

Visits that may not begin yet wait in a queue for each cell and kind of meter, so that one which is full, or silent, holds up
nobody else. Whose turn it is goes round: the meters of a large cell that comes back do not crowd out the others.
All times are seconds of the loop.
"""

import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from kwartier.collect.breaker import Breakers
from kwartier.collect.lease import Shut
from kwartier.collect.outcome import Task

BURST_S = 0.2
"""A rate is kept over spans as short as this: what was not used before cannot be made up for."""
HELD_A_GROUP = 32
"""A group with so many visits at hand that may not begin is given no more."""
PROBES_HELD = 8
"""As many visits are kept at hand where nothing answers."""
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
    """A bucket that fills at ``per_s``, and holds what comes in :data:`BURST_S`, one at least."""

    __slots__ = ("_at_s", "_held", "_most", "_per_s")

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s * BURST_S)
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
        """When a visit of ``group`` may begin; None: when another of it has ended."""
        name, kind = group
        cell = self._cells.get(name)
        if cell is not None:
            most = self.bounds.cell_open_visits
            if most and cell.open >= most:
                return None
            if cell.rate is not None and (next_s := cell.rate.next_s(now_s)) > now_s:
                return next_s
        if not self.bounds.breaks or (self.cells.may_begin(name, now_s) and self.kinds.may_begin(kind, now_s)):
            return now_s
        next_s = max(self.cells.next_probe_s(name), self.kinds.next_probe_s(kind))
        return next_s if next_s > now_s else None

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
            self.cells.begun(name, task.meter.meter)
            self.kinds.begun(kind, name or task.meter.meter)

    def end(self, task: Task, *, answered: bool | None, now_s: float) -> None:
        """A visit ended. ``answered``: whether anything was heard of the meter; None: our own system was at fault."""
        name, kind = group_of(task)
        if name and (cell := self._cells.get(name)) is not None:
            cell.open -= 1
            if not cell.open and cell.rate is None:
                del self._cells[name]
        if self.bounds.breaks and answered is not None:
            self.opened += self.cells.ended(name, task.meter.meter, answered=answered, now_s=now_s)
            self.opened += self.kinds.ended(kind, name or task.meter.meter, answered=answered, now_s=now_s)

    def is_broken(self, group: Group) -> bool:
        """Whether ``group`` is given up for now."""
        return self.bounds.breaks and (self.cells.is_open(group[0]) or self.kinds.is_open(group[1]))


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
        self._later: list[tuple[float, Group]] = []
        self._full: set[Group] = set()
        self.ready = 0
        """How many are in groups that were not held up when they were last asked."""

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __iter__(self) -> Iterator[Task]:
        for line in self._lines.values():
            yield from line.tasks

    def put(self, task: Task) -> None:
        """A visit that may begin as soon as the limits allow."""
        group = group_of(task)
        line = self._lines.get(group)
        if line is None:
            line = self._lines[group] = _Line()
            self._turn.append(group)
        line.tasks.append(task)
        self.ready += not line.held_up

    def next(self, now_s: float) -> Task | None:
        """A visit that may begin now; the limits have been told."""
        while self._later and self._later[0][0] <= now_s:
            self._let_go(heapq.heappop(self._later)[1])
        while self._turn:
            group = self._turn.popleft()
            line = self._lines[group]
            at_s = self._limits.next_s(group, now_s)
            if at_s is None:
                self._full.add(group)
                self._hold_up(line)
            elif at_s > now_s:
                heapq.heappush(self._later, (at_s, group))
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
        """A visit ended: groups of its cell and of its kind may have room now."""
        if self._full:
            name, kind = group_of(task)
            # In the order of the lines, so that the same course of events is the same.
            for group in [one for one in self._lines if one in self._full and (one[0] == name or one[1] == kind)]:
                self._full.discard(group)
                self._let_go(group)

    def crowded(self) -> Shut:
        """What is to be left out: of what is held up, where enough is at hand; of what is given up, where some is."""
        cells, kinds = set(), set()
        for (cell, kind), line in self._lines.items():
            if not line.held_up:
                continue
            if self._limits.kinds.is_open(kind):
                kinds.add(kind)
            elif cell and len(line.tasks) >= (1 if self._limits.cells.is_open(cell) else HELD_A_GROUP):
                cells.add(cell)
        return Shut(cells=tuple(sorted(cells)), kinds=tuple(sorted(kinds)))

    def surplus(self) -> list[Task]:
        """Visits of groups that are given up, but for a few to find out with: they are at hand no more."""
        broken = {group for group, line in self._lines.items() if self._limits.is_broken(group)}
        kept: dict[Group, int] = dict.fromkeys(broken, 0)

        def is_kept(task: Task) -> bool:
            group = group_of(task)
            if group not in broken:
                return True
            kept[group] += 1
            return kept[group] <= PROBES_HELD

        return self._keep(is_kept) if broken else []

    def drop(self, leases: Collection[str]) -> list[Task]:
        """Visits under ``leases`` are at hand no more; which these were."""
        return self._keep(lambda task: task.job.lease not in leases)

    def clear(self) -> list[Task]:
        """Nothing is at hand any more; what was."""
        return self._keep(lambda task: False)

    def _keep(self, is_kept: Callable[[Task], bool]) -> list[Task]:
        """Begin anew with those that are kept; the others."""
        tasks = [(task, is_kept(task)) for task in self]
        self._lines, self._turn, self._later, self._full, self.ready = {}, deque(), [], set(), 0
        for task, kept in tasks:
            if kept:
                self.put(task)
        return [task for task, kept in tasks if not kept]


def group_of(task: Task) -> Group:
    """Cell and kind of a meter."""
    return task.meter.cell, task.job.kind
