"""A chart as plain columns, which plotly.js or a server that draws SVG may take as they are.

All series of a chart share its quarters. ``x`` has the end of each by local clocks, with the offset, for people; where clocks
go back two of them differ in the offset alone, so that ``at`` has the same moments in UTC, to be the axis, and ``ticks`` say
what local clocks show at some of them. A colour is never named: what a series or band is of has a ``kind``, and a style sheet
knows kinds.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from kwartier.clock import QUARTER_S, midnight, quarter_ends, stretches
from kwartier.export.pictures.hours import hours_of
from kwartier.model import Times
from kwartier.service.views.plain import stamped

ONE_DAY = timedelta(days=1)
HOURS_A_TICK = 3
WATT_HOURS = "Wh"
MAX_CACHED = 64
"""Axes that are kept: most pages are of the same days."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A line, or what is stacked: ``y`` has a whole number for each quarter of the chart, None where there is nothing.

    Series with the same ``stack`` lie upon one another, in their order; without one each stands for itself. ``place`` tells
    series of one kind apart (parties: 0, 1, ...).
    """

    name: str
    kind: str
    channel: str
    stack: str = ""
    place: int = 0
    y: tuple[int | None, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What local clocks show at a moment (ISO 8601, UTC)."""

    at: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """See above. The first quarter begins at ``opens``, and each later one where the one before it ends."""

    name: str
    unit: str
    """Of ``y``: Wh in a quarter. Four times that is the mean power in W."""
    opens: str
    """By local clocks; ``opens_at`` in UTC."""
    opens_at: str
    x: tuple[str, ...]
    at: tuple[str, ...]
    ticks: tuple[Tick, ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The quarters of a run of local days: ``times`` are the opening and the ends (UTC s), and the rest is of a chart."""

    timezone: str
    times: Times = field(repr=False)
    x: tuple[str, ...] = field(repr=False)
    at: tuple[str, ...] = field(repr=False)
    ticks: tuple[Tick, ...] = field(repr=False)

    def place(self, day: date) -> int:
        """The number of the first quarter of a local day."""
        return (midnight(day, self.timezone) - int(self.times[0])) // QUARTER_S

    def chart(self, name: str, series: Iterable[Series], unit: str = WATT_HOURS) -> Chart:
        """A chart of these quarters."""
        return Chart(
            name=name,
            unit=unit,
            opens=self.x[0],
            opens_at=self.at[0],
            x=self.x[1:],
            at=self.at[1:],
            ticks=self.ticks,
            series=tuple(series),
        )


@lru_cache(maxsize=MAX_CACHED)
def axis(start: date, end: date, timezone: str) -> Axis:
    """The quarters of the local days from ``start`` up to ``end``. Raises ``InputError`` bad-day."""
    times = quarter_ends(start, end, timezone)
    found: list[str] = []
    for stretch in stretches(timezone, int(times[0]), int(times[-1])):
        is_last = stretch.stop == int(times[-1])
        within = times[(times >= stretch.start) & ((times < stretch.stop) | is_last)]
        found += [stamped(one, stretch.offset_s) for one in within.tolist()]
    return Axis(
        timezone=timezone,
        times=times,
        x=tuple(found),
        at=tuple(utc(one) for one in times.tolist()),
        ticks=tuple(_ticks(start, end, timezone)),
    )


def utc(seconds: int) -> str:
    """A moment in UTC as ISO 8601 has it."""
    return f"{stamped(seconds, 0).removesuffix('+00:00')}Z"


def _ticks(start: date, end: date, timezone: str) -> Iterator[Tick]:
    """Of one day some of its hours, of several days their beginnings."""
    if end - start > ONE_DAY:
        for number in range((end - start).days):
            day = start + ONE_DAY * number
            yield Tick(at=utc(int(quarter_ends(day, day + ONE_DAY, timezone)[0])), text=f"{day}")
        return
    hours = hours_of(start, timezone)
    for place, name in hours.starts():
        if not name.isdigit() or int(name) % HOURS_A_TICK == 0:
            yield Tick(at=utc(int(hours.times[place])), text=name)


def runs(mask: Mask) -> list[tuple[int, int]]:
    """Stretches of quarters where ``mask`` is true: the first, and the first after it."""
    changes = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return list(zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True))


def column(values: Sequence[int] | npt.NDArray[np.int64], there: Mask | None = None) -> tuple[int | None, ...]:
    """A column of a series; None where ``there`` is false."""
    whole: list[int | None] = [int(one) for one in values]
    if there is not None:
        whole = [one if is_there else None for one, is_there in zip(whole, there.tolist(), strict=True)]
    return tuple(whole)
