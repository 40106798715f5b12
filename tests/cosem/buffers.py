"""Buffers as a meter would write them, for any days, in any of the ways in which clocks are written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from types import MappingProxyType

from kwartier import clock
from kwartier.cosem.access import CaptureObject
from kwartier.cosem.layout import CLOCK, STATUS, Layout
from kwartier.cosem.profile import Frame
from kwartier.dlms import axdr
from kwartier.dlms.axdr import Data
from kwartier.dlms.stamps import DateTime

AMSTERDAM = "Europe/Amsterdam"
IMPORT, EXPORT = "import_wh", "export_wh"
SUMMER = 0x80
LAYOUT = Layout(
    columns=(
        CaptureObject(class_id=8, obis=bytes((0, 0, 1, 0, 0, 255)), attribute=2),
        CaptureObject(class_id=1, obis=bytes((0, 0, 96, 10, 2, 255)), attribute=2),
        CaptureObject(class_id=3, obis=bytes((1, 0, 1, 8, 0, 255)), attribute=2),
        CaptureObject(class_id=3, obis=bytes((1, 0, 2, 8, 0, 255)), attribute=2),
    ),
    roles=(CLOCK, STATUS, IMPORT, EXPORT),
    period_s=900,
    entries=960,
    multipliers=MappingProxyType({IMPORT: 1, EXPORT: 1}),
)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row before it is written. ``at`` is UTC; what the clock shows of it is :class:`Writing`'s business."""

    at: int
    import_wh: int = 0
    export_wh: int = 0
    amr: int = 0
    stamp: DateTime | None = None


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How a meter writes the moment of a row."""

    deviation: bool = True
    bit7: bool = True
    """The clock status tells of summer time; else the byte is 0, or not specified."""
    amr3: bool = True
    specified: bool = True
    reversed_sign: bool = False
    nulls: bool = False
    old_name: bool = False
    """The moment of a change is named by the old clock."""

    def stamp(self, at: int, timezone: str = AMSTERDAM) -> DateTime:
        offset_s = clock.offset_at(timezone, at - 1 if self.old_name else at)
        summer = clock.is_summer(timezone, at - 1 if self.old_name else at)
        made = DateTime.of_utc(at, offset_s, daylight_saving=summer and self.bit7, deviation=self.deviation)
        if not self.specified:
            made = replace(made, clock_status=0xFF)
        if self.reversed_sign and self.deviation:
            made = replace(made, deviation_min=-made.deviation_min)
        return made

    def row(self, row: Row, *, first: bool, timezone: str = AMSTERDAM) -> Data:
        stamp = row.stamp or self.stamp(row.at, timezone)
        summer = clock.is_summer(timezone, row.at - 1 if self.old_name else row.at)
        status = row.amr | (0x08 if self.amr3 and summer else 0)
        written = axdr.NULL if self.nulls and not first and row.stamp is None else axdr.octets(stamp.encode())
        return axdr.structure(written, axdr.u8(status), axdr.u32(row.import_wh), axdr.u32(row.export_wh))

    def buffer(self, rows: Iterable[Row], timezone: str = AMSTERDAM) -> bytes:
        made = [self.row(row, first=not number, timezone=timezone) for number, row in enumerate(rows)]
        return axdr.encode(axdr.array(*made))


def rows_of(times: Iterable[int], wh: Callable[[int], int] = lambda n: 1000 + 7 * n) -> list[Row]:
    """A row for each moment, with registers that tell where it stood."""
    return [Row(at=int(at), import_wh=wh(n), export_wh=2 * wh(n)) for n, at in enumerate(times)]


def frame_of(start: date, end: date, *, now: float | None = None, sign_reversed: bool = False) -> Frame:
    """What is wanted of these days, once they are over."""
    made = Frame(
        meter="m-1",
        start=start,
        end=end,
        timezone=AMSTERDAM,
        now=0.0,
        channels=(IMPORT, EXPORT),
        sign_reversed=sign_reversed,
    )
    return replace(made, now=float(made.times[-1]) + 3600 if now is None else now)
