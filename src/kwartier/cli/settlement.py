"""How settlements are printed: tables of areas and parties in kWh, and a sentence for each area that is held or stopped."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kwartier.cli.options import print_many, say

if TYPE_CHECKING:
    from kwartier.settle.difference import Difference
    from kwartier.settle.tables import Settled, Sum

PER_MILLE = 1_000
PARTS = ("infeed", "metered", "profiled", "loss", "residual")
DIRECTIONS = ("import", "export")


def print_areas(found: "Settled") -> None:
    """A line for each area and direction, in kWh over the day; nothing of an area that is stopped."""
    rows = []
    for area in found.areas:
        for direction in DIRECTIONS:
            sums = [one for one in found.sums if (one.grid_area, one.direction) == (area.grid_area, direction)]
            if not sums:
                continue
            parts = [kwh(_day_wh(one for one in sums if one.part.value == part)) for part in PARTS]
            rows.append((area.grid_area, area.state.value, direction, *parts, estimated(sums)))
    print_many(rows, header=("area", "state", "direction", *(f"{part} kWh" for part in PARTS), "estimated"))


def print_parties(found: "Settled") -> None:
    """A line for each balance responsible party in each area and direction, in kWh over the day."""
    groups: dict[tuple[str, str, str], list[Sum]] = {}
    for one in found.sums:
        if one.brp:
            groups.setdefault((one.grid_area, one.brp, one.direction), []).append(one)
    rows = []
    for (area, brp, direction), sums in groups.items():
        parts = [kwh(_day_wh(one for one in sums if one.part.value == part)) for part in ("metered", "profiled")]
        connections = sum(one.connections for one in sums)
        rows.append((area, brp, direction, f"{connections}", *parts, estimated(sums)))
    header = ("area", "party", "direction", "connections", "metered kWh", "profiled kWh", "estimated")
    print_many(sorted(rows), header=header)


def say_areas(found: "Settled") -> None:
    """Why each area is held or stopped: every check that it failed, or everything that it lacks."""
    for area in found.areas:
        failed = [one for one in found.checks if one.grid_area == area.grid_area and not one.passed]
        for one in failed:
            say(f"area {area.grid_area} is held: check {one.code} failed: {one.detail}")
        if area.code and not failed:
            say(f"area {area.grid_area} is {area.state.value}: {area.reason} [{area.code}]")


def print_difference(found: "Difference") -> None:
    """A line for each area that stands otherwise and each sum that differs."""
    areas = [
        (one.grid_area, f"{one.before or 'not there'} -> {one.after or 'not there'}", f"{one.unread:+}")
        for one in found.areas
    ]
    if areas:
        print_many(areas, header=("area", "state", "unread"))
    header = ("area", "part", "direction", "party", "supplier", "method", "how", "connections", "day kWh", "quarters")
    sums = [
        (
            *(one.grid_area, one.part.value, one.direction, one.brp or "-", one.supplier or "-", one.method or "-"),
            *(one.how.value, f"{one.connections:+}", kwh(one.day_wh), f"{one.quarters}"),
        )
        for one in found.sums
    ]
    print_many(sums, header=header)


def kwh(energy_wh: int) -> str:
    """Watt-hours as kWh, exactly."""
    whole, rest = divmod(abs(energy_wh), 1_000)
    return f"{'-' if energy_wh < 0 else ''}{whole}.{rest:03d}"


def estimated(sums: "Iterable[Sum]") -> str:
    """What share of the volumes of parties was estimated; of nothing: none."""
    of_parties = [one for one in sums if one.brp]
    total_wh, estimated_wh = _day_wh(of_parties), sum(int(one.estimated_wh.sum()) for one in of_parties)
    if not total_wh:
        return "-"
    share = estimated_wh * PER_MILLE // total_wh
    return f"{share // 10}.{share % 10} %"


def _day_wh(sums: "Iterable[Sum]") -> int:
    return sum(int(one.energy_wh.sum()) for one in sums)
