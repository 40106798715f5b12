"""Households that were recorded: a file of quarter energies becomes a year that repeats."""

import csv
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kwartier.errors import InputError
from kwartier.simulate.household import EPOCH_S, QUARTER_S, Energy

QUARTERS = 366 * 96
"""Quarters in a household's year: a leap year, like the recorded one."""
MAX_FILES = 64
MAX_QUARTER_WH = 16_560
"""120 % of the largest small connection (3x80 A) for a quarter: no recorded value may be above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeating:
    """A year that repeats. ``import_wh`` and ``export_wh`` hold it: :data:`QUARTERS` energies in Wh."""

    import_wh: Energy = field(repr=False)
    export_wh: Energy = field(repr=False)
    opening_import_wh: int = field(default=0, repr=False)
    opening_export_wh: int = field(default=0, repr=False)

    def registers(self, times: npt.NDArray[np.int64]) -> tuple[Energy, Energy]:
        """Both registers at the quarter ends ``times`` (UTC seconds, multiples of 900 from 2020 on), in Wh."""
        quarters = (times - EPOCH_S) // QUARTER_S
        years, position = np.divmod(quarters, QUARTERS)
        return (
            self.opening_import_wh + _register(self.import_wh, years, position),
            self.opening_export_wh + _register(self.export_wh, years, position),
        )


def _register(energy_wh: Energy, years: Energy, position: Energy) -> Energy:
    running_wh = np.concatenate((np.zeros(1, np.int64), np.cumsum(energy_wh)))
    register_wh: Energy = years * running_wh[-1] + running_wh[position]
    return register_wh


def recorded(path: Path, seed: int = 0) -> Repeating:
    """A household from a file of quarter energies: columns ``DateTime`` and ``kWh`` (negative: fed in).

    ``seed`` shifts it by whole weeks and scales it a little, so that many households can be made of one. A file that is
    shorter than a year repeats. Raises :class:`InputError` for a row that is not a number or beyond any connection.
    """
    net = np.resize(_net_of(path), QUARTERS)
    generator = np.random.default_rng(seed)
    weeks = int(generator.integers(0, 52)) if seed else 0
    scale = float(generator.uniform(0.7, 1.3)) if seed else 1.0
    return _from_net(np.roll(net, -weeks * 7 * 96) * scale, generator)


@lru_cache(maxsize=MAX_FILES)
def _net_of(path: Path) -> npt.NDArray[np.float64]:
    """The quarter energies of a file in Wh; read once, since many households are made of it."""
    values: list[float] = []
    with path.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            try:
                energy = float(row["kWh"]) * 1000
            except (KeyError, TypeError, ValueError):
                raise InputError("bad-household", f"{path.name}, line {number}: no number in column kWh") from None
            if not abs(energy) <= MAX_QUARTER_WH:
                raise InputError(
                    "bad-household", f"{path.name}, line {number}: beyond {MAX_QUARTER_WH} Wh in a quarter"
                )
            values.append(energy)
            if len(values) > QUARTERS:
                raise InputError("bad-household", f"{path.name}: more than {QUARTERS} quarters")
    if not values:
        raise InputError("bad-household", f"{path.name} holds no quarter")
    return np.asarray(values)


def _from_net(net: npt.NDArray[np.float64], generator: np.random.Generator) -> Repeating:
    """Split a net load into two registers of whole Wh: rounding happens on the running sum, so that nothing drifts."""
    return Repeating(
        import_wh=_whole(np.maximum(net, 0)),
        export_wh=_whole(np.maximum(-net, 0)),
        opening_import_wh=int(generator.integers(0, 20_000_000)),
        opening_export_wh=int(generator.integers(0, 5_000_000)),
    )


def _whole(energy: npt.NDArray[np.float64]) -> Energy:
    running: Energy = np.rint(np.cumsum(energy)).astype(np.int64)
    return np.diff(running, prepend=np.int64(0))
