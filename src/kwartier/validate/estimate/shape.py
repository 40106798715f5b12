"""The shape of a gap: whole numbers that say how its quarters compare, from like days or else from a profile.

A day lends its shape if it was measured as a whole (``eligible``) and has 96 quarters. Three of them make an average (E3);
where some day of the gap has fewer, one does for each, the best by the table of like days (E4); without, the profile (E5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from kwartier.model import Quality, Times, Volumes
from kwartier.validate.day import CHANNELS, Energy, Places
from kwartier.validate.estimate.local import PLAIN_QUARTERS, Clocked, date_of
from kwartier.validate.estimate.parameters import Parameters
from kwartier.validate.usable import MAX_WH

MEASURED = int(Quality.MEASURED)
Quarters = npt.NDArray[np.int32]
Lent = tuple[date, Quarters]
"""A day that lends its shape, and its volumes."""


class Curve(NamedTuple):
    """What a profile says of some quarters."""

    weights: Energy
    """0 or more, one a quarter: how they compare."""
    energy_wh: int | None
    """What is expected over all of them, from the year volume of the connection; None: no year volume is known."""


class Profiles(Protocol):
    """Where profiles come from."""

    def curve(self, reading: int, channel: str, ends: Times) -> Curve | None:
        """The curve of a reading's connection over the quarters that end at ``ends`` (UTC s, ascending, possibly with holes).

        None where it has no profile over all of them.
        """
        ...


class Like(NamedTuple):
    """What like days are looked for, for one gap."""

    reading: int
    channel: str
    parameters: Parameters
    until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How quarters compare, and what would be in them if nothing else is known."""

    method: str
    weights: Energy = field(repr=False)
    energy_wh: int | None = field(repr=False)
    source: str
    days: tuple[str, ...] = ()
    """The days that lent it."""


class Past:
    """Volumes of earlier days, to be looked up by reading and day."""

    def __init__(self, history: Mapping[date, Volumes]) -> None:
        plain = {day: one for day, one in history.items() if one.energy_wh[CHANNELS[0]].shape[1] == PLAIN_QUARTERS}
        self._energy_wh = {(day, channel): one.energy_wh[channel] for day, one in plain.items() for channel in CHANNELS}
        self._rows: dict[tuple[date, str], dict[int, int]] = {}
        for day, one in plain.items():
            for channel in CHANNELS:
                valid = (one.state["eligible"] == 1) & (one.quality[channel] == MEASURED).all(axis=1)
                rows = np.flatnonzero(valid)
                self._rows[day, channel] = dict(zip(one.ids[rows].tolist(), rows.tolist(), strict=True))

    def day(self, reading: int, channel: str, day: date) -> Quarters | None:
        """The quarters of a day that may lend its shape; None: it may not."""
        row = self._rows.get((day, channel), {}).get(reading)
        return None if row is None else self._energy_wh[day, channel][row]

    def shape(self, like: Like, quarters: Clocked) -> Shape | None:
        """The shape that like days lend to quarters: by E3, else by E4; None where some day of them has no like day."""
        count = like.parameters.like_days
        days = sorted(set(quarters.day.tolist()))
        found = {one: self._valid(like, date_of(one), count) for one in days}
        fewest = min((len(valid) for valid in found.values()), default=0)
        if fewest == count:
            return _shape("E3", quarters, found, count)
        if not fewest:
            return None
        everything = ((one, self._valid(like, date_of(one), like.parameters.candidates)) for one in days)
        best = {one: [_best(like.parameters, date_of(one), valid)] for one, valid in everything}
        return _shape("E4", quarters, best, 1)

    def _valid(self, like: Like, day: date, enough: int) -> list[Lent]:
        """The like days of one day that may lend their shape, the nearest first, until there are ``enough``."""
        found: list[Lent] = []
        for one in like.parameters.like_of(day, like.until):
            energy_wh = self.day(like.reading, like.channel, one)
            if energy_wh is not None:
                found.append((one, energy_wh))
                if len(found) == enough:
                    break
        return found


def _best(parameters: Parameters, day: date, valid: Sequence[Lent]) -> Lent:
    """The day that the table names first; among equals the nearest, which stands first."""
    ranked = parameters.ranked(day)
    return min(valid, key=lambda one: ranked.index(one[0].weekday()))


def _shape(method: str, quarters: Clocked, lent: Mapping[int, Sequence[Lent]], count: int) -> Shape:
    weights = np.zeros(len(quarters.day), np.int64)
    for one, several in lent.items():
        here = quarters.day == one
        for _, energy_wh in several:
            weights[here] += energy_wh[quarters.place[here]]
    whole_wh = (2 * int(weights.sum()) + count) // (2 * count)
    days = tuple(sorted({day.isoformat() for several in lent.values() for day, _ in several}))
    return Shape(method=method, weights=weights, energy_wh=_within(whole_wh), source="like days", days=days)


def profiled(profiles: Profiles | None, reading: int, channel: str, ends: Times) -> Shape | None:
    """The shape and the expected energy that a profile gives; None: there is none."""
    curve = None if profiles is None else profiles.curve(reading, channel, ends)
    if curve is None or len(curve.weights) != len(ends) or (curve.weights < 0).any():
        return None
    energy_wh = None if curve.energy_wh is None else _within(curve.energy_wh)
    return Shape(method="E5", weights=curve.weights.astype(np.int64), energy_wh=energy_wh, source="profile")


def flat(count: int) -> Shape:
    """All quarters alike: a straight line between two registers."""
    return Shape(method="E2", weights=np.ones(count, np.int64), energy_wh=None, source="line")


def some(quarters: Clocked, chosen: Places) -> Clocked:
    """Some of the quarters."""
    return Clocked(quarters.day[chosen], quarters.place[chosen])


def _within(energy_wh: int) -> int | None:
    return energy_wh if 0 <= energy_wh <= MAX_WH else None
