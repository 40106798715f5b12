"""The heat map of completeness: a row a day or cohort, a column an hour, and each cell filled like a glass.

The surest kind lies at the bottom. A kind that is there at all is at least a fifth of the cell high, so that one missing
quarter among many is seen; the numbers beside the rows and below are exact, and rounded down.
"""

import numpy as np
from matplotlib.figure import Figure

from kwartier.export.pictures.coverage import Coverage
from kwartier.export.pictures.palette import FAINT, KINDS, TEXT, Scheme
from kwartier.export.pictures.sheet import (
    HEAD_IN,
    LEGEND_IN,
    MARGIN_IN,
    MAX_LABEL,
    MAX_TITLE,
    WIDTH_IN,
    Boxes,
    Told,
    field,
    fill,
    head,
    legend,
    line,
    sheet,
    write,
)
from kwartier.export.pictures.words import grouped, share

ROW_IN = 0.27
HOURS_IN = 0.25
SHARE_IN = 0.75
LETTER_IN = 0.068
"""About the width of a letter of a row's name."""
LEAST_PART = 1 / 5
GAP_X, GAP_Y = 0.05, 0.09
"""How much of a cell is left free on each side."""


def draw(coverage: Coverage, scheme: Scheme) -> Figure:
    """The picture, on a sheet that is as high as it has rows."""
    rows, columns = len(coverage.rows), len(coverage.columns)
    height_in = HEAD_IN + HOURS_IN + max(rows, 1) * ROW_IN + LEGEND_IN
    figure = sheet(height_in, scheme)
    head(figure, scheme, coverage.caption or "Completeness", _below(coverage))
    longest = max((len(line(one, MAX_LABEL)) for one in coverage.rows), default=0)
    left_in = MARGIN_IN + longest * LETTER_IN + 0.1
    axes = field(figure, left_in, LEGEND_IN, WIDTH_IN - left_in - SHARE_IN - MARGIN_IN, max(rows, 1) * ROW_IN)
    axes.set_xlim(0, columns)
    axes.set_ylim(max(rows, 1), 0)
    above = -HOURS_IN / ROW_IN / 2
    for place, name in enumerate(coverage.columns):
        write(axes, place + 0.5, above, name, FAINT, scheme, middle=True)
    if rows:
        write(axes, columns + SHARE_IN / _cell_in(left_in, columns), above, "complete", FAINT, scheme, right=True)
    else:
        write(axes, columns / 2, 0.5, "there is nothing to show", FAINT, scheme, middle=True)
    for place, name in enumerate(coverage.rows):
        write(axes, -0.1 / _cell_in(left_in, columns), place + 0.5, name, TEXT, scheme, right=True)
        text = share(*coverage.complete(place))
        write(axes, columns + SHARE_IN / _cell_in(left_in, columns), place + 0.5, text, TEXT, scheme, right=True)
    bands = _bands(coverage)
    for place, kind in enumerate(KINDS):
        fill(axes, bands[place], kind, scheme)
    totals = coverage.totals()
    due = sum(totals.values())
    legend(figure, scheme, {kind: (grouped(count), share(count, due)) for kind, count in totals.items()})
    return figure


def told(coverage: Coverage) -> Told:
    """The picture in words."""
    counts = ", ".join(f"{grouped(count)} {kind.value}" for kind, count in coverage.totals().items())
    rows = tuple(
        (
            line(name, MAX_LABEL),
            *map(grouped, coverage.counts[place].sum(axis=0).tolist()),
            share(*coverage.complete(place)),
        )
        for place, name in enumerate(coverage.rows)
    )
    return Told(
        title=line(coverage.caption, MAX_TITLE) or "Completeness",
        description=f"{_below(coverage)} Of the quarters that were due are {counts}.",
        heads=("row", *KINDS, "complete"),
        rows=rows,
    )


def _below(coverage: Coverage) -> str:
    if not coverage.rows:
        return "No day."
    first, last = coverage.rows[0], coverage.rows[-1]
    span = first if first == last else f"{len(coverage.rows)} rows, {first} to {last}"
    return f"{line(span, MAX_LABEL * 2)}. Local hours; each cell holds the quarters of its hour."


def _cell_in(left_in: float, columns: int) -> float:
    return (WIDTH_IN - left_in - SHARE_IN - MARGIN_IN) / columns


def _bands(coverage: Coverage) -> list[Boxes]:
    """Of each kind the boxes, in columns and rows from the upper left."""
    counts = coverage.counts
    due = counts.sum(axis=2, keepdims=True)
    parts = np.where(counts > 0, np.maximum(counts / np.maximum(due, 1), LEAST_PART), 0.0)
    parts /= np.maximum(parts.sum(axis=2, keepdims=True), LEAST_PART)
    upper = np.cumsum(parts, axis=2)
    high = 1 - 2 * GAP_Y
    found = []
    for place in range(len(KINDS)):
        row, column = np.nonzero(counts[:, :, place])
        top, part = upper[row, column, place], parts[row, column, place]
        floor = row + 1 - GAP_Y
        found.append(
            np.stack(
                [column + GAP_X, floor - (top - part) * high, column + 1 - GAP_X, floor - top * high], axis=1
            ).astype(np.float64)
        )
    return found
