"""From a buffer to readings: rows find their quarter by their stamp, never by their position.

The usual night brings the very quarters that were asked for, in order; then the columns are taken as they are. Otherwise
gaps, rows outside the days, rows beside the grid after outages or clock setting, and rows sent twice are sorted out, each with
its reason: a quarter without a register says why, and what did not fit is a finding. Nothing is filled in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

import numpy as np

from kwartier.clock import quarter_ends
from kwartier.cosem.even import read_even
from kwartier.cosem.exact import read_exact
from kwartier.cosem.layout import LIFO, Layout, Roles
from kwartier.cosem.rows import Flags, Places, Rows
from kwartier.cosem.stamping import Stamps, Window, certain_stamps, settled_stamps, troubled
from kwartier.cosem.status import CLOCK_NOT_SPECIFIED
from kwartier.errors import WireError
from kwartier.model import Beside, Bytes8, Finding, Missing, Readings, Registers, Times

MAX_REGISTER_WH = (1 << 63) - 1
AHEAD_S = 60
"""A row stamped further ahead of our clock than this is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Which readings are wanted, and what is known before the buffer is looked at."""

    meter: str
    start: date
    end: date
    timezone: str
    now: float
    """UTC seconds: quarters after it are not yet there."""
    channels: tuple[str, ...]
    sign_reversed: bool = False

    @property
    def times(self) -> Times:
        """The quarter ends, opening included."""
        return quarter_ends(self.start, self.end, self.timezone)


def read_rows(buffer: bytes, shapes: tuple[Roles, ...]) -> Rows:
    """The rows of ``buffer`` (A-XDR), of which each column is what ``shapes`` says; the number of columns picks the shape.

    Raises ``WireError`` for bytes that are no such rows. Nothing is skipped.
    """
    rows = read_even(buffer, shapes)
    return read_exact(buffer, shapes) if rows is None else rows


def shapes_of(layout: Layout, asked: tuple[int, ...] | None = None) -> tuple[Roles, ...]:
    """The rows that may come: the columns ``asked`` for, in the order of the request, or all that are captured."""
    if asked is None or asked == tuple(range(len(layout.roles))):
        return (layout.roles,)
    return tuple(layout.roles[place] for place in asked), layout.roles


def readings_of(
    buffer: bytes, layout: Layout, frame: Frame, *, shapes: tuple[Roles, ...] = (), findings: tuple[Finding, ...] = ()
) -> Readings:
    """The readings of ``frame`` in ``buffer`` (A-XDR). ``shapes``: see :func:`read_rows`; by default all columns.

    Raises ``WireError``. ``findings`` are those made before; they come first.
    """
    rows = read_rows(buffer, shapes or (layout.roles,))
    times = frame.times
    registers = rows.registers
    if layout.scaled:
        registers = {name: _in_wh(name, values, layout.multipliers[name]) for name, values in registers.items()}
    stamps = certain_stamps(rows, frame.timezone, frame.sign_reversed)
    if (
        stamps is not None
        and stamps.plain
        and rows.status is not None
        and not rows.absent
        and len(registers) == len(frame.channels)
        and times[-1] <= frame.now + AHEAD_S
        and stamps.utc.tobytes() == times.tobytes()
    ):
        return Readings(
            meter=frame.meter,
            start=frame.start,
            end=frame.end,
            times=times,
            registers=registers,
            missing=dict.fromkeys(registers, _nothing_missing(len(times))),
            status=rows.status,
            clock_status=stamps.clock_status,
            findings=findings,
        )
    window = Window(
        first=int(times[0]),
        last=int(times[-1]),
        timezone=frame.timezone,
        sign_reversed=frame.sign_reversed,
        period_s=-layout.period_s if layout.sort_method == LIFO else layout.period_s,
    )
    stamps = stamps or settled_stamps(rows, window)
    return _Placing(rows=rows, registers=registers, stamps=stamps, frame=frame, layout=layout).readings(findings)


@lru_cache(maxsize=64)
def _nothing_missing(size: int) -> Bytes8:
    nothing = np.zeros(size, np.uint8)
    nothing.flags.writeable = False
    return nothing


def _in_wh(name: str, values: Registers, multiplier: int) -> Registers:
    if multiplier == 1 or not len(values):
        return values
    if int(values.max()) > MAX_REGISTER_WH // multiplier:
        raise WireError("bad-register", f"a value of {name} is beyond 63 bits in Wh")
    return values * multiplier


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placing:
    """Rows that need sorting out."""

    rows: Rows
    registers: Mapping[str, Registers]
    stamps: Stamps
    frame: Frame
    layout: Layout
    found: list[Finding] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)

    def readings(self, findings: tuple[Finding, ...]) -> Readings:
        """The readings, with a reason for every quarter that is not there."""
        times = self.frame.times
        places, quarters = self._on_grid(times)
        kept, first = np.unique(quarters, return_index=True)
        sources = places[first]
        conflicts = self._repeated(places, quarters, sources, kept, times)
        reasons = self._reasons(times)
        registers: dict[str, Registers] = {}
        missing: dict[str, Bytes8] = {}
        for name in self.frame.channels:
            registers[name], missing[name] = self._channel(name, kept, sources, reasons, conflicts)
        status, clock_status = np.zeros(len(times), np.uint8), np.full(len(times), CLOCK_NOT_SPECIFIED, np.uint8)
        if self.rows.status is not None:
            status[kept] = self.rows.status[sources]
        clock_status[kept] = self.stamps.clock_status[sources]
        self._remark(times[kept], clock_status[kept])
        return Readings(
            meter=self.frame.meter,
            start=self.frame.start,
            end=self.frame.end,
            times=times,
            registers=registers,
            missing=missing,
            status=status,
            clock_status=clock_status,
            findings=(*findings, *self.stamps.findings, *self.found),
            beside=tuple(self.beside),
        )

    def _add(self, code: str, moments: Times, reason: str) -> None:
        self.found.append(Finding(code=code, start=int(moments.min()), end=int(moments.max()), reason=reason))

    def _on_grid(self, times: Times) -> tuple[Places, Places]:
        """The rows that lie on a quarter end of these days, in buffer order, and which quarter that is."""
        utc = self.stamps.utc
        inside = np.flatnonzero(self.stamps.known & (utc >= times[0]) & (utc <= times[-1]))
        quarters = np.searchsorted(times, utc[inside])
        on_grid = times[quarters] == utc[inside]
        beside = inside[~on_grid]
        if len(beside):
            self._add("off-grid", utc[beside], f"{len(beside)} rows lie beside the quarter ends")
            self.beside.extend(self._as_it_came(int(row)) for row in beside[np.argsort(utc[beside], kind="stable")])
        return inside[on_grid], quarters[on_grid]

    def _as_it_came(self, row: int) -> Beside:
        absent = self.rows.absent
        there = {name: column for name, column in self.registers.items() if name not in absent or not absent[name][row]}
        return Beside(
            time=int(self.stamps.utc[row]),
            registers={name: int(column[row]) for name, column in there.items()},
            status=0 if self.rows.status is None else int(self.rows.status[row]),
            clock_status=int(self.stamps.clock_status[row]),
        )

    def _repeated(self, places: Places, quarters: Places, sources: Places, kept: Places, times: Times) -> Places:
        """The quarters for which rows with different registers came; the same row sent again is only remarked."""
        if len(kept) == len(quarters):
            return kept[:0]
        original = sources[np.searchsorted(kept, quarters)]
        again = original != places
        differs = np.zeros(len(places), np.bool_)
        for name, values in self.registers.items():
            differs |= values[places] != values[original]
            gone: Flags | None = self.rows.absent.get(name)
            if gone is not None:
                differs |= gone[places] != gone[original]
        same = quarters[again & ~differs]
        if len(same):
            self._add("duplicate-row", times[same], f"{len(same)} rows came more than once, with the same registers")
        conflicts = np.unique(quarters[differs])
        if len(conflicts):
            reason = f"{len(conflicts)} quarters have rows with different registers"
            self._add("conflicting-rows", times[conflicts], reason)
        return conflicts

    def _reasons(self, times: Times) -> Bytes8:
        """Why each quarter would be missing, if it is."""
        reasons = np.full(len(times), Missing.NOT_IN_BUFFER, np.uint8)
        period_s = self.layout.period_s
        oldest = int(self.frame.now) // period_s * period_s - (self.layout.entries - 1) * period_s
        reasons[times < oldest] = Missing.BEYOND_BUFFER
        for first, last in self.stamps.unplaced:
            low, high = np.searchsorted(times, first), np.searchsorted(times, last, side="right")
            reasons[low:high] = Missing.UNPLACEABLE
        reasons[times > self.frame.now] = Missing.NOT_YET
        return reasons

    def _channel(
        self, name: str, kept: Places, sources: Places, reasons: Bytes8, conflicts: Places
    ) -> tuple[Registers, Bytes8]:
        column = np.zeros(len(reasons), np.int64)
        missing = reasons.copy()
        values = self.registers.get(name)
        if values is None:
            return column, missing
        column[kept] = values[sources]
        missing[kept] = Missing.PRESENT
        gone = self.rows.absent.get(name)
        if gone is not None:
            missing[kept[gone[sources]]] = Missing.NULL_DATA
        missing[conflicts] = Missing.CONFLICT
        column[missing != Missing.PRESENT] = 0
        return column, missing

    def _remark(self, moments: Times, clock_status: Bytes8) -> None:
        doubtful = troubled(clock_status)
        if bool(doubtful.any()):
            self._add("clock-invalid", moments[doubtful], f"{int(doubtful.sum())} stamps say that they may be wrong")
        ahead = moments > self.frame.now + AHEAD_S
        if bool(ahead.any()):
            self._add("future-row", moments[ahead], f"{int(ahead.sum())} rows are stamped later than now")
