"""Twelve bytes of local time become a moment in UTC, for whole columns at once (Blue Book 4.1.6.1, date_time).

With a deviation given, UTC is local time plus deviation (CET -60, CEST -120) and there is nothing to decide. Without one the
time zone says which moments a stamp may mean; in the hour that clocks repeat in autumn there are two. Then the daylight
saving bit of the clock status decides, else that of the AMR status, each only if it is right about every row whose moment is
certain; else the order of the rows, if only one order of moments is possible. What that does not settle stays unsettled and
is reported: a guess would move energy by an hour.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from kwartier.clock import DAY_S, FIRST_YEAR, LAST_YEAR, offsets, stretches
from kwartier.cosem.order import Candidates, settle_by_order
from kwartier.cosem.rows import STAMP_BYTES, Flags, Rows
from kwartier.cosem.status import (
    AMR_DAYLIGHT_SAVING,
    CLOCK_DAYLIGHT_SAVING,
    CLOCK_NOT_SPECIFIED,
    CLOCK_TROUBLE,
)
from kwartier.dlms.stamps import MAX_DEVIATION_MIN, MIN_DEVIATION_MIN, NO_DEVIATION, NONE
from kwartier.model import Bytes8, Finding, Times

MAX_REMEMBERED = 32
"""Clock columns whose meaning is remembered: a fleet's meters stamp the same quarters."""
MAX_REMEMBERED_ROWS = 1024
MARGIN_S = 2 * DAY_S
"""How far beyond the window stamps without a deviation are still told apart."""
_EPOCH_DAY = 719_468
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is looked at: moments from ``first`` to ``last`` (UTC seconds), in a time zone."""

    first: int
    last: int
    timezone: str
    sign_reversed: bool = False
    """The quirk: deviations are written as local minus UTC."""
    period_s: int = 900
    """Seconds from a row to the one behind it that has no stamp of its own; below zero where the newest row comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """The moments of a buffer's rows. ``utc`` means something where ``known`` is set."""

    utc: Times
    known: Flags
    clock_status: Bytes8
    plain: bool = False
    """Every moment is known, and no clock status says that its stamp may be wrong."""
    unplaced: tuple[tuple[int, int], ...] = ()
    """Spans (UTC seconds, both ends included) in which rows lie that could not be placed."""
    findings: tuple[Finding, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fields:
    local: Ints
    """Seconds since 1970 as a local clock counts them."""
    deviation_s: Ints
    given: Flags
    valid: Flags
    status: Bytes8


def certain_stamps(rows: Rows, timezone: str, sign_reversed: bool) -> Stamps | None:
    """The moments of ``rows`` if all of them say so themselves, with a deviation that this zone can have; else None."""
    if rows.stamped is not None or rows.size > MAX_REMEMBERED_ROWS:
        return None
    return _certain(rows.clock, timezone, sign_reversed)


@lru_cache(maxsize=MAX_REMEMBERED)
def _certain(clock: bytes, timezone: str, sign_reversed: bool) -> Stamps | None:
    """The moments of stamps that all carry a believable deviation; None if one does not."""
    fields = _fields(clock, sign_reversed)
    if not bool((fields.given & fields.valid).all()) or bool(_opposite(fields, timezone).any()):
        return None
    utc = fields.local + fields.deviation_s
    known = np.ones(len(utc), np.bool_)
    for column in (utc, known, fields.status):
        column.flags.writeable = False
    return Stamps(utc=utc, known=known, clock_status=fields.status, plain=not bool(troubled(fields.status).any()))


def troubled(status: Bytes8) -> Flags:
    """Where a clock status says that its stamp may be wrong."""
    found: Flags = (status != CLOCK_NOT_SPECIFIED) & (status & CLOCK_TROUBLE != 0)
    return found


def _fields(clock: bytes, sign_reversed: bool) -> _Fields:
    octets = np.frombuffer(clock, np.uint8).reshape(-1, STAMP_BYTES).astype(np.int64)
    year = octets[:, 0] * 256 + octets[:, 1]
    month, day = octets[:, 2], octets[:, 3]
    hour, minute = octets[:, 5], octets[:, 6]
    second = np.where(octets[:, 7] == NONE, 0, octets[:, 7])
    deviation = ((octets[:, 9] * 256 + octets[:, 10]) ^ 0x8000) - 0x8000
    minutes = -deviation if sign_reversed else deviation
    in_year = (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last_day = _MONTH_DAYS[np.where(in_year, month, 0)] + (leap & (month == 2))
    given = deviation != NO_DEVIATION
    valid = (
        in_year
        & (day >= 1)
        & (day <= last_day)
        & (hour <= 23)
        & (minute <= 59)
        & (second <= 59)
        & (~given | (minutes >= MIN_DEVIATION_MIN) & (minutes <= MAX_DEVIATION_MIN))
    )
    # Days since 1970 with years that begin in March, so that the leap day comes last.
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _EPOCH_DAY
    return _Fields(
        local=days * DAY_S + hour * 3600 + minute * 60 + second,
        deviation_s=minutes * 60,
        given=given,
        valid=valid,
        status=octets[:, 11].astype(np.uint8),
    )


def _opposite(fields: _Fields, timezone: str) -> Flags:
    """Where a deviation is what this zone would have with the opposite sign, and not what it has."""
    usable = fields.given & fields.valid
    if not bool(usable.any()):
        return usable
    first = int(fields.local[usable].min()) // (366 * DAY_S) + 1970
    here = np.array(sorted(offsets(timezone, min(max(first, FIRST_YEAR), LAST_YEAR))), np.int64)
    return usable & np.isin(fields.deviation_s, here) & ~np.isin(-fields.deviation_s, here)


def settled_stamps(rows: Rows, window: Window) -> Stamps:
    """The moments of ``rows``; what could not be settled is in the findings."""
    fields = _fields(rows.clock, window.sign_reversed)
    opposite = _opposite(fields, window.timezone)
    stamped = np.arange(rows.size, dtype=np.int64) if rows.stamped is None else rows.stamped
    exact = fields.given & fields.valid & ~opposite
    following = np.diff(stamped, append=rows.size) - 1
    found = _candidates(fields, window, int(following.max(initial=0)) * abs(window.period_s))
    found.low[exact] = found.high[exact] = (fields.local + fields.deviation_s)[exact]
    found.count[exact] = 1
    if bool((found.count == 2).any()):
        amr = None if rows.status is None else rows.status[stamped]
        _settle_by_bit(found, fields.status != CLOCK_NOT_SPECIFIED, fields.status & CLOCK_DAYLIGHT_SAVING != 0)
        if amr is not None:
            _settle_by_bit(found, np.ones(len(amr), np.bool_), amr & AMR_DAYLIGHT_SAVING != 0)
        settle_by_order(found, following * abs(window.period_s))
    return _expanded(rows, stamped, fields, found, opposite, window)


def _candidates(fields: _Fields, window: Window, reach_s: int) -> Candidates:
    """Which moments each stamp without a deviation may mean. Those far from the window get none and are of no interest.

    ``reach_s``: how far from a stamp a row may lie that counts from it.
    """
    size = len(fields.local)
    found = Candidates(
        low=np.zeros(size, np.int64),
        high=np.zeros(size, np.int64),
        count=np.zeros(size, np.int64),
        low_summer=np.zeros(size, np.bool_),
        by_zone=np.zeros(size, np.bool_),
    )
    wanted = fields.valid & ~fields.given
    if not bool(wanted.any()):
        return found
    margin_s = MARGIN_S + reach_s
    zone = stretches(window.timezone, window.first - margin_s, window.last + margin_s)
    summer = max(stretch.offset_s for stretch in zone)
    for stretch in zone:
        moment = fields.local - stretch.offset_s
        # The moment of a change counts under both its names: it ends a quarter by the old and begins one by the new.
        possible = wanted & (moment >= stretch.start) & (moment <= stretch.stop)
        fresh = possible & (found.count == 0)
        found.low[fresh] = found.high[fresh] = moment[fresh]
        found.low_summer[fresh] = stretch.offset_s == summer
        again = possible & (found.count == 1)
        found.high[again] = moment[again]
        found.count[possible] += 1
        found.by_zone |= possible
    return found


def _settle_by_bit(found: Candidates, says: Flags, summer: Flags) -> None:
    """Let a daylight saving bit choose, unless it is wrong about a row whose moment is certain.

    ``says``: where the bit is there. Summer time is the earlier moment of the two.
    """
    sure = (found.count == 1) & says & found.by_zone
    if bool((sure & (found.low_summer != summer)).any()):
        return
    open_rows = (found.count == 2) & says
    found.high[open_rows & summer] = found.low[open_rows & summer]
    found.low[open_rows & ~summer] = found.high[open_rows & ~summer]
    found.low_summer[open_rows & ~summer] = False
    found.count[open_rows] = 1


def _expanded(rows: Rows, stamped: Ints, fields: _Fields, found: Candidates, opposite: Flags, window: Window) -> Stamps:
    known = found.count == 1
    utc, status, rows_known = found.low, fields.status, known
    if rows.stamped is not None:
        anchor = np.searchsorted(stamped, np.arange(rows.size), side="right") - 1
        steps = (np.arange(rows.size) - stamped[anchor]) * window.period_s
        utc, status, rows_known = utc[anchor] + steps, status[anchor], known[anchor]
    findings, unplaced = _unplaced(stamped, rows.size, fields, found, opposite, window)
    return Stamps(
        utc=utc,
        known=rows_known,
        clock_status=status,
        unplaced=unplaced,
        findings=findings,
    )


def _unplaced(
    stamped: Ints, count: int, fields: _Fields, found: Candidates, opposite: Flags, window: Window
) -> tuple[tuple[Finding, ...], tuple[tuple[int, int], ...]]:
    """What to say about stamps that name no moment, and where their rows may lie."""
    length = (np.diff(stamped, append=count) - 1) * window.period_s
    findings: list[Finding] = []
    spans: list[tuple[int, int]] = []
    oldest, newest = found.low + np.minimum(length, 0), found.high + np.maximum(length, 0)
    ambiguous = (found.count == 2) & (newest >= window.first) & (oldest <= window.last)
    if bool(ambiguous.any()):
        for moments in (found.low, found.high):
            ends = moments + length
            spans += zip(
                np.minimum(moments, ends)[ambiguous].tolist(),
                np.maximum(moments, ends)[ambiguous].tolist(),
                strict=True,
            )
        reason = f"{int(ambiguous.sum())} stamps in the hour that is repeated, and nothing says which time"
        start, end = int(oldest[ambiguous].min()), int(newest[ambiguous].max())
        findings.append(Finding(code="ambiguous-hour", start=start, end=end, reason=reason))
    lost = (
        ("bad-stamp", ~fields.valid, "name no moment"),
        ("deviation-sign", opposite, "carry a deviation of the opposite sign"),
        ("nonexistent-hour", _skipped(fields, found, window), "lie in the hour that is skipped"),
    )
    for code, rows, what in lost:
        if bool(rows.any()):
            around = _around(rows, found, window)
            spans += around
            start, end = min(span[0] for span in around), max(span[1] for span in around)
            findings.append(Finding(code=code, start=start, end=end, reason=f"{int(rows.sum())} stamps {what}"))
    return tuple(findings), tuple(spans)


def _skipped(fields: _Fields, found: Candidates, window: Window) -> Flags:
    """Stamps near the window that no moment bears."""
    near = (fields.local >= window.first - DAY_S) & (fields.local <= window.last + DAY_S)
    skipped: Flags = fields.valid & ~fields.given & near & (found.count == 0)
    return skipped


def _around(lost: Flags, found: Candidates, window: Window) -> list[tuple[int, int]]:
    """For each lost row the span between the known moments before and after it in the buffer."""
    places = np.flatnonzero(found.count == 1)
    moments = found.low[places]
    spans = set()
    for row in np.flatnonzero(lost).tolist():
        at = int(np.searchsorted(places, row))
        before = int(moments[at - 1]) if at else window.first
        after = int(moments[at]) if at < len(places) else window.last
        spans.add((min(before, after), max(before, after)))
    return sorted(spans)
