"""What another version of a day says otherwise: sum by sum, and area by area."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from kwartier.settle.recipe import order
from kwartier.settle.tables import Area, AreaState, Energy, Part, Settled, Sum


class How(StrEnum):
    """In what way a sum differs."""

    ADDED = "added"
    GONE = "gone"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A sum that differs. Volumes are the later minus the earlier, and those of an absent sum are 0."""

    grid_area: str
    part: Part
    direction: str
    brp: str
    supplier: str
    method: str
    how: How
    connections: int
    day_wh: int
    """Over the day."""
    quarters: int
    """In how many quarters they differ; 0: only in how they came about."""
    quarter: int
    """Where they differ most: counted from 0, the earliest among equals."""
    quarter_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaChanged:
    """An area that stands otherwise; None: it is not there at all."""

    grid_area: str
    before: AreaState | None
    after: AreaState | None
    unread: int
    """How many more of its connections are unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Everything that differs, in the order of the settlement."""

    areas: tuple[AreaChanged, ...]
    sums: tuple[Changed, ...]


def difference(before: Settled, after: Settled) -> Difference:
    """What ``after`` says otherwise than ``before``, which is of the same day."""
    old, new = ({order(one): one for one in settled.sums} for settled in (before, after))
    sums = [_sum(old.get(key), new.get(key)) for key in sorted({*old, *new})]
    was, now = ({one.grid_area: one for one in settled.areas} for settled in (before, after))
    areas = [_area(was.get(name), now.get(name)) for name in sorted({*was, *now})]
    return Difference(
        areas=tuple(one for one in areas if one is not None), sums=tuple(one for one in sums if one is not None)
    )


def _sum(old: Sum | None, new: Sum | None) -> Changed | None:
    named = new or old
    if named is None or (old is not None and new is not None and _same(old, new)):
        return None
    nothing = np.zeros_like(named.energy_wh)
    off: Energy = (nothing if new is None else new.energy_wh) - (nothing if old is None else old.energy_wh)
    quarter = int(np.abs(off).argmax())
    return Changed(
        grid_area=named.grid_area,
        part=named.part,
        direction=named.direction,
        brp=named.brp,
        supplier=named.supplier,
        method=named.method,
        how=How.ADDED if old is None else How.GONE if new is None else How.CHANGED,
        connections=(0 if new is None else new.connections) - (0 if old is None else old.connections),
        day_wh=int(off.sum()),
        quarters=int(np.count_nonzero(off)),
        quarter=quarter,
        quarter_wh=int(off[quarter]),
    )


def _same(old: Sum, new: Sum) -> bool:
    return old.connections == new.connections and all(
        np.array_equal(one, other)
        for one, other in (
            (old.energy_wh, new.energy_wh),
            (old.calculated_wh, new.calculated_wh),
            (old.estimated_wh, new.estimated_wh),
        )
    )


def _area(old: Area | None, new: Area | None) -> AreaChanged | None:
    named = new or old
    if named is None or (old is not None and new is not None and (old.state, old.unread) == (new.state, new.unread)):
        return None
    return AreaChanged(
        grid_area=named.grid_area,
        before=None if old is None else old.state,
        after=None if new is None else new.state,
        unread=(0 if new is None else new.unread) - (0 if old is None else old.unread),
    )
