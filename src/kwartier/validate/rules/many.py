"""Rules about many meters at once: what a transformer gave against what its connections say, and one kind of meter against all.

Both work on counts and sums that are taken piece by piece and merged; a transformer and a cohort lie over many stacks. Neither
refuses a quarter: they say that somebody has to look.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kwartier.validate.differences import Look
from kwartier.validate.parameters import Parameters
from kwartier.validate.rules.rule import FAIL, WARN

V16, V17 = "V16-balance", "V17-cohort"
IMPORT = "import_wh"
SIGNS = {IMPORT: 1, "export_wh": -1}
BINS = 1000
"""Ratios of a day to its mean are counted by whole percents; 1000 % and more are one."""
MAD_OF_NORMAL = 1.4826
"""A standard deviation in median absolute deviations, if the ratios are spread normally."""
SPREAD_OF_MEDIAN = 1.2533
"""The standard error of a median in that of a mean, likewise."""

Counts = npt.NDArray[np.int64]


class Taken(NamedTuple):
    """What the connections of one transformer took, less what they fed in."""

    energy_wh: int
    rows: int
    unknown: int
    """Rows of which not all is known; with one, nothing can be said."""

    def __add__(self, other: tuple[object, ...]) -> "Taken":
        """Both together."""
        if not isinstance(other, Taken):
            return NotImplemented
        return Taken(self.energy_wh + other.energy_wh, self.rows + other.rows, self.unknown + other.unknown)


class Judged(NamedTuple):
    """What one of these rules said of a transformer or a cohort. ``severity``: "" where nothing is wrong."""

    subject: str
    rows: int
    evaluated: bool
    severity: str
    away_percent: int
    """How far it is off; 0 where it was not evaluated."""


def taken(look: Look) -> dict[str, Taken]:
    """By transformer what the rows of a piece took over the day."""
    if not look.day.around.transformer or not look.totals:
        return {}
    whole = np.logical_and.reduce([one.whole for one in look.totals.values()])
    net = np.sum([SIGNS[name] * one.energy_wh for name, one in look.totals.items()], axis=0)
    names, which = np.unique(np.array(look.day.around.transformer, np.str_), return_inverse=True)
    rows = np.bincount(which, minlength=len(names))
    unknown = np.bincount(which[~whole], minlength=len(names))
    energy_wh = np.zeros(len(names), np.int64)
    np.add.at(energy_wh, which[whole], net[whole])
    columns = zip(names.tolist(), energy_wh.tolist(), rows.tolist(), unknown.tolist(), strict=True)
    return {name: Taken(*numbers) for name, *numbers in columns if name}


def merged(pieces: Iterable[Mapping[str, Taken]]) -> dict[str, Taken]:
    """Pieces as one."""
    found: dict[str, Taken] = {}
    for piece in pieces:
        for name, one in piece.items():
            found[name] = found[name] + one if name in found else one
    return found


def balance(
    connections: Mapping[str, Taken],
    measured_wh: Mapping[str, int],
    losses_wh: Mapping[str, int],
    parameters: Parameters,
) -> tuple[Judged, ...]:
    """V16: what a transformer gave over the day is not what its connections took and its cables lost.

    ``measured_wh``: what the transformer's own meter says, what flowed back already taken off. ``losses_wh``: 0 unless given.
    """
    found = []
    for name, one in sorted(connections.items()):
        given_wh = measured_wh.get(name)
        if given_wh is None or not given_wh or one.unknown:
            found.append(Judged(name, one.rows, False, "", 0))
            continue
        apart = 100 * abs(given_wh - one.energy_wh - losses_wh.get(name, 0))
        limits = parameters.balance.warn_percent * abs(given_wh), parameters.balance.fail_percent * abs(given_wh)
        severity = FAIL if apart > limits[1] else WARN if apart > limits[0] else ""
        found.append(Judged(name, one.rows, True, severity, apart // abs(given_wh)))
    return tuple(found)


def ratios(look: Look, parameters: Parameters) -> dict[str, Counts]:
    """By cohort how many rows of a piece used which part of their own mean, in percent: :data:`BINS` counts."""
    state, cohort = look.day.around.state, look.day.around.cohort
    if not state or not cohort or IMPORT not in look.totals:
        return {}
    total, mean_wh = look.totals[IMPORT], state["mean_import_wh"]
    wanted = total.whole & (state["mean_days"] >= parameters.usage.least_days)
    wanted &= mean_wh >= parameters.usage.least_wh
    numbers = {name: number for number, name in enumerate(dict.fromkeys(cohort))}
    which = np.array([numbers[name] for name in cohort], np.int64)
    percent = np.minimum(100 * total.energy_wh[wanted] // mean_wh[wanted], BINS - 1)
    counts = np.bincount(which[wanted] * BINS + percent, minlength=len(numbers) * BINS).reshape(-1, BINS)
    return {name: counts[place] for name, place in numbers.items() if name}


def counted(pieces: Iterable[Mapping[str, Counts]]) -> dict[str, Counts]:
    """Pieces as one."""
    found: dict[str, Counts] = {}
    for piece in pieces:
        for name, counts in piece.items():
            found[name] = found[name] + counts if name in found else counts
    return found


def cohorts(counts: Mapping[str, Counts], parameters: Parameters) -> tuple[Judged, ...]:
    """V17: the meters of one supplier and firmware have shifted against all others, by more than chance and enough to matter.

    The ratio of a day to the meter's own mean moves with the weather for all alike, and for one cohort if its meters count
    differently from before. Of two cohorts each is held against the other, so both are named.
    """
    everybody = np.sum(list(counts.values()), axis=0) if counts else np.zeros(BINS, np.int64)
    found = []
    for name, own in sorted(counts.items()):
        others, rows = everybody - own, int(own.sum())
        if min(rows, int(others.sum())) < parameters.cohort.least_meters:
            found.append(Judged(name, rows, False, "", 0))
            continue
        middle = _median(others)
        away = _median(own) - middle
        spread = max(1, _median(_distances(others, middle))) * MAD_OF_NORMAL
        is_shifted = abs(away) * np.sqrt(rows) > parameters.cohort.robust_z * SPREAD_OF_MEDIAN * spread
        matters = abs(away) >= parameters.cohort.least_shift_percent
        found.append(Judged(name, rows, True, WARN if is_shifted and matters else "", away))
    return tuple(found)


def _median(counts: Counts) -> int:
    """The lower median of what was counted."""
    running = np.cumsum(counts)
    return int(np.searchsorted(running, (running[-1] + 1) // 2))


def _distances(counts: Counts, middle: int) -> Counts:
    """The same counts by their distance from ``middle``."""
    return np.bincount(np.abs(np.arange(BINS) - middle), weights=counts, minlength=BINS).astype(np.int64)
