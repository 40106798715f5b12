"""How somebody who watches a demonstration breaks it: a worker, a radio cell, a supplier, a frame that is sent again.

What happens is real: the process is killed, lines into the cell are reset, the meters of the supplier answer nothing, and a
message comes with an invocation counter that was used before. What the night makes of it is what it would make of it anywhere.
"""

import os
import secrets
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from kwartier.errors import InputError, StateError
from kwartier.service.night_control import NightControl

if TYPE_CHECKING:  # a server that serves no demonstration loads no simulator
    from kwartier.service.simulating import Beside
    from kwartier.simulate.world import World

SPAWNED = b"spawn_main"
"""In the command line of a process that was started as workers are."""


class Act(StrEnum):
    """What may be done."""

    STOP_WORKER = "stop-worker"
    DROP_CELL = "drop-cell"
    SILENCE_SUPPLIER = "silence-supplier"
    REPLAY_FRAME = "replay-frame"
    MEND = "mend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """How things stand: what is down, and what else there is."""

    cells: tuple[str, ...]
    suppliers: tuple[str, ...]
    up_cells: tuple[str, ...]
    up_suppliers: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is to be mended."""
        return not self.cells and not self.suppliers


class Breaking:
    """What may be broken of a fleet and of the nights that read it."""

    def __init__(self, control: NightControl, fleet: "Beside", world: "World") -> None:
        self._control = control
        self._fleet = fleet
        groups = {(one.cell, one.supplier.name) for one in map(world.who, range(world.count))}
        self._cells, self._suppliers = (tuple(sorted(set(names))) for names in zip(*groups, strict=True))

    def stands(self) -> Broken:
        """What is broken now."""
        trouble = self._fleet.trouble
        return Broken(
            cells=tuple(sorted(trouble.cells)),
            suppliers=tuple(sorted(trouble.suppliers)),
            up_cells=_without(self._cells, trouble.cells),
            up_suppliers=_without(self._suppliers, trouble.suppliers),
        )

    def do(self, act: Act, name: str) -> None:
        """Break something, or mend everything. ``name``: the cell or the supplier.

        Raises ``InputError`` bad-argument where there is no such thing; ``StateError`` night-not-running, fleet-gone.
        """
        if act is Act.STOP_WORKER:
            self._stop_worker()
        elif act is Act.DROP_CELL:
            down = {_one_of(self._cells, name)}
            self._fleet.change(lambda now: replace(now, cells=now.cells | down))
        elif act is Act.SILENCE_SUPPLIER:
            silent = {_one_of(self._suppliers, name)}
            self._fleet.change(lambda now: replace(now, suppliers=now.suppliers | silent))
        elif act is Act.REPLAY_FRAME:
            self._fleet.change(lambda now: replace(now, repeats=now.repeats + 1))
        else:
            self._fleet.change(lambda now: replace(now, cells=frozenset(), suppliers=frozenset()))

    def _stop_worker(self) -> None:
        """Kill one of the processes of the night that was started here, as a host that loses its power does."""
        last = self._control.last()
        workers = [] if last is None or not last.is_running else _workers(last.pid)
        if not workers:
            raise StateError("night-not-running", "no process of a night is at work here")
        os.kill(secrets.choice(workers), signal.SIGKILL)


def _workers(pid: int) -> list[int]:
    """The processes that a night has started: its children, but for what the library of processes keeps beside them."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return []
    return [int(child) for child in children if SPAWNED in _command(child)]


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _without(names: Sequence[str], down: frozenset[str]) -> tuple[str, ...]:
    return tuple(one for one in names if one not in down)


def _one_of(names: Sequence[str], name: str) -> str:
    if name not in names:
        raise InputError("bad-argument", f"{name[:40]!r} is none of {len(names)} that there are")
    return name
