"""The curve of a day: mean power of each quarter, import above the line and export below it.

What is estimated is hatched. What is missing is left open, from the edge inwards: over the whole height where nothing of a
quarter is there, and as deep as the share of the meters that are missing where only some are; no volume is guessed for it.
Time runs as it passes; the hours have the names that the local clock shows.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from kwartier.export.pictures.day_curve import CHANNELS, DIRECTIONS, DayCurve
from kwartier.export.pictures.hours import hours_of, length
from kwartier.export.pictures.palette import FAINT, LINE, TEXT, WITH_ENERGY, Kind, Scheme
from kwartier.export.pictures.sheet import (
    HEAD_IN,
    LEGEND_IN,
    MARGIN_IN,
    MAX_TITLE,
    WIDTH_IN,
    Told,
    field,
    head,
    legend,
    line,
    shape,
    sheet,
    write,
)
from kwartier.export.pictures.words import QUARTERS_AN_HOUR, in_kwh, quarters, readable, unit_of

PLOT_IN = 2.9
SPACE_IN = 0.1
HOURS_IN = 0.25
SCALE_IN = 0.35
NAMES_IN = 0.45
MOST_TICKS = 6
STEPS = (1, 2, 5)
ROOM = 1 / 16
"""How much of a direction's height is kept for openings, which are never less deep: no volume hides one meter of a million."""
CURVE_PT = 0.9
LINE_PT = 0.6

Numbers = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def draw(curve: DayCurve, scheme: Scheme) -> Figure:
    """The picture."""
    figure = sheet(HEAD_IN + SPACE_IN + PLOT_IN + HOURS_IN + LEGEND_IN, scheme)
    head(figure, scheme, curve.caption or "Day curve", _below(curve))
    left_in = MARGIN_IN + SCALE_IN
    width_in = WIDTH_IN - left_in - NAMES_IN - MARGIN_IN
    axes = field(figure, left_in, LEGEND_IN + HOURS_IN, width_in, PLOT_IN)
    highest = {name: curve.highest_wh(name) for name in CHANNELS}
    unit, size = unit_of(max(highest.values()))
    powers = {name: energy_wh * QUARTERS_AN_HOUR / size for name, energy_wh in highest.items()}
    step = step_of(sum(powers.values()))
    top = step * max(1, math.ceil(powers["import_wh"] / step))
    low = -step * math.ceil(powers["export_wh"] / step) if powers["export_wh"] else -step / 2
    bottom = low if curve.has("export_wh") else 0.0
    ends = {
        name: end * (1 + ROOM) if curve.missing[name].any() else end
        for name, end in zip(CHANNELS, (top, bottom), strict=True)
    }
    axes.set_xlim(0, curve.quarters)
    axes.set_ylim(ends["export_wh"], ends["import_wh"])
    _scale(axes, scheme, (bottom, top, step), unit)
    _clock(axes, scheme, curve)
    for name, end in ends.items():
        if not curve.has(name):
            continue
        _direction(axes, scheme, curve, name, end, (1 if end > 0 else -1) * QUARTERS_AN_HOUR / size)
        write(axes, curve.quarters + 0.7, end / 2, DIRECTIONS[name], TEXT, scheme)
    if not any(map(curve.has, CHANNELS)):
        write(axes, curve.quarters / 2, top / 2, "there is nothing to show", FAINT, scheme, middle=True)
    axes.plot([0, curve.quarters], [0, 0], color=TEXT.of(scheme), linewidth=LINE_PT, clip_on=False)
    legend(figure, scheme, _totals(curve))
    return figure


def told(curve: DayCurve) -> Told:
    """The picture in words."""
    said = "; ".join(f"{kind.value}: {', '.join(texts)}" for kind, texts in _totals(curve).items())
    return Told(
        title=line(curve.caption, MAX_TITLE) or "Day curve",
        description=f"{_below(curve)} {said}.",
        heads=("hour", *DIRECTIONS.values(), "made of"),
        rows=tuple(_hours(curve)),
    )


def step_of(highest: float) -> float:
    """From one line of the scale to the next: 1, 2 or 5 of some power of ten, so that there are few lines."""
    if highest <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(highest / MOST_TICKS))
    return next(size * step for step in (*STEPS, 10) if highest / (size * step) <= MOST_TICKS)


def _below(curve: DayCurve) -> str:
    hours = hours_of(curve.day, curve.timezone)
    return f"{curve.day}, {length(hours)}. Local time of {curve.timezone}; mean power of each quarter."


def _scale(axes: Axes, scheme: Scheme, reach: tuple[float, float, float], unit: str) -> None:
    """The lines of the scale, and what each stands for."""
    bottom, top, step = reach
    last = round(top / step)
    left, right = axes.get_xlim()
    for number in range(math.ceil(bottom / step), last + 1):
        at = number * step
        axes.plot([left, right], [at, at], color=LINE.of(scheme), linewidth=LINE_PT, zorder=0)
        write(axes, -0.7, at, f"{abs(at):.10g}{f' {unit}' if number == last else ''}", FAINT, scheme, right=True)


def _clock(axes: Axes, scheme: Scheme, curve: DayCurve) -> None:
    """The hours, where they begin."""
    bottom, top = axes.get_ylim()
    tick, names = bottom - (top - bottom) * 0.015, bottom - (top - bottom) * 0.05
    hours = hours_of(curve.day, curve.timezone).starts()
    for place, name in (*hours, (curve.quarters, "24")):
        axes.plot([place, place], [bottom, tick], color=FAINT.of(scheme), linewidth=LINE_PT, clip_on=False)
        write(axes, place, names, name, FAINT, scheme, middle=True)


def _direction(axes: Axes, scheme: Scheme, curve: DayCurve, name: str, end: float, scale: float) -> None:
    """One half: open where something is missing, the kinds upon one another, and the line of the whole."""
    depth = np.where(curve.missing[name] > 0, curve.missing[name] / np.maximum(curve.due[name], 1), 0.0)
    depth = np.where(depth > 0, np.maximum(depth, ROOM), 0.0)
    edge = np.full(curve.quarters, end)
    opened = [_step_shape(edge, edge * (1 - depth), first, last) for first, last in _runs(depth > 0)]
    if opened:
        shape(axes, Outline.make_compound_path(*opened), Kind.MISSING, scheme)
    lower = np.zeros(curve.quarters)
    for kind in WITH_ENERGY:
        upper = lower + curve.energy_wh[name][kind] * scale
        parts = [_step_shape(lower, upper, first, last) for first, last in _runs(curve.energy_wh[name][kind] > 0)]
        if parts:
            shape(axes, Outline.make_compound_path(*parts), kind, scheme)
        lower = upper
    there = (curve.due[name] > curve.missing[name]) | (lower != 0)
    lines = [_step_line(lower, first, last) for first, last in _runs(there)]
    if lines:
        axes.add_patch(
            PathPatch(
                Outline.make_compound_path(*lines),
                fill=False,
                edgecolor=TEXT.of(scheme),
                linewidth=CURVE_PT,
                clip_on=False,
            )
        )


def _runs(mask: Mask) -> Iterator[tuple[int, int]]:
    """Stretches where ``mask`` is true: the first place, and the first after it."""
    changes = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    yield from zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True)


def _steps(values: Numbers, first: int, last: int) -> Numbers:
    """The corners of a stretch of steps, from left to right."""
    across = np.repeat(np.arange(first, last + 1), 2)[1:-1]
    return np.column_stack([across, np.repeat(values[first:last], 2)])


def _step_shape(lower: Numbers, upper: Numbers, first: int, last: int) -> Outline:
    corners = np.concatenate([_steps(upper, first, last), _steps(lower, first, last)[::-1]])
    closed = np.concatenate([corners, corners[:1]])
    codes = [Outline.MOVETO, *[Outline.LINETO] * (len(closed) - 2), Outline.CLOSEPOLY]
    return Outline(closed, codes)


def _step_line(values: Numbers, first: int, last: int) -> Outline:
    return Outline(_steps(values, first, last))


def _totals(curve: DayCurve) -> dict[Kind, tuple[str, ...]]:
    """What is said of each kind: its energy in each direction, and how many quarters are open."""
    said: dict[Kind, tuple[str, ...]] = {}
    present = [name for name in CHANNELS if curve.has(name)]
    for kind in WITH_ENERGY:
        totals = {name: int(curve.energy_wh[name][kind].sum()) for name in present}
        said[kind] = tuple(f"{DIRECTIONS[name]} {readable(total_wh)}" for name, total_wh in totals.items())
    said[Kind.MISSING] = tuple(f"{DIRECTIONS[name]} {quarters(int(curve.missing[name].sum()))}" for name in present)
    return said


def _hours(curve: DayCurve) -> Iterator[tuple[str, ...]]:
    """Of each hour its name, its energy in each direction, and what kinds of quarters are in it."""
    starts = hours_of(curve.day, curve.timezone).starts()
    for (first, name), (last, _) in zip(starts, (*starts[1:], (curve.quarters, "")), strict=True):
        totals = (
            in_kwh(int(curve.total_wh(channel)[first:last].sum())) if curve.due[channel][first:last].any() else "–"
            for channel in CHANNELS
        )
        kinds = [
            kind.value
            for kind in WITH_ENERGY
            if any(curve.energy_wh[channel][kind][first:last].any() for channel in CHANNELS)
        ]
        if any(curve.missing[channel][first:last].any() for channel in CHANNELS):
            kinds.append(Kind.MISSING.value)
        yield (name, *totals, ", ".join(kinds))
