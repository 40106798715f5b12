"""Sums of a settlement as charts and rows: parties upon one another, loss and residual on top, and the infeed they come to.

Everything adds up on the page as it does in the settlement: what is left out of a chart for the sake of legibility - parties
or areas beyond a number - stands in it as one series of the kind "others".
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kwartier.service.views.charts import Axis, Chart, Series, column
from kwartier.settle.conservation import BASIS_POINTS
from kwartier.settle.tables import DIRECTIONS, Energy, Part, Settled, Sum

MAX_SERIES = 24
"""Parties or areas of a chart; the smaller ones are others."""
PARTY, OTHERS = "party", "others"
OF_PARTIES = (Part.METERED, Part.PROFILED)
STACK = "parts"
OF_AREAS = (Part.RESIDUAL, Part.LOSS, Part.INFEED)
"""Of each of these there is a chart with a line an area."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyRow:
    """What a balance responsible party answers for over the day, in one direction. The repr shows no value."""

    brp: str
    place: int
    """Its place among the parties of the chart; -1: it is among the others."""
    direction: str
    connections: int
    metered_wh: int = field(repr=False)
    profiled_wh: int = field(repr=False)
    calculated_wh: int = field(repr=False)
    estimated_wh: int = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A grid area over the day, in one direction: infeed is the sum of the other four.

    ``residual_bp``: the residual, plus and minus not set off against each other, in basis points of the infeed; None: there is
    no infeed.
    """

    direction: str
    infeed_wh: int
    metered_wh: int
    profiled_wh: int
    loss_wh: int
    residual_wh: int
    residual_bp: int | None


def volume_charts(settled: Settled, axis: Axis, area: str = "") -> tuple[Chart, ...]:
    """A chart of each direction, over all areas or over one: what parties answer for, loss, residual, and the infeed."""
    ranked = parties(settled, area)
    charts = []
    for channel, direction in DIRECTIONS.items():
        chosen = _chosen(settled, area, direction)
        own_wh = _by(chosen, OF_PARTIES, "brp", axis)
        series = _ranked(ranked, own_wh, PARTY, channel, STACK)
        for part, stack in ((Part.LOSS, STACK), (Part.RESIDUAL, STACK), (Part.INFEED, "")):
            y = column(_added(chosen, (part,), axis))
            series.append(Series(name=part.value, kind=part.value, channel=channel, stack=stack, y=y))
        charts.append(axis.chart(f"volumes-{direction}", series))
    return tuple(charts)


def area_charts(settled: Settled, axis: Axis) -> tuple[Chart, ...]:
    """A chart of each direction and of residual, loss and infeed: a line an area."""
    ranked = _largest(_chosen(settled, "", ""), (Part.INFEED,), "grid_area")
    charts = []
    for part in OF_AREAS:
        for channel, direction in DIRECTIONS.items():
            own_wh = _by(_chosen(settled, "", direction), (part,), "grid_area", axis)
            charts.append(axis.chart(f"{part}-{direction}", _ranked(ranked, own_wh, part.value, channel)))
    return tuple(charts)


def parties(settled: Settled, area: str = "") -> tuple[str, ...]:
    """The balance responsible parties, the largest first, of all areas or of one."""
    return _largest(_chosen(settled, area, ""), OF_PARTIES, "brp")


def party_rows(settled: Settled, area: str = "") -> tuple[PartyRow, ...]:
    """What each party answers for, the largest first."""
    own: dict[tuple[str, str], list[Sum]] = defaultdict(list)
    for one in _chosen(settled, area, ""):
        if one.part in OF_PARTIES:
            own[one.brp, one.direction].append(one)
    return tuple(
        PartyRow(
            brp=brp,
            place=place if place < MAX_SERIES else -1,
            direction=direction,
            connections=sum(one.connections for one in own[brp, direction]),
            metered_wh=_day_wh(own[brp, direction], Part.METERED),
            profiled_wh=_day_wh(own[brp, direction], Part.PROFILED),
            calculated_wh=sum(int(one.calculated_wh.sum()) for one in own[brp, direction]),
            estimated_wh=sum(int(one.estimated_wh.sum()) for one in own[brp, direction]),
        )
        for place, brp in enumerate(parties(settled, area))
        for direction in DIRECTIONS.values()
    )


def balances(settled: Settled, area: str) -> tuple[Balance, ...]:
    """The area over the day; nothing of one that is stopped."""
    rows = []
    for direction in DIRECTIONS.values():
        own = _chosen(settled, area, direction)
        if not own:
            continue
        size_wh, infeed_wh = (
            sum(int(np.abs(one.energy_wh).sum()) for one in own if one.part is part)
            for part in (Part.RESIDUAL, Part.INFEED)
        )
        rows.append(
            Balance(
                direction=direction,
                infeed_wh=_day_wh(own, Part.INFEED),
                metered_wh=_day_wh(own, Part.METERED),
                profiled_wh=_day_wh(own, Part.PROFILED),
                loss_wh=_day_wh(own, Part.LOSS),
                residual_wh=_day_wh(own, Part.RESIDUAL),
                residual_bp=size_wh * BASIS_POINTS // infeed_wh if infeed_wh else None,
            )
        )
    return tuple(rows)


def _chosen(settled: Settled, area: str, direction: str) -> list[Sum]:
    return [one for one in settled.sums if area in ("", one.grid_area) and direction in ("", one.direction)]


def _day_wh(sums: Sequence[Sum], part: Part) -> int:
    return sum(int(one.energy_wh.sum()) for one in sums if one.part is part)


def _largest(sums: Sequence[Sum], parts: Sequence[Part], name: str) -> tuple[str, ...]:
    """Names by all that is of them, the largest first, those of the same size in their own order."""
    size: dict[str, int] = defaultdict(int)
    for one in sums:
        if one.part in parts:
            size[getattr(one, name)] += int(np.abs(one.energy_wh).sum())
    return tuple(sorted(size, key=lambda known: (-size[known], known)))


def _by(sums: Sequence[Sum], parts: Sequence[Part], name: str, axis: Axis) -> dict[str, Energy]:
    found: dict[str, Energy] = defaultdict(lambda: np.zeros(len(axis.times) - 1, np.int64))
    for one in sums:
        if one.part in parts:
            found[getattr(one, name)] += one.energy_wh
    return found


def _added(sums: Sequence[Sum], parts: Sequence[Part], axis: Axis) -> Energy:
    found: Energy = np.zeros(len(axis.times) - 1, np.int64)
    for one in sums:
        if one.part in parts:
            found += one.energy_wh
    return found


def _ranked(names: Sequence[str], own_wh: dict[str, Energy], kind: str, channel: str, stack: str = "") -> list[Series]:
    """A series of each of the first names, and one of all that come after."""
    found = [
        Series(name=name, kind=kind, channel=channel, stack=stack, place=place, y=column(own_wh[name]))
        for place, name in enumerate(names[:MAX_SERIES])
    ]
    if len(names) > MAX_SERIES:
        rest: Energy = np.sum([own_wh[name] for name in names[MAX_SERIES:]], axis=0, dtype=np.int64)
        found.append(Series(name=OTHERS, kind=OTHERS, channel=channel, stack=stack, y=column(rest)))
    return found
