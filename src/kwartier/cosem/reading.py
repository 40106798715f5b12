"""Reading the quarters of some days: what is asked of a meter, one question at a time.

The plan is a generator: it yields operations and is sent the events that answer them, so it knows no line and no clock. A
meter that is new is first asked what its profile holds; that layout is given back, to be stored. Then one request by range
brings the rows, of the needed columns only. Where the meter refuses, the same question is put in other ways, from the most
sparing to the whole buffer, and the way that worked is remembered in the layout.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from kwartier.clock import QUARTER_S, is_summer, offset_at, quarter_ends
from kwartier.cosem import access
from kwartier.cosem import layout as layouts
from kwartier.cosem.asking import MAX_SHORT_BYTES, PROFILE_GENERIC, No, Reply, get, profile_attribute, refused
from kwartier.cosem.companion import Companion
from kwartier.cosem.drift import read_drift
from kwartier.cosem.layout import IGNORED, LIFO, Asking, Layout
from kwartier.cosem.meeting import read_layout
from kwartier.cosem.profile import Frame, readings_of, shapes_of
from kwartier.cosem.quirks import Quirk
from kwartier.dlms.events import Get, Operation
from kwartier.dlms.stamps import DateTime
from kwartier.errors import InputError, WireError
from kwartier.model import Finding, Missing, Readings

BUFFER = 2
ENTRIES_IN_USE = 7
MAX_DAYS = 31
"""Days in one request: three times what the largest buffer holds."""
MAX_KEPT_BYTES = 16
"""A stamp or a register with its tag and length."""
MAX_OTHER_BYTES = 48
"""A column that is dropped on arrival."""
SPARE_ROWS = 64
"""Rows beside the quarters (outages, clock setting) that an answer may hold."""
MAX_QUESTIONS = 256
"""Questions that are remembered: one a layout and run of days."""
SLACK = 8
"""Entries asked for on either side, since the buffer need not hold exactly one a quarter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a visit brought: the readings, and what to remember of the meter."""

    readings: Readings
    layout: Layout
    drift_s: float | None = None
    """How far the meter's clock is ahead of ours; None: not asked, or not said."""


def read_quarters(
    companion: Companion,
    *,
    meter: str,
    start: date,
    end: date,
    timezone: str,
    now: Callable[[], float],
    known: Layout | None = None,
    clock: bool = False,
) -> Generator[Operation, Reply, Outcome]:
    """The plan that reads the quarter registers of the local days from ``start`` up to but not including ``end``.

    ``now`` gives UTC seconds. ``known`` is the layout of an earlier visit; without it the meter is asked first. ``clock``:
    ask for its time too; one that makes no sense is a finding. Raises ``InputError`` bad-day, and ``WireError`` where the
    meter refuses everything or answers with what cannot be understood. Rows that do not exist yet are not
    an error: they are missing, and say so.
    """
    if (end - start).days > MAX_DAYS:
        raise InputError("bad-day", f"{(end - start).days} days at once, {MAX_DAYS} is the most")
    quarter_ends(start, end, timezone)  # refuses days that make no sense before anything is asked
    drift_s, unread = (yield from ask_clock(companion, timezone, now)) if clock else (None, "")
    layout = (yield from read_layout(companion)) if known is None else known
    frame = frame_of(companion, meter, start, end, timezone, now())
    readings, asking = yield from read_rows(companion, layout, frame, remarks(layout, frame, unread))
    return Outcome(readings=readings, layout=layout.asked(asking), drift_s=drift_s)


def ask_clock(
    companion: Companion, timezone: str, now: Callable[[], float]
) -> Generator[Operation, Reply, tuple[float | None, str]]:
    """How far the meter's clock is ahead, and why that could not be read if it could not."""
    try:
        return (yield from read_drift(companion, timezone, now)), ""
    except WireError as error:
        # A clock that shows nonsense says nothing against the registers: their rows carry stamps of their own.
        if error.code != "bad-date-time":
            raise
        return None, error.detail


def frame_of(companion: Companion, meter: str, start: date, end: date, timezone: str, now: float) -> Frame:
    """Which readings are wanted of a meter of this kind."""
    return Frame(
        meter=meter,
        start=start,
        end=end,
        timezone=timezone,
        now=now,
        channels=companion.quarter.channel_names,
        sign_reversed=Quirk.DEVIATION_SIGN_REVERSED in companion.quirks,
    )


def remarks(layout: Layout, frame: Frame, unread_clock: str) -> tuple[Finding, ...]:
    """What is to be said of the layout itself, and of a clock that could not be read."""
    opening, closing = int(frame.times[0]), int(frame.times[-1])
    said = [("layout-assumed", f"the meter does not tell its {what}") for what in layout.assumed]
    lacking = [name for name in frame.channels if name not in layout.roles]
    said += [("channel-not-captured", f"the profile does not hold {name}") for name in lacking]
    if unread_clock:
        said.append(("clock-unreadable", unread_clock))
    return tuple(Finding(code=code, start=opening, end=closing, reason=reason) for code, reason in said)


def ways(companion: Companion, layout: Layout) -> tuple[Asking, ...]:
    """The ways to ask for rows, the best first: what worked before, then from the most sparing to the whole buffer."""
    quirks = companion.quirks
    first = companion.range_carries_deviation
    forms = [first] if quirks & {Quirk.RANGE_WITH_DEVIATION, Quirk.RANGE_WITHOUT_DEVIATION} else [first, not first]
    chosen = len(layout.needed()) < len(layout.columns) and Quirk.REFUSES_COLUMNS not in quirks
    possible = [layout.asking] if layout.asking is not None else []
    if Quirk.REFUSES_RANGE not in quirks:
        for deviation in forms:
            possible += [Asking("range", columns, deviation) for columns in ([True, False] if chosen else [False])]
    if Quirk.REFUSES_ENTRY not in quirks:
        possible += [Asking("entry", columns) for columns in ([True, False] if chosen else [False])]
    possible.append(Asking("whole"))
    return tuple(dict.fromkeys(possible))


def read_rows(
    companion: Companion,
    layout: Layout,
    frame: Frame,
    findings: tuple[Finding, ...],
    span: tuple[int, int] | None = None,
) -> Generator[Operation, Reply, tuple[Readings, Asking]]:
    """Ask for the rows in one way after the other, until one is answered.

    ``span``: the stamps (UTC seconds, both included) that are still wanted of the frame, where it is not all of them.
    """
    no = No()
    span = span or (int(frame.times[0]), int(frame.times[-1]))
    passing = False
    for asking in _attempts(companion, layout):
        if asking.method == "entry":
            readings = yield from _by_entry(companion, layout, frame, findings, asking, no)
        else:
            obis, asked = companion.quarter.obis, layout.needed() if asking.columns else None
            if asking.method == "range":
                question = _by_range(obis, layout, asking, *span, frame.timezone, frame.sign_reversed)
            else:
                question = _buffer(obis, layout, None, asked, layout.entries + SPARE_ROWS)
            value = yield from get(question, no)
            shapes = shapes_of(layout, asked)
            readings = None if value is None else readings_of(value, layout, frame, shapes=shapes, findings=findings)
        if readings is not None:
            # A way that failed on a passing fault may be the best the next time.
            return readings, layout.asking if passing and layout.asking is not None else asking
        passing = passing or no.passing
    raise refused(companion, BUFFER, no)


def _attempts(companion: Companion, layout: Layout) -> Iterator[Asking]:
    """What worked before, and only if it fails now whatever else there is."""
    if layout.asking is not None:
        yield layout.asking
    yield from (asking for asking in ways(companion, layout) if asking != layout.asking)


@lru_cache(maxsize=MAX_QUESTIONS)
def _by_range(
    obis: bytes, layout: Layout, asking: Asking, first: int, last: int, timezone: str, sign_reversed: bool
) -> Get:
    """From ``first`` to ``last``, both included. Columns are named in capture order, so that no meter's order can differ.

    The question is the same for all meters of a kind in a night, so it is built once.
    """
    asked = layout.needed() if asking.columns else None
    selected = access.Range(
        by=layout.columns[layout.clock_column],
        start=_stamp(first, timezone, asking.deviation, sign_reversed),
        end=_stamp(last, timezone, asking.deviation, sign_reversed),
        columns=() if asked is None else tuple(layout.columns[place] for place in asked),
    )
    return _buffer(obis, layout, selected, asked, 2 * ((last - first) // QUARTER_S + 1) + SPARE_ROWS)


def _stamp(utc: int, timezone: str, deviation: bool, sign_reversed: bool) -> bytes:
    summer = is_summer(timezone, utc)
    stamp = DateTime.of_utc(utc, offset_at(timezone, utc), daylight_saving=summer, deviation=deviation)
    if deviation and sign_reversed:
        stamp = replace(stamp, deviation_min=-stamp.deviation_min)
    return stamp.encode()


def _by_entry(
    companion: Companion, layout: Layout, frame: Frame, findings: tuple[Finding, ...], asking: Asking, no: No
) -> Generator[Operation, Reply, Readings | None]:
    """Ask for entries by number: those where the quarters should be, and all of them if some are not found there."""
    value = yield from get(profile_attribute(companion, ENTRIES_IN_USE), no)
    in_use = layout.entries if value is None else layouts.whole_number(value, "entries_in_use")
    in_use = min(in_use, layout.entries) or 1
    asked = None
    if asking.columns:
        needed = layout.needed()
        asked = tuple(range(needed[0], needed[-1] + 1))
    for first, last in _entries(layout, frame, in_use):
        entries = access.Entries(
            first=first,
            last=last,
            first_column=asked[0] + 1 if asked else 1,
            last_column=asked[-1] + 1 if asked else 0,
        )
        value = yield from get(
            _buffer(companion.quarter.obis, layout, entries, asked, last - first + 1 + SPARE_ROWS), no
        )
        if value is None:
            return None
        readings = readings_of(value, layout, frame, shapes=shapes_of(layout, asked), findings=findings)
        if not _lacks(readings):
            break
    return readings


def _entries(layout: Layout, frame: Frame, in_use: int) -> tuple[tuple[int, int], ...]:
    """First and last entry (from 1) where the quarters should lie, counted from the newest; then all entries."""
    newest = int(frame.now) // layout.period_s
    oldest_back = newest - int(frame.times[0]) // layout.period_s + SLACK
    newest_back = newest - int(frame.times[-1]) // layout.period_s - SLACK
    if layout.sort_method == LIFO:
        first, last = newest_back + 1, oldest_back + 1
    else:
        first, last = in_use - oldest_back, in_use - newest_back
    everything = (1, in_use)
    likely = (min(max(first, 1), in_use), max(min(last, in_use), 1))
    return (everything,) if likely == everything else (likely, everything)


def _lacks(readings: Readings) -> bool:
    gone = (Missing.NOT_IN_BUFFER, Missing.UNPLACEABLE, Missing.BEYOND_BUFFER)
    return any(bool((column == reason).any()) for column in readings.missing.values() for reason in gone)


def _buffer(
    obis: bytes,
    layout: Layout,
    selected: access.Range | access.Entries | None,
    asked: tuple[int, ...] | None,
    rows: int,
) -> Get:
    columns = [layout.roles[place] for place in asked] if asked is not None else list(layout.roles)
    row_bytes = 4 + sum(MAX_OTHER_BYTES if role == IGNORED else MAX_KEPT_BYTES for role in columns)
    most = min(rows, layout.entries + SPARE_ROWS)
    return Get(
        class_id=PROFILE_GENERIC,
        obis=obis,
        attribute=BUFFER,
        access=None if selected is None else access.encode(selected),
        max_bytes=MAX_SHORT_BYTES + most * row_bytes,
    )
