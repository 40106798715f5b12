"""What a meter's clock says, and how far it is from ours."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime

from kwartier.clock import FIRST_YEAR, LAST_YEAR, candidates
from kwartier.cosem.asking import MAX_SHORT_BYTES, No, Reply, get
from kwartier.cosem.companion import Companion
from kwartier.cosem.quirks import Quirk
from kwartier.cosem.status import CLOCK_NOT_SPECIFIED
from kwartier.dlms.events import Get, Operation
from kwartier.dlms.stamps import DATE_TIME_BYTES, DAYLIGHT_SAVING, DateTime
from kwartier.errors import WireError

CLOCK_TIME = 2
_OCTET_STRING = bytes((9, DATE_TIME_BYTES))
_DATE_TIME = bytes((25,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a clock said: its own words, and how far they are from ours."""

    head: bytes
    """How it writes a time: tag and length."""
    stamp: DateTime
    moment: float
    """The same in UTC seconds."""
    ahead_s: float
    doubt_s: float
    """Half of the round trip: the answer was given so much before or after the middle of it."""


def read_drift(
    companion: Companion, timezone: str, now: Callable[[], float]
) -> Generator[Operation, Reply, float | None]:
    """How far the meter's clock is ahead, at the middle of the round trip; None where it does not say."""
    shown = yield from read_clock(companion, timezone, now)
    return None if shown is None else shown.ahead_s


def read_clock(
    companion: Companion, timezone: str, now: Callable[[], float]
) -> Generator[Operation, Reply, Shown | None]:
    """What the meter's clock says; None where it says nothing. Raises ``WireError`` bad-date-time."""
    asked_at = now()
    ask = Get(
        class_id=companion.clock.class_id, obis=companion.clock.obis, attribute=CLOCK_TIME, max_bytes=MAX_SHORT_BYTES
    )
    value = yield from get(ask, No())
    if value is None:
        return None
    answered_at = now()
    head, stamp = _stamp_of(value, companion)
    moment = _moment_of(stamp, companion, timezone)
    if moment is None:
        return None
    return Shown(
        head=head,
        stamp=stamp,
        moment=moment,
        ahead_s=moment - (asked_at + answered_at) / 2,
        doubt_s=(answered_at - asked_at) / 2,
    )


def clock_time(value: bytes, companion: Companion, timezone: str) -> float | None:
    """What a clock's attribute 2 says, in UTC seconds. Raises ``WireError`` bad-date-time.

    Without a deviation the time is taken to be local; in the repeated hour the clock status says which, and where it is not
    specified either, nothing does: None.
    """
    return _moment_of(_stamp_of(value, companion)[1], companion, timezone)


def _stamp_of(value: bytes, companion: Companion) -> tuple[bytes, DateTime]:
    """A time as it is written: the head, and what follows it."""
    size = 2 if value.startswith(_OCTET_STRING) else 1 if value.startswith(_DATE_TIME) else 0
    end = size + DATE_TIME_BYTES
    stray = len(value) - end
    if not size or stray < 0 or (stray and Quirk.TRAILING_BYTES_ON_CLOCK not in companion.quirks):
        raise WireError("bad-date-time", f"a clock's time of {len(value)} bytes")
    return value[:size], DateTime.decode(value[size:end])


def _moment_of(stamp: DateTime, companion: Companion, timezone: str) -> float | None:
    hundredths = stamp.hundredths / 100 if stamp.hundredths < 100 else 0.0
    utc = stamp.utc_seconds(deviation_reversed=Quirk.DEVIATION_SIGN_REVERSED in companion.quirks)
    moment = _local_moment(stamp, timezone) if utc is None else utc
    return None if moment is None else hundredths + moment


def _local_moment(stamp: DateTime, timezone: str) -> int | None:
    if not FIRST_YEAR <= stamp.year <= LAST_YEAR:
        raise WireError("bad-date-time", f"the clock shows {stamp}")
    local = datetime.fromtimestamp(stamp.local_seconds(), UTC).replace(tzinfo=None)
    moments = candidates(local, timezone)
    if not moments:
        raise WireError("bad-date-time", f"the clock shows {stamp}, which {timezone} skips")
    if len(moments) > 1 and stamp.clock_status == CLOCK_NOT_SPECIFIED:
        return None
    return moments[0] if stamp.clock_status & DAYLIGHT_SAVING else moments[-1]
