"""All that a visit of a night is to bring: some stretches of days, each asked by one range, after a look at the clock.

The clock comes first, since a meter that is behind may not have closed its day yet: then the profile is not asked for. It
comes last, too, where policy says that it is to be set: by then the readings are here, whatever becomes of it. A
conversation that ends in the middle gives back what had come; the next one is told, and asks for the rest.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import date

from kwartier.clock import midnight
from kwartier.cosem.asking import Interrupted, Reply
from kwartier.cosem.clock_steps import BROKEN_S, ClockPolicy, Correction, broken_clock, see_to_clock
from kwartier.cosem.companion import Companion
from kwartier.cosem.layout import Layout
from kwartier.cosem.meeting import read_layout
from kwartier.cosem.partial import merged, salvaged, wanted_span
from kwartier.cosem.reading import ask_clock, frame_of, read_rows, remarks
from kwartier.dlms.events import Operation
from kwartier.model import Finding, Readings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Days that are wanted: from ``start`` up to but not including ``end``. ``have``: what an earlier visit got of them."""

    start: date
    end: date
    have: Readings | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """What a visit brought, also where it was cut off."""

    readings: tuple[Readings, ...] = field(default=(), repr=False)
    """Of each stretch that was answered in full."""
    rest: tuple[Stretch, ...] = ()
    """What is still wanted, with what came of it before the line broke."""
    layout: Layout | None = None
    drift_s: float | None = None
    too_early: bool = False
    """The meter's clock says that its last day is not closed yet, so nothing was asked."""
    clock: Correction | None = None
    """What became of a clock that was off by more than it may be."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is to be remarked about the rows, and of the clock."""
        found = tuple(finding for one in self.readings for finding in one.findings)
        return found if self.clock is None else (*found, self.clock.finding)

    @property
    def left_s(self) -> float | None:
        """How far the clock is ahead now that the visit is over, as far as is known."""
        return self.drift_s if self.clock is None or self.clock.after_s is None else self.clock.after_s

    @property
    def is_whole(self) -> bool:
        """Whether all readings came that were wanted."""
        return bool(self.readings) and not self.rest


def read_stretches(
    companion: Companion,
    *,
    meter: str,
    stretches: Sequence[Stretch],
    timezone: str,
    now: Callable[[], float],
    capture_delay_s: int,
    before_rows: Callable[[], None],
    known: Layout | None = None,
    clocks: ClockPolicy | None = None,
) -> Generator[Operation, Reply, Harvest]:
    """The plan of a night's visit. ``before_rows`` is called before the first question for personal data is put.

    ``clocks``: when the meter's clock is set; None: never. When the conversation ends in the middle (:class:`Interrupted`)
    what had come is the result. Raises ``WireError``.
    """
    layout, drift_s = known, None
    readings: list[Readings] = []
    at = 0
    partial: Stretch | None = None
    try:
        drift_s, unread = yield from ask_clock(companion, timezone, now)
        closing = midnight(stretches[-1].end, timezone)
        if drift_s is not None and now() + drift_s < closing + capture_delay_s:
            clock = broken_clock(now, drift_s) if -drift_s > BROKEN_S else None
            return Harvest(rest=tuple(stretches), layout=layout, drift_s=drift_s, too_early=True, clock=clock)
        if layout is None:
            layout = yield from read_layout(companion)
        before_rows()
        for stretch in stretches:
            frame = frame_of(companion, meter, stretch.start, stretch.end, timezone, now())
            span = None if stretch.have is None else wanted_span(stretch.have)
            try:
                found, asking = yield from read_rows(companion, layout, frame, remarks(layout, frame, unread), span)
            except Interrupted as broken:
                partial = _kept(stretch, salvaged(broken.partial, layout, frame))
                raise
            layout = layout.asked(asking)
            readings.append(found if stretch.have is None else merged(stretch.have, found))
            at += 1
    except Interrupted:
        rest = tuple(stretches[at:])
        if partial is not None:
            rest = (partial, *rest[1:])
        return Harvest(readings=tuple(readings), rest=rest, layout=layout, drift_s=drift_s)
    clock = yield from see_to_clock(companion, timezone, now, drift_s, clocks)
    return Harvest(readings=tuple(readings), layout=layout, drift_s=drift_s, clock=clock)


def _kept(stretch: Stretch, found: Readings | None) -> Stretch:
    if found is None:
        return stretch
    have = found if stretch.have is None else merged(stretch.have, found)
    return Stretch(start=stretch.start, end=stretch.end, have=have)
