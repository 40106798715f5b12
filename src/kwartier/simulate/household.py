"""What a household uses and feeds in, quarter by quarter, as registers that only grow.

A household is a year of quarters that repeats: the energy of each of its :data:`QUARTERS` quarters in whole Wh, and from it
the two registers at any quarter end. The year comes from a recorded household, where its file is at hand, or is drawn from
a seed. Nothing here knows a protocol: it is the truth that a reading is compared with.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kwartier.errors import InputError

QUARTER_S = 900
QUARTERS = 366 * 96
"""Quarters in a household's year: a leap year, like the recorded one."""
EPOCH_S = 1_577_836_800
"""2020-01-01T00:00:00Z: the quarter at which every household's registers start."""
MAX_QUARTER_WH = 16_560
"""120 % of the largest small connection (3x80 A) for a quarter: no recorded value may be above it."""

Energy = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """One connection's truth. ``import_wh`` and ``export_wh`` hold one year: :data:`QUARTERS` energies in Wh."""

    import_wh: Energy = field(repr=False)
    export_wh: Energy = field(repr=False)
    opening_import_wh: int = 0
    opening_export_wh: int = 0

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


def seeded(seed: int, *, solar: bool | None = None) -> Household:
    """A household drawn from ``seed``: a base load, mornings and evenings, weekends and, in some, solar panels."""
    generator = np.random.default_rng(seed)
    quarter = np.arange(QUARTERS)
    hour = (quarter % 96) / 4
    day = quarter // 96
    season = np.cos(2 * np.pi * (day - 15) / 366)
    weekend = (day % 7) >= 5
    base = generator.uniform(25, 70) * (1 + 0.3 * season)
    morning = generator.uniform(60, 200) * np.exp(-(((hour - generator.uniform(6.5, 8.5)) / 1.1) ** 2))
    evening = generator.uniform(150, 400) * np.exp(-(((hour - generator.uniform(18, 20)) / 2.0) ** 2))
    load = (base + (morning * (1 + 0.4 * weekend) + evening) * (1 + 0.35 * season)) * generator.gamma(
        6, 1 / 6, QUARTERS
    )
    load += (generator.random(QUARTERS) < 0.01) * generator.uniform(300, 900)
    has_solar = bool(generator.random() < 0.4) if solar is None else solar
    sun = np.maximum(0, np.sin((hour - 6 + 1.5 * season) / (12 - 3 * season) * np.pi)) * (1 - 0.6 * season)
    peak = generator.uniform(300, 900) if has_solar else 0.0
    clouds = np.repeat(generator.beta(2, 1.5, QUARTERS // 4), 4)
    return _from_net(load - peak * sun * clouds, generator)


def recorded(path: Path, seed: int = 0) -> Household:
    """A household from a file of quarter energies: columns ``DateTime`` and ``kWh`` (negative: fed in).

    ``seed`` shifts it by whole weeks and scales it a little, so that many households can be made of one. A file that is
    shorter than a year repeats. Raises :class:`InputError` for a row that is not a number or beyond any connection.
    """
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
    generator = np.random.default_rng(seed)
    net = np.resize(np.asarray(values), QUARTERS)
    weeks = int(generator.integers(0, 52)) if seed else 0
    scale = float(generator.uniform(0.7, 1.3)) if seed else 1.0
    return _from_net(np.roll(net, -weeks * 7 * 96) * scale, generator)


def _from_net(net: npt.NDArray[np.float64], generator: np.random.Generator) -> Household:
    """Split a net load into two registers of whole Wh: rounding happens on the running sum, so that nothing drifts."""
    return Household(
        import_wh=_whole(np.maximum(net, 0)),
        export_wh=_whole(np.maximum(-net, 0)),
        opening_import_wh=int(generator.integers(0, 20_000_000)),
        opening_export_wh=int(generator.integers(0, 5_000_000)),
    )


def _whole(energy: npt.NDArray[np.float64]) -> Energy:
    running: Energy = np.rint(np.cumsum(energy)).astype(np.int64)
    return np.diff(running, prepend=np.int64(0))
