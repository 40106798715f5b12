"""The load curve of a connection: what validation made of each quarter, and where it is not known, since when and why.

A quarter of one kind stands in the series of that kind and in no other, so that nothing is drawn through a hole. Stretches
that are missing or were put in the place of something are gaps, each with what the meter's registers say of it and, where
there is a volume, by which method it was made.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt

from kwartier.export.pictures.coverage import Seen, codes_of
from kwartier.export.pictures.palette import KINDS, WITH_ENERGY, Kind
from kwartier.gate.ids import Link, Links
from kwartier.model import Bytes8, Missing, Registers, Volumes
from kwartier.service.validating.runs import Put
from kwartier.service.views.charts import Axis, Chart, Mask, Series, column, runs

CHANNELS = ("import_wh", "export_wh")
HATCHED = (Kind.MISSING, Kind.ESTIMATED, Kind.CALCULATED)
"""Kinds whose stretches are told one by one."""
NOT_VALIDATED, UNKNOWN = "not-validated", "not-told"
REASONS: Mapping[int, str] = {
    one.value: one.name.lower().replace("_", "-") for one in Missing if one is not Missing.PRESENT
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Quarters ``first`` to ``first + quarters`` of the chart, from the end of the quarter before to that of the last.

    ``channel`` empty: both. ``reasons``: why registers are not there (``not-in-buffer``, ``not-received``, ...), or
    ``not-validated``, or ``not-told``; ``methods`` and ``rules``: how what stands there was made, and what it was made for.
    """

    channel: str
    kind: str
    first: int
    quarters: int
    start: str
    start_at: str
    end: str
    end_at: str
    reasons: tuple[str, ...]
    methods: tuple[str, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Of a channel and kind: energy and quarters."""

    channel: str
    kind: str
    energy_wh: int = field(repr=False)
    quarters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The chart, its gaps in the order of their beginnings, and its totals."""

    chart: Chart
    gaps: tuple[Gap, ...]
    totals: tuple[Total, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was put in the place of something, by the day and meter that it is of."""

    day: date
    link: Link
    put: Put


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """Volumes laid out over an axis; by channel and kind what there is in each quarter, and in which of them."""

    energy_wh: Mapping[tuple[str, Kind], Registers] = field(repr=False)
    there: Mapping[tuple[str, Kind], Mask] = field(repr=False)


def laid_out(shown: Iterable[tuple[Volumes, Links]], late: frozenset[tuple[date, str]], axis: Axis) -> Laid:
    """``late``: days and meters whose readings came after the night that they were due in."""
    count = len(axis.times) - 1
    keys = [(channel, kind) for channel in CHANNELS for kind in KINDS]
    energy_wh = {key: np.zeros(count, np.int64) for key in keys}
    there = {key: np.zeros(count, np.bool_) for key in keys}
    for volumes, links in shown:
        first = axis.place(volumes.day)
        seen = Seen(volumes, np.array([(volumes.day, link.meter) in late for link in links], np.bool_))
        for channel in CHANNELS:
            codes, energies = codes_of(seen, channel), volumes.energy_wh[channel]
            into = slice(first, first + codes.shape[1])
            for place, kind in enumerate(KINDS):
                mask = codes == place + 1
                there[channel, kind][into] |= mask.any(axis=0)
                energy_wh[channel, kind][into] += np.sum(energies, axis=0, dtype=np.int64, where=mask)
    return Laid(energy_wh=energy_wh, there=there)


def curve(
    laid: Laid, unseen: Mask, axis: Axis, registers: Sequence[Mapping[str, Bytes8]], made: Sequence[Made]
) -> Curve:
    """``unseen``: the quarters of days that were not validated; ``registers``: why registers of each meter are not there.

    Each meter has a place for the opening and for each quarter end of the axis.
    """
    series, gaps, totals = [], [], []
    puts = _placed(made, axis)
    for channel in CHANNELS:
        for kind in WITH_ENERGY:
            energy_wh, there = laid.energy_wh[channel, kind], laid.there[channel, kind]
            if there.any():
                y = column(energy_wh, there)
                series.append(Series(name=kind.value, kind=kind.value, channel=channel, stack=channel, y=y))
        for kind in KINDS:
            there = laid.there[channel, kind]
            if there.any():
                total_wh = int(laid.energy_wh[channel, kind].sum())
                quarters = int(there.sum())
                totals.append(Total(channel=channel, kind=kind.value, energy_wh=total_wh, quarters=quarters))
        for kind in HATCHED:
            for first, end in runs(laid.there[channel, kind]):
                reasons = _reasons(registers, channel, first, end)
                gaps.append(_gap(axis, channel, kind, first, end, reasons, puts))
    for first, end in runs(unseen):
        reasons = (*_reasons(registers, "", first, end), NOT_VALIDATED)
        gaps.append(_gap(axis, "", Kind.MISSING, first, end, reasons, ()))
    gaps.sort(key=lambda one: (one.first, one.channel, one.kind))
    return Curve(chart=axis.chart("load", series), gaps=tuple(gaps), totals=tuple(totals))


_Placed = Sequence[tuple[int, int, Put]]


def _placed(made: Sequence[Made], axis: Axis) -> _Placed:
    """Where on the axis each substitute begins and ends."""
    firsts = [axis.place(one.day) for one in made]
    return [(at + one.put.first, at + one.put.last + 1, one.put) for at, one in zip(firsts, made, strict=True)]


def _reasons(registers: Sequence[Mapping[str, Bytes8]], channel: str, first: int, end: int) -> tuple[str, ...]:
    """Why registers at the ends of these quarters are not there."""
    columns = [one for each in registers for name, one in each.items() if channel in ("", name)]
    codes: npt.NDArray[np.uint8] = np.unique(
        np.concatenate([np.zeros(0, np.uint8), *(one[first : end + 1] for one in columns)])
    )
    return tuple(REASONS[code] for code in codes.tolist() if code != Missing.PRESENT)


def _gap(axis: Axis, channel: str, kind: Kind, first: int, end: int, reasons: tuple[str, ...], puts: _Placed) -> Gap:
    within = [put for begin, stop, put in puts if put.channel == channel and begin < end and stop > first]
    return Gap(
        channel=channel,
        kind=kind.value,
        first=first,
        quarters=end - first,
        start=axis.x[first],
        start_at=axis.at[first],
        end=axis.x[end],
        end_at=axis.at[end],
        reasons=reasons or (UNKNOWN,),
        methods=tuple(sorted({put.method for put in within})),
        rules=tuple(sorted({put.rule for put in within})),
    )
