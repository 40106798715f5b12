"""One connection, one direction, one local day: the quarter hours that a message tells, each with how it came about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt

from kwartier.clock import QUARTER_S
from kwartier.errors import InputError
from kwartier.model import Bytes8, Quality, Times

Energy = npt.NDArray[np.int64]
MAX_QUARTERS = 100
"""In a day of twenty-five hours."""
PROVIDED, CALCULATED, ESTIMATED, NOT_AVAILABLE = "A04", "A06", "A03", "A02"
QUALITY_CODES = {
    Quality.MEASURED: PROVIDED,
    Quality.CALCULATED: CALCULATED,
    Quality.ESTIMATED: ESTIMATED,
    Quality.MISSING: NOT_AVAILABLE,
    Quality.ABSENT: CALCULATED,
}
"""How messages say it. Where there was no meter nothing was provided: it follows that nothing flowed."""
_CODES = tuple(QUALITY_CODES[one] for one in Quality)
_RANK = np.array([1, 2, 3, 4, 0], dtype=np.uint8)
"""By quality: what wins where two meters make one volume. A meter that was not there says nothing about one that was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What flowed through a connection in one direction. The repr shows neither the connection nor a value."""

    ean: str = field(repr=False)
    direction: str
    """``import`` or ``export``."""
    day: date
    times: Times = field(repr=False)
    """The quarter ends (UTC s)."""
    energy_wh: Energy = field(repr=False)
    quality: Bytes8 = field(repr=False)
    """A :class:`kwartier.model.Quality` for each quarter."""
    grid_area: str
    brp: str
    supplier: str

    def __post_init__(self) -> None:
        check_quarters(self.times, self.energy_wh, self.quality)
        if self.quality.max() > max(Quality) or self.energy_wh.min() < 0:
            raise InputError("bad-message", f"a series of {self.day} has a quality or an energy that there is not")

    @property
    def is_empty(self) -> bool:
        """Whether the connection has no such direction: no meter counted it in any quarter."""
        return bool((self.quality == Quality.ABSENT).all())


def check_quarters(times: Times, *columns: npt.NDArray[np.int64] | Bytes8) -> None:
    """Raise ``InputError`` bad-message unless ``times`` are the quarter ends of a day, with one value each in ``columns``."""
    count = len(times)
    if not 0 < count <= MAX_QUARTERS or any(len(column) != count for column in columns):
        raise InputError("bad-message", f"{count} quarters are no day, or not each has one value")
    if (np.diff(times) != QUARTER_S).any() or times[0] % QUARTER_S:
        raise InputError("bad-message", "the quarters do not follow one another")


def combined(one: Series, other: Series) -> Series:
    """The volume of a connection at which a meter was exchanged: the sum of both, each quarter as sure as the less sure."""
    sames = ("ean", "direction", "day", "grid_area", "brp", "supplier")
    if any(getattr(one, name) != getattr(other, name) for name in sames) or not np.array_equal(one.times, other.times):
        raise InputError("bad-message", f"two series of {one.day} are not of one connection")
    less_sure = _RANK[other.quality] > _RANK[one.quality]
    return Series(
        ean=one.ean,
        direction=one.direction,
        day=one.day,
        times=one.times,
        energy_wh=one.energy_wh + other.energy_wh,
        quality=np.where(less_sure, other.quality, one.quality).astype(np.uint8),
        grid_area=one.grid_area,
        brp=one.brp,
        supplier=one.supplier,
    )


def codes_of(quality: Bytes8) -> list[str]:
    """The code of each quarter."""
    return [_CODES[one] for one in quality.tolist()]


def worst(codes: Sequence[Sequence[str]]) -> list[str]:
    """The least sure code of each quarter over several sums."""
    order = (ESTIMATED, CALCULATED, PROVIDED)
    return [min(at_once, key=order.index) for at_once in zip(*codes, strict=True)]
