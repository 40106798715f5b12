"""The recipe: sums by readings, sums by profile, losses, and the residual that is left of the infeed.

Every step takes tables and gives sums, and none looks at what another has hidden; ``settled`` puts them in their order. An area
that lacks something is stopped, with every reason, and no other area is the worse for it.

Volumes by profile are rounded once for the connections that share a group and a profile, not for each connection: a sum is then
less than one Wh from the exact one in every quarter, however many connections it is of, where a nation of single roundings
would be off by many. No volume of one connection is ever published that was not measured.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow

from kwartier.errors import StateError
from kwartier.settle.inputs import Inputs, whole
from kwartier.settle.members import Count, Members, Stop
from kwartier.settle.partial import CHANNELS, Partial, no_rows
from kwartier.settle.quarters import Days, days
from kwartier.settle.shares import MAX_SPREAD_WH, spread
from kwartier.settle.tables import DIRECTIONS, Area, AreaState, Energy, Part, Settled, Sum

Stops = Mapping[str, tuple[Stop, ...]]


def settled(given: Inputs, who: Members, partial: Partial | None) -> Settled:
    """The settlement of a day; ``partial`` is what a kernel made of the volumes with ``who.membership`` (None: of no row).

    Nothing of it is checked yet: see ``conservation.py``. Raises ``StateError`` bad-table.
    """
    infeed = days(given.infeed, ("grid_area", "direction"), "energy_wh", given.times)
    losses = days(given.losses, ("grid_area", "direction"), "energy_wh", given.times)
    fractions = days(given.fractions, ("grid_area", "profile", "direction"), "fraction_e12", given.times)

    stopped = together(
        who.stopped,
        lacking(who.areas, infeed, "no-infeed", "infeed"),
        lacking(who.areas, losses, "no-losses", "losses"),
        lacking_fractions(who.profiled, fractions),
    )
    going = [area for area in who.areas if area not in stopped]
    sums = [
        *by_readings(who, partial, given.quarters),
        *by_profile(who.profiled, fractions, going),
        *at_the_boundary(going, infeed, Part.INFEED),
        *at_the_boundary(going, losses, Part.LOSS),
    ]
    sums = [one for one in sums if one.grid_area not in stopped]
    sums += residual(going, sums)
    return Settled(
        day=given.day,
        areas=tuple(_area(name, count, stopped.get(name, ())) for name, count in sorted(who.areas.items())),
        sums=tuple(sorted(sums, key=order)),
        checks=(),
    )


def order(one: Sum) -> tuple[str, ...]:
    """The name of a sum: no two of a settlement have the same, and they stand in this order."""
    return (one.grid_area, one.part, one.brp, one.supplier, one.method, one.direction)


# What is not there.


def lacking(areas: Iterable[str], found: Days, code: str, what: str) -> Stops:
    """The areas of which a direction is not there as a whole."""
    stops: dict[str, tuple[Stop, ...]] = {}
    for area in areas:
        for direction in DIRECTIONS.values():
            if found.of((area, direction)) is None:
                stop = Stop(code, f"{what} ({direction}): {found.lacking((area, direction))}")
                stops[area] = (*stops.get(area, ()), stop)
    return stops


def lacking_fractions(profiled: pyarrow.Table, fractions: Days) -> Stops:
    """The areas where a profile is needed - somebody's year volume in that direction is not 0 - and not there as a whole."""
    stops: dict[str, tuple[Stop, ...]] = {}
    for area, profile, direction in _needed(profiled):
        if fractions.of((area, profile, direction)) is None:
            said = fractions.lacking((area, profile, direction))
            stop = Stop("no-fractions", f"fractions of {profile} ({direction}): {said}")
            stops[area] = (*stops.get(area, ()), stop)
    return stops


def _needed(profiled: pyarrow.Table) -> list[tuple[str, str, str]]:
    found: set[tuple[str, str, str]] = set()
    keys = list(zip(profiled["grid_area"].to_pylist(), profiled["profile"].to_pylist(), strict=True))
    for channel, direction in DIRECTIONS.items():
        years = whole(profiled, f"year_{channel}").tolist()
        found |= {(str(area), str(name), direction) for (area, name), year in zip(keys, years, strict=True) if year}
    return sorted(found)


def together(*several: Stops) -> Stops:
    """Every reason of every area, in the order of the steps."""
    found: dict[str, tuple[Stop, ...]] = {}
    for stops in several:
        for area, reasons in stops.items():
            found[area] = (*found.get(area, ()), *reasons)
    return found


# The steps.


def by_readings(who: Members, partial: Partial | None, quarters: int) -> list[Sum]:
    """Two sums of each group, one a direction."""
    groups = who.membership.groups
    found = no_rows(len(groups), quarters) if partial is None else partial
    shape = (len(groups), len(CHANNELS), quarters)
    if {one.shape for one in (found.energy_wh, found.calculated_wh, found.estimated_wh)} != {shape}:
        raise StateError("bad-table", f"the sums of the volumes are not {shape[0]} groups of {quarters} quarters")
    return [
        Sum(
            grid_area=group.grid_area,
            part=Part.METERED,
            direction=DIRECTIONS[channel],
            brp=group.brp,
            supplier=group.supplier,
            method=group.method,
            connections=int(who.connections[place]),
            energy_wh=found.energy_wh[place, column],
            calculated_wh=found.calculated_wh[place, column],
            estimated_wh=found.estimated_wh[place, column],
        )
        for place, group in enumerate(groups)
        for column, channel in enumerate(CHANNELS)
    ]


def by_profile(profiled: pyarrow.Table, fractions: Days, areas: Iterable[str]) -> list[Sum]:
    """Two sums of each group of connections by profile; all of it is estimated."""
    going = set(areas)
    cells = [row for row, area in enumerate(profiled["grid_area"].to_pylist()) if area in going]
    table = profiled.take(pyarrow.array(cells, pyarrow.int64()))
    names = list(zip(*(table[name].to_pylist() for name in ("grid_area", "brp", "supplier", "method")), strict=True))
    groups = {name: place for place, name in enumerate(sorted(set(names)))}
    group = np.asarray([groups[one] for one in names], dtype=np.int64)
    connections = np.zeros(len(groups), np.int64)
    np.add.at(connections, group, whole(table, "connections"))
    quarters = fractions.values.shape[1]
    sums = []
    for channel, direction in DIRECTIONS.items():
        cell_wh = _spread(table, whole(table, f"year_{channel}"), fractions, direction)
        energy_wh = np.zeros((len(groups), quarters), np.int64)
        np.add.at(energy_wh, group, cell_wh)
        for (area, brp, supplier, method), place in groups.items():
            sums.append(
                Sum(
                    grid_area=area,
                    part=Part.PROFILED,
                    direction=direction,
                    brp=brp,
                    supplier=supplier,
                    method=method,
                    connections=int(connections[place]),
                    energy_wh=energy_wh[place],
                    calculated_wh=np.zeros(quarters, np.int64),
                    estimated_wh=energy_wh[place],
                )
            )
    return sums


def _spread(cells: pyarrow.Table, year_wh: Energy, fractions: Days, direction: str) -> Energy:
    """The day of each cell. Where nobody has a volume there may be no fractions, and none are needed."""
    if len(year_wh) and year_wh.max() > MAX_SPREAD_WH:
        raise StateError("bad-table", f"year volumes of a profile add up to more than {MAX_SPREAD_WH}")
    shape = np.zeros((len(year_wh), fractions.values.shape[1]), np.int64)
    keys = zip(cells["grid_area"].to_pylist(), cells["profile"].to_pylist(), strict=True)
    for row, (area, profile) in enumerate(keys):
        day = fractions.of((str(area), str(profile), direction))
        if day is not None:
            shape[row] = day
    return spread(year_wh, shape)


def at_the_boundary(areas: Iterable[str], found: Days, part: Part) -> list[Sum]:
    """Two sums of each area, as they were given."""
    return [
        _of_area(area, part, direction, energy_wh)
        for area in areas
        for direction in DIRECTIONS.values()
        if (energy_wh := found.of((area, direction))) is not None
    ]


def residual(areas: Iterable[str], sums: Iterable[Sum]) -> list[Sum]:
    """What is left of the infeed of each area: what nobody meters, and whatever the estimates are wrong by."""
    left: dict[tuple[str, str], Energy] = {}
    for one in sums:
        sign = 1 if one.part is Part.INFEED else -1
        key = (one.grid_area, one.direction)
        left[key] = left.get(key, np.zeros_like(one.energy_wh)) + sign * one.energy_wh
    return [
        _of_area(area, Part.RESIDUAL, direction, left[area, direction])
        for area in areas
        for direction in DIRECTIONS.values()
    ]


def _of_area(area: str, part: Part, direction: str, energy_wh: Energy) -> Sum:
    nothing = np.zeros_like(energy_wh)
    return Sum(
        grid_area=area,
        part=part,
        direction=direction,
        energy_wh=energy_wh,
        calculated_wh=nothing,
        estimated_wh=nothing,
    )


def _area(name: str, count: Count, stops: tuple[Stop, ...]) -> Area:
    return Area(
        grid_area=name,
        state=AreaState.STOPPED if stops else AreaState.SETTLED,
        code=stops[0].code if stops else "",
        reason="; ".join(one.reason for one in stops),
        connections=count.connections,
        unread=count.unread,
    )
