"""Pictures of completeness and of a day, in characters: each kind of quarter has its own sign, with colours and without.

Signs and colours are those of the palette that pictures in files have. Nothing is wider than it is asked to be.
"""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from kwartier.cli.options import stdout
from kwartier.export.pictures.coverage import Coverage
from kwartier.export.pictures.day_curve import CHANNELS, DIRECTIONS, DayCurve
from kwartier.export.pictures.hours import hours_of, length
from kwartier.export.pictures.palette import KINDS, MARKS, WITH_ENERGY, Kind
from kwartier.export.pictures.words import QUARTERS_AN_HOUR, grouped, in_kwh, quarters, share, unit_of

if TYPE_CHECKING:
    from kwartier.export.pictures.coverage import Counts

WIDTH = 80
LEAST_WIDTH = 40
MAX_NAME = 24
SHARE = 9
"""Columns for a share in per cent, with the space before it."""
HEIGHT = 8
"""Lines of the larger direction of a curve."""
BETWEEN = "   "
WIDE, NARROW = 4, 2
"""Columns for a place of the heat map: two signs, and room between them and the next where there is any."""
GROUPS = (1, 2, 3, 4, 6, 8, 12, 24, 48)
"""How many hours or quarters may share a place."""


def coverage_lines(coverage: Coverage, width: int = WIDTH) -> Iterator[Text]:
    """The heat map: two signs an hour, the first what most of its quarters are, the second the least sure that is among them.

    Hours share a place where the lines would be too long.
    """
    width = max(width, LEAST_WIDTH)
    name_width = min(max(map(len, coverage.rows), default=0), MAX_NAME)
    room = width - name_width - 1 - SHARE
    columns = len(coverage.columns)
    group, cell = next(
        (group, cell)
        for group in GROUPS
        for cell in (WIDE, NARROW)
        if -(-columns // group) * cell <= room or group == GROUPS[-1]
    )
    firsts = range(0, columns, group)
    if coverage.caption:
        yield Text(_flat(coverage.caption, width), style="bold")
    every = 1 if cell == WIDE else 2
    heads = "".join(f"{coverage.columns[first]:<{cell * every}}" for first in firsts[::every])
    heads = f"{heads:<{cell * len(firsts)}}"[: cell * len(firsts)]
    yield Text(f"{'':{name_width}} {heads}{'complete':>{SHARE}}".rstrip(), style="dim")
    for row, name in enumerate(coverage.rows):
        line = Text(f"{_flat(name, name_width):<{name_width}} ")
        for first in firsts:
            _cell(line, coverage.counts[row, first : first + group].sum(axis=0), cell)
        line.append(f"{share(*coverage.complete(row)):>{SHARE}}")
        yield line
    if not coverage.rows:
        yield Text("there is nothing to show")
    totals = coverage.totals()
    due = sum(totals.values())
    yield Text()
    yield from _legend([(kind, f"{grouped(count)} ({share(count, due)})") for kind, count in totals.items()], width)


def _cell(line: Text, by_kind: "Counts", cell: int) -> None:
    """The two signs of a place, or none where no quarter was due."""
    present = [kind for kind, count in zip(KINDS, by_kind.tolist(), strict=True) if count]
    signs = [] if not present else [KINDS[int(np.argmax(by_kind))]]
    if present and present[-1] is not signs[0]:
        signs.append(present[-1])
    for kind in signs:
        line.append(MARKS[kind].sign, style=MARKS[kind].terminal)
    line.append(" " * (cell - len(signs)))


def curve_lines(curve: DayCurve, width: int = WIDTH) -> Iterator[Text]:
    """The day's curve: import upwards, export downwards, each place the mean of its quarters.

    A place with missing quarters has dots from the edge inwards, as deep as their share, so that a gap is never smoothed over.
    """
    width = max(width, LEAST_WIDTH)
    unit, size = unit_of(max(map(curve.highest_wh, CHANNELS)))
    highest_wh = max(1, *map(curve.highest_wh, CHANNELS))
    scale = f"{highest_wh * QUARTERS_AN_HOUR / size:.4g} {unit}"
    margin = max(len(scale), len("export")) + 1
    group = next(one for one in GROUPS if -(-curve.quarters // one) <= width - margin or one == GROUPS[-1])
    yield Text(_flat(curve.caption or "Day curve", width), style="bold")
    yield Text(_flat(f"{curve.day}, {length(hours_of(curve.day, curve.timezone))}", width), style="dim")
    if not any(map(curve.has, CHANNELS)):
        yield Text("there is nothing to show")
    for channel in filter(curve.has, CHANNELS):
        up = channel == CHANNELS[0]
        height = HEIGHT if up else max(1, -(-curve.highest_wh(channel) * HEIGHT // highest_wh))
        # A line beyond the largest volume, so that none hides an opening.
        height += bool(curve.missing[channel].any())
        places = [
            _place(curve, channel, first, group, (highest_wh, height)) for first in range(0, curve.quarters, group)
        ]
        for level in reversed(range(height)) if up else range(height):
            name = scale if up and level == HEIGHT - 1 else "import" if up and not level else ""
            line = Text(f"{name if up or level < height - 1 else 'export':>{margin - 1}} ", style="dim")
            for signs in places:
                kind = signs[level]
                line.append(
                    " " if kind is None else MARKS[kind].sign, style="" if kind is None else MARKS[kind].terminal
                )
            yield line
        if up:
            yield Text(" " * margin + _hours(curve, group), style="dim")
    yield Text()
    yield from _legend(list(_said(curve)), width)


def _place(curve: DayCurve, channel: str, first: int, group: int, reach: tuple[int, int]) -> list[Kind | None]:
    """What stands at a place, from the line outwards: a kind for each level, or nothing."""
    highest_wh, height = reach
    last = min(first + group, curve.quarters)
    levels: list[Kind | None] = []
    summed_wh = 0
    for kind in WITH_ENERGY:
        summed_wh += int(curve.energy_wh[channel][kind][first:last].sum())
        reached = round(summed_wh * HEIGHT / (highest_wh * (last - first)))
        if summed_wh and not levels:
            reached = max(reached, 1)
        levels += [kind] * (min(reached, height) - len(levels))
    missing, due = (int(column[channel][first:last].sum()) for column in (curve.missing, curve.due))
    open_to = height if not missing else height - max(1, height * missing // due)
    levels += [None] * (open_to - len(levels))
    return levels + [Kind.MISSING] * (height - len(levels))


def _hours(curve: DayCurve, group: int) -> str:
    """The names of hours, each where it begins, as many as have room."""
    text = ""
    for place, name in hours_of(curve.day, curve.timezone).starts():
        at = -(-place // group)
        if at >= len(text) + (1 if text else 0) and at * group == place:
            text = text.ljust(at) + name
    return text


def _said(curve: DayCurve) -> Iterator[tuple[Kind, str]]:
    present = [channel for channel in CHANNELS if curve.has(channel)]
    for kind in WITH_ENERGY:
        energies = (f"{DIRECTIONS[one]} {in_kwh(int(curve.energy_wh[one][kind].sum()))}" for one in present)
        yield kind, ", ".join(energies)
    yield Kind.MISSING, ", ".join(f"{DIRECTIONS[one]} {quarters(int(curve.missing[one].sum()))}" for one in present)


def _legend(said: Sequence[tuple[Kind, str]], width: int) -> Iterator[Text]:
    """Every kind with its sign, its name and what is said of it, as many on a line as have room."""
    line = Text()
    for kind, text in said:
        sign, *rest = wrap(f"{MARKS[kind].sign} {kind.value} {text}".rstrip(), width, subsequent_indent="  ")
        entry = Text.assemble((sign[:1], MARKS[kind].terminal), "\n".join((sign[1:], *rest)))
        if line and (rest or len(line) + len(BETWEEN) + len(entry) > width):
            yield line
            line = Text()
        line = Text.assemble(line, BETWEEN if line else "", entry)
        if rest:
            yield from line.split()
            line = Text()
    if line:
        yield line


def _flat(text: str, width: int) -> str:
    line = "".join(each if each.isprintable() else " " for each in text)
    return line if len(line) <= width else f"{line[: width - 1]}…"


def print_picture(picture: Coverage | DayCurve) -> None:
    """The picture on stdout, as wide as the terminal, or as :data:`WIDTH` where there is none."""
    console = stdout()
    width = console.width if console.is_terminal else WIDTH
    for line in coverage_lines(picture, width) if isinstance(picture, Coverage) else curve_lines(picture, width):
        console.print(line, soft_wrap=True)
