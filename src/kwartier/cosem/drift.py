"""What a meter's clock says, and how far it is from ours."""

from collections.abc import Callable, Generator
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


def read_drift(
    companion: Companion, timezone: str, now: Callable[[], float]
) -> Generator[Operation, Reply, float | None]:
    """How far the meter's clock is ahead, at the middle of the round trip; None where it does not say."""
    asked_at = now()
    ask = Get(
        class_id=companion.clock.class_id, obis=companion.clock.obis, attribute=CLOCK_TIME, max_bytes=MAX_SHORT_BYTES
    )
    value = yield from get(ask, No())
    if value is None:
        return None
    answered_at = now()
    shown = clock_time(value, companion, timezone)
    return None if shown is None else shown - (asked_at + answered_at) / 2


def clock_time(value: bytes, companion: Companion, timezone: str) -> float | None:
    """What a clock's attribute 2 says, in UTC seconds. Raises ``WireError`` bad-date-time.

    Without a deviation the time is taken to be local; in the repeated hour the clock status says which, and where it is not
    specified either, nothing does: None.
    """
    header = 2 if value.startswith(_OCTET_STRING) else 1 if value.startswith(_DATE_TIME) else 0
    end = header + DATE_TIME_BYTES
    stray = len(value) - end
    if not header or stray < 0 or (stray and Quirk.TRAILING_BYTES_ON_CLOCK not in companion.quirks):
        raise WireError("bad-date-time", f"a clock's time of {len(value)} bytes")
    stamp = DateTime.decode(value[header:end])
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
