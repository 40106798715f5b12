"""Charts of the views as figures for the drawing library: stacks of parties, lines of areas, the load curve with its holes.

The axis is UTC, whose quarters are all as long, and says what local clocks show. A figure is written into the page that has the
same numbers in a table: it is one look, and so one line of the audit log, whatever is drawn of it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypedDict

from markupsafe import Markup, escape

from kwartier.export.pictures.palette import (
    FAINT,
    KINDS,
    PAPER,
    PATTERNS,
    PLACES,
    TEXT,
    Ink,
    Kind,
    pattern_of,
    place_of,
)
from kwartier.web.pictures import marker
from kwartier.web.words import Language, Words

Trace: TypeAlias = "dict[str, object]"
QUARTER_MS = 900_000
DASHES = ("solid", "dash", "dot", "dashdot")
SEPARATORS: Mapping[Language, str] = {
    Language.DUTCH: ",\N{NARROW NO-BREAK SPACE}",
    Language.ENGLISH: ".\N{NARROW NO-BREAK SPACE}",
}
SPACE = "\N{NARROW NO-BREAK SPACE}"
KIND_NAMES = frozenset(kind.value for kind in KINDS)
OF_PART: Mapping[str, tuple[Ink, str]] = {"loss": (FAINT, "x"), "residual": (TEXT, "/"), "others": (FAINT, "")}
"""What lies upon the parties: its ink and hatching."""


class SeriesTold(TypedDict):
    """A series, as the data of a page have it; see ``charts.Series``."""

    name: str
    kind: str
    channel: str
    stack: str
    place: int
    y: Sequence[int | None]


class TickTold(TypedDict):
    """See ``charts.Tick``."""

    at: str
    text: str


class ChartTold(TypedDict):
    """See ``charts.Chart``."""

    name: str
    opens_at: str
    at: Sequence[str]
    x: Sequence[str]
    ticks: Sequence[TickTold]
    series: Sequence[SeriesTold]


class GapTold(TypedDict):
    """See ``curve.Gap``."""

    channel: str
    kind: str
    quarters: int
    start_at: str


def volumes(chart: ChartTold, words: Words) -> str:
    """What parties answer for, loss and residual upon one another, and the infeed as a line."""
    data: list[Trace] = [_bars(one, _named(one, words), _of_place(one)) for one in chart["series"] if one["stack"]]
    for one in chart["series"]:
        if not one["stack"]:
            data.append(_line(one, _named(one, words), TEXT, "solid"))
    return _written(chart, data, words)


def lines(chart: ChartTold, words: Words) -> str:
    """A line an area."""
    data = []
    for one in chart["series"]:
        data.append(_line(one, _named(one, words), place_of(one["place"]), DASHES[_dash(one["place"])]))
    return _written(chart, data, words)


def load(chart: ChartTold, channel: str, gaps: Sequence[GapTold], words: Words) -> str:
    """The load curve of one channel; what is missing is hatched over the whole height, and nothing is drawn through it."""
    own = [one for one in chart["series"] if one["channel"] == channel]
    data = [_bars(one, words(f"kind.{one['kind']}"), marker(Kind(one["kind"]))) for one in own]
    holes = [one for one in gaps if one["kind"] == Kind.MISSING and one["channel"] in ("", channel)]
    if holes:
        data.append(
            {
                "type": "bar",
                "name": words("kind.missing"),
                "x": [one["start_at"] for one in holes],
                "y": [1] * len(holes),
                "width": [one["quarters"] * QUARTER_MS for one in holes],
                "offset": 0,
                "yaxis": "y2",
                "marker": marker(Kind.MISSING),
                "hoverinfo": "name",
            }
        )
    return _written(chart, data, words)


def stamp(moment: str) -> str:
    """A moment as the views have it, for people: the day, the clock, and the offset that tells two hours of autumn apart."""
    return f"{moment[:10]} {moment[11:16]} {moment[19:]}"


def spaced(value: int) -> str:
    """A whole number with its thousands apart, by a space that does not break."""
    return f"{value:,}".replace(",", SPACE)


def has_any(chart: ChartTold, channel: str = "") -> bool:
    """Whether there is anything but nothing to draw."""
    return any(any(one["y"]) for one in chart["series"] if channel in ("", one["channel"]))


def quarter_rows(chart: ChartTold) -> Markup:
    """The rows of a table of quarters: a page has ten thousand of these figures, and a template takes its time for each."""
    columns = [[_cell(value) for value in one["y"]] for one in chart["series"]]
    heads = [f'<tr><th scope="row">{escape(stamp(moment))}</th>' for moment in chart["x"]]
    # The cells are made of numbers alone, and the heads are escaped.
    return Markup("\n").join(Markup(f"{''.join(row)}</tr>") for row in zip(heads, *columns, strict=True))


def _cell(value: int | None) -> str:
    return f'<td class="figure">{"–" if value is None else spaced(value)}</td>'


def swatch(kind: str, place: int) -> str:
    """What a swatch of a series is called in the stylesheet."""
    if kind in KIND_NAMES:
        return kind
    if kind in OF_PART or place < 0:
        return f"part-{kind if kind in OF_PART else 'others'}"
    return f"{place_of(place).name} pattern-{PATTERNS.index(pattern_of(place))}"


def line_swatch(place: int) -> str:
    """The same of a line."""
    return f"{place_of(place).name} dash-{_dash(place)}"


FIGURES: Mapping[str, Callable[..., object]] = {
    "volumes_figure": volumes,
    "lines_figure": lines,
    "load_figure": load,
    "has_any": has_any,
    "quarter_rows": quarter_rows,
    "swatch": swatch,
    "line_swatch": line_swatch,
}
"""What templates may call."""


def _named(one: SeriesTold, words: Words) -> str:
    name = f"part.{one['name']}"
    return words(name) if one["kind"] != "party" and name in words else one["name"]


def _of_place(one: SeriesTold) -> Mapping[str, object]:
    ink, shape = OF_PART.get(one["kind"]) or (place_of(one["place"]), pattern_of(one["place"]))
    pattern = {"shape": shape, "fgcolor": _colour(PAPER), "bgcolor": _colour(ink), "size": 6, "solidity": 0.25}
    return {"color": _colour(ink), "pattern": pattern}


def _dash(place: int) -> int:
    """Neighbours have another one, and so has the second line of an ink."""
    return (place + place // len(PLACES)) % len(DASHES)


def _colour(ink: Ink) -> str:
    return f"var(--{ink.name})"


def _bars(one: SeriesTold, name: str, mark: Mapping[str, object]) -> Trace:
    """Each from the end of the quarter before to its own."""
    return {"type": "bar", "name": name, "y": one["y"], "width": QUARTER_MS, "offset": -QUARTER_MS, "marker": mark}


def _line(one: SeriesTold, name: str, ink: Ink, dash: str) -> Trace:
    """A step a quarter, from its beginning to its end."""
    line = {"shape": "vh", "color": _colour(ink), "width": 2, "dash": dash}
    return {"type": "scatter", "mode": "lines", "name": name, "y": [*one["y"][:1], *one["y"]], "line": line}


def _written(chart: ChartTold, data: Sequence[Trace], words: Words) -> str:
    """``charts.js`` puts the local clock to each quarter: it is the same for all series."""
    for one in data:
        if "x" not in one:
            first = chart["opens_at"] if one["type"] == "scatter" else chart["at"][0]
            one |= {"x0": first, "dx": QUARTER_MS, "hovertemplate": "%{hovertext}<br>%{y:,d} Wh"}
    figure = {"data": data, "quarters": [stamp(one) for one in chart["x"]], "layout": _layout(chart, words)}
    return json.dumps(figure, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _layout(chart: ChartTold, words: Words) -> Mapping[str, object]:
    return {
        "barmode": "relative",
        "bargap": 0,
        "showlegend": False,
        "hovermode": "closest",
        "separators": SEPARATORS[words.language],
        "margin": {"t": 12, "r": 12, "b": 40, "l": 72},
        "xaxis": {
            "type": "date",
            "range": [chart["opens_at"], chart["at"][-1]],
            "tickvals": [one["at"] for one in chart["ticks"]],
            "ticktext": [one["text"] for one in chart["ticks"]],
            "ticks": "outside",
            "tickcolor": _colour(FAINT),
            "fixedrange": True,
        },
        "yaxis": {
            "title": {"text": words("chart.unit")},
            "tickformat": ",~f",
            "rangemode": "tozero",
            "ticks": "outside",
            "tickcolor": _colour(FAINT),
            "fixedrange": True,
        },
        "yaxis2": {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    }
