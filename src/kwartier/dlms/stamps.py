"""COSEM date-times: twelve bytes of which any may be unspecified (Blue Book 4.1.6.1).

Year (two bytes), month, day, weekday, hour, minute, second, hundredths, deviation (two bytes, signed minutes), clock status.
The deviation is what has to be *added to local time to get UTC*: CET is -60, CEST -120. Some meters write the opposite, which
is a quirk of theirs. :class:`DateTime` keeps whatever was sent, also what no calendar knows, so that it can be shown; only
:meth:`DateTime.utc_seconds`, which gives it a meaning, refuses what has none.
"""

from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, datetime

from kwartier.errors import WireError

DATE_TIME_BYTES = 12
DATE_BYTES = 5
TIME_BYTES = 4
NO_YEAR = 0xFFFF
NONE = 0xFF
NO_DEVIATION = -0x8000
MAX_DEVIATION_MIN = 720
"""Green Book: -720 to +840 minutes; beyond it a deviation means nothing."""
MIN_DEVIATION_MIN = -840
DAYLIGHT_SAVING = 0x80
_MONTHS = {0xFD: "dst-end", 0xFE: "dst-begin"}
_DAYS = {0xFD: "second-last", 0xFE: "last"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DateTime:
    """The parts as numbers of the wire; 0xFFFF, 0xFF and -0x8000 stand for *not specified*."""

    year: int = NO_YEAR
    month: int = NONE
    day: int = NONE
    weekday: int = NONE
    """1 is Monday."""
    hour: int = NONE
    minute: int = NONE
    second: int = NONE
    hundredths: int = NONE
    deviation_min: int = NO_DEVIATION
    clock_status: int = NONE

    @classmethod
    def decode(cls, data: bytes) -> "DateTime":
        """Twelve bytes, of any content."""
        if len(data) != DATE_TIME_BYTES:
            raise WireError("bad-date-time", f"a date-time of {len(data)} bytes, {DATE_TIME_BYTES} needed")
        return cls(
            year=data[0] << 8 | data[1],
            month=data[2],
            day=data[3],
            weekday=data[4],
            hour=data[5],
            minute=data[6],
            second=data[7],
            hundredths=data[8],
            deviation_min=int.from_bytes(data[9:11], "big", signed=True),
            clock_status=data[11],
        )

    def encode(self) -> bytes:
        """The twelve bytes."""
        parts = (self.month, self.day, self.weekday, self.hour, self.minute, self.second, self.hundredths)
        deviation = self.deviation_min.to_bytes(2, "big", signed=True)
        return self.year.to_bytes(2, "big") + bytes(parts) + deviation + bytes((self.clock_status,))

    @classmethod
    def of_utc(cls, utc: int, offset_s: int, *, daylight_saving: bool, deviation: bool = True) -> "DateTime":
        """The stamp of ``utc`` (seconds) on a clock that is ``offset_s`` ahead of UTC."""
        local = datetime.fromtimestamp(utc + offset_s, UTC)
        return cls(
            year=local.year,
            month=local.month,
            day=local.day,
            weekday=local.isoweekday(),
            hour=local.hour,
            minute=local.minute,
            second=local.second,
            hundredths=0,
            deviation_min=-offset_s // 60 if deviation else NO_DEVIATION,
            clock_status=DAYLIGHT_SAVING if daylight_saving else 0,
        )

    def local_seconds(self) -> int:
        """What the clock showed, as if it showed UTC. Raises ``WireError`` bad-date-time where no calendar has it."""
        second = 0 if self.second == NONE else self.second
        try:
            local = datetime(self.year, self.month, self.day, self.hour, self.minute, second)
        except ValueError:
            raise WireError("bad-date-time", f"the stamp {self} is no moment of any calendar") from None
        return timegm(local.timetuple())

    def utc_seconds(self, *, deviation_reversed: bool = False) -> int | None:
        """The moment in UTC seconds, or None where the deviation is not specified.

        ``deviation_reversed``: this kind of meter writes local minus UTC. Raises ``WireError`` bad-date-time for what no
        calendar has, and for a deviation beyond any time zone.
        """
        local = self.local_seconds()
        if self.deviation_min == NO_DEVIATION:
            return None
        minutes = -self.deviation_min if deviation_reversed else self.deviation_min
        if not MIN_DEVIATION_MIN <= minutes <= MAX_DEVIATION_MIN:
            raise WireError("bad-date-time", f"a deviation of {self.deviation_min} minutes")
        return local + 60 * minutes

    def __str__(self) -> str:
        year = "????" if self.year == NO_YEAR else f"{self.year:04d}"
        when = f"{year}-{_part(self.month, _MONTHS)}-{_part(self.day, _DAYS)}"
        time = ":".join(_part(part, {}) for part in (self.hour, self.minute, self.second))
        if self.deviation_min == NO_DEVIATION:
            return f"{when} {time}"
        hours, minutes = divmod(abs(self.deviation_min), 60)
        return f"{when} {time}{'-' if self.deviation_min > 0 else '+'}{hours:02d}:{minutes:02d}"


def _part(value: int, special: dict[int, str]) -> str:
    return special.get(value, "??" if value == NONE else f"{value:02d}")


def date_of(data: bytes) -> DateTime:
    """A COSEM date (five bytes) as a date-time whose time is not specified."""
    if len(data) != DATE_BYTES:
        raise WireError("bad-date-time", f"a date of {len(data)} bytes, {DATE_BYTES} needed")
    return DateTime(year=data[0] << 8 | data[1], month=data[2], day=data[3], weekday=data[4])


def time_of(data: bytes) -> DateTime:
    """A COSEM time (four bytes) as a date-time whose date is not specified."""
    if len(data) != TIME_BYTES:
        raise WireError("bad-date-time", f"a time of {len(data)} bytes, {TIME_BYTES} needed")
    return DateTime(hour=data[0], minute=data[1], second=data[2], hundredths=data[3])
