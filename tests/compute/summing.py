"""Days of a store to sum, who is counted in which group, and the sums as they are without kernel or engine."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow

from kwartier.model import Quality, Volumes
from kwartier.settle.partial import CHANNELS, Partial, no_rows
from kwartier.settle.tables import Group, Membership
from kwartier.store.volumes_reader import Piece, VolumesSource

GROUPS = tuple(Group(area, brp, "S", "SMA") for area in ("A", "B") for brp in ("X", "Y", "Z"))
WAIT_S, LOOK_S = 60.0, 0.02


def membership(ids: Sequence[int]) -> Membership:
    """Two of three ids are counted, in one of six groups by their number."""
    counted = np.array(sorted(one for one in ids if one % 3), np.int64)
    group = (counted % len(GROUPS)).astype(np.int32)
    return Membership(groups=GROUPS, ids=counted, group=group, connection=np.arange(len(counted)))


def summed(who: Membership, volumes: Sequence[Volumes], quarters: int) -> Partial:
    """One number after another."""
    found = no_rows(len(who.groups), quarters)
    places = dict(zip(who.ids.tolist(), who.group.tolist(), strict=True))
    for one in volumes:
        for row, identity in enumerate(one.ids.tolist()):
            group = places.get(identity)
            if group is None:
                continue
            found.rows[group] += 1
            for channel, name in enumerate(CHANNELS):
                for quarter in range(quarters):
                    energy_wh = int(one.energy_wh[name][row, quarter])
                    found.energy_wh[group, channel, quarter] += energy_wh
                    if one.quality[name][row, quarter] == Quality.CALCULATED:
                        found.calculated_wh[group, channel, quarter] += energy_wh
                    if one.quality[name][row, quarter] == Quality.ESTIMATED:
                        found.estimated_wh[group, channel, quarter] += energy_wh
    return found


def same(one: Partial | None, other: Partial | None) -> bool:
    """Whether two sums are equal to the Wh."""
    if one is None or other is None:
        return one is other
    pairs: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = [
        (one.energy_wh, other.energy_wh),
        (one.calculated_wh, other.calculated_wh),
        (one.estimated_wh, other.estimated_wh),
        (one.rows, other.rows),
    ]
    return all(mine.dtype == np.int64 and np.array_equal(mine, theirs) for mine, theirs in pairs)


class Gated:
    """Reads a first piece in each process, says where it is, and goes on when the gate is open."""

    def __init__(self, source: VolumesSource, gate: Path) -> None:
        self._source = source
        self._gate = gate

    def read(self, piece: Piece) -> pyarrow.Table:
        table = self._source.read(piece)
        here = self._gate / f"{os.getpid()}.reached"
        if not here.exists():
            here.with_suffix(".tmp").write_text(str(Path.cwd()), "utf-8")
            here.with_suffix(".tmp").rename(here)
            wait_for(self._gate / "open")
        return table

    def open(self) -> None:
        """Let everybody go on."""
        (self._gate / "open").touch()

    def reached(self, within: Path) -> None:
        """Wait until a process that runs in a folder below ``within`` has read its first piece."""
        until = time.monotonic() + WAIT_S
        while not any(Path(one.read_text("utf-8")).is_relative_to(within) for one in self._gate.glob("*.reached")):
            if time.monotonic() > until:
                raise TimeoutError(f"nobody in {within} came to the gate")
            time.sleep(LOOK_S)


def wait_for(path: Path) -> None:
    """Until there is a file."""
    until = time.monotonic() + WAIT_S
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{path.name} never came")
        time.sleep(LOOK_S)
