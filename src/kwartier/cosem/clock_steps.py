"""Setting a meter's clock: only by policy, only after the readings, in steps that never cross a quarter.

A clock that is set across the end of a quarter ends that quarter twice, or never. So a step leaves it within the quarter that
it shows, wherever the order is on its way when it is carried out; what does not fit is left for another visit. A step goes
towards our time and not beyond it, is at most so long as the policy allows, and is written in the clock's own words: within
a quarter nothing but minute and second can change, so deviation and status go back as they came. Afterwards the clock is
looked at again, and whatever cannot be told for certain is said to be uncertain.

This is a plan like any other, and it never fails: with what it could not do the readings have nothing to do.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from math import floor

from kwartier.clock import QUARTER_S
from kwartier.cosem.asking import Interrupted, Reply
from kwartier.cosem.companion import Companion
from kwartier.cosem.drift import CLOCK_TIME, Shown, read_clock
from kwartier.cosem.status import CLOCK_NOT_SPECIFIED, CLOCK_TROUBLE
from kwartier.dlms.events import Answer, ExceptionReceived, Operation, Refusal, Set
from kwartier.dlms.stamps import NONE
from kwartier.errors import WireError
from kwartier.model import Finding

CORRECTED = "clock-corrected"
UNCONFIRMED = "clock-unconfirmed"
LEFT = "clock-not-corrected"
BROKEN = "clock-broken"
MARKED = frozenset({CORRECTED, UNCONFIRMED})
"""Of these the quarter may be longer or shorter than others."""
BROKEN_S = 3_600
"""A clock that is further off does not drift: it is broken or was never set, and nobody mends that by steps."""
GUARD_S = 10
"""How far from either end of a quarter a clock has to be, before and after."""
MAX_DOUBT_S = GUARD_S / 2
"""Half of a round trip may be so long: then whatever the way there took, the guard holds."""
SLACK_S = 2.0
"""How much a clock that shows whole seconds may differ from what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockPolicy:
    """When a meter's clock is set, and how far at once. ``trusted``: whether our own clock may be the measure just now."""

    tolerance_s: int
    step_s: int
    trusted: Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What became of a clock that was off. ``after_s``: how far ahead it is now; None: not known, or not touched."""

    code: str
    reason: str
    before_s: float
    after_s: float | None = None
    quarter: int
    """The beginning of the quarter that the clock showed, in UTC seconds; of ours, where it is broken."""

    @property
    def finding(self) -> Finding:
        """The mark on that quarter."""
        return Finding(code=self.code, start=self.quarter, end=self.quarter + QUARTER_S, reason=self.reason)


def step_of(shown_s: float, ahead_s: float, *, step_s: int, late_s: float) -> int:
    """By how many seconds a clock that shows ``shown_s`` may be moved now; 0 where no step is safe.

    ``late_s``: how long the order may be on its way, while the clock goes on.
    """
    most = min(int(abs(ahead_s)), step_s)
    into_s = shown_s % QUARTER_S
    before_end_s = QUARTER_S - GUARD_S - late_s - into_s
    if into_s < GUARD_S or before_end_s < 0:
        return 0
    if ahead_s > 0:
        return -min(most, int(into_s - GUARD_S))
    return min(most, int(before_end_s))


def see_to_clock(
    companion: Companion,
    timezone: str,
    now: Callable[[], float],
    ahead_s: float | None,
    policy: ClockPolicy | None,
) -> Generator[Operation, Reply, Correction | None]:
    """Set a clock that was found ``ahead_s`` off, if that is called for; None: there is nothing to say. Raises nothing."""
    if ahead_s is None:
        return None
    if abs(ahead_s) > BROKEN_S:
        return broken_clock(now, ahead_s)
    if policy is None or abs(ahead_s) <= policy.tolerance_s:
        return None
    if not policy.trusted():
        return _left(now, ahead_s, "the clock of this host is in doubt")
    shown, reason = None, "the meter does not say what time it has"
    try:
        shown = yield from read_clock(companion, timezone, now)
    except Interrupted:
        reason = "the line broke before it could be set"
    except WireError as error:
        reason = error.detail
    if shown is None:
        return _left(now, ahead_s, reason)
    if _is_in_trouble(shown) or abs(shown.ahead_s) > BROKEN_S:
        return broken_clock(
            now, shown.ahead_s, "the clock itself says that it may be wrong" if _is_in_trouble(shown) else ""
        )
    if abs(shown.ahead_s) <= policy.tolerance_s:
        return None
    return (yield from _set(companion, timezone, now, shown, policy))


def broken_clock(now: Callable[[], float], ahead_s: float, reason: str = "") -> Correction:
    """What is to be said of a clock that a person has to see to; the quarter is ours, since its own means nothing."""
    return Correction(
        code=BROKEN,
        reason=reason or f"{ahead_s:+.0f} s is no drift, and is not mended by steps",
        before_s=ahead_s,
        quarter=_quarter(now()),
    )


def _set(
    companion: Companion, timezone: str, now: Callable[[], float], shown: Shown, policy: ClockPolicy
) -> Generator[Operation, Reply, Correction]:
    """Write a time that fits, and look at what came of it."""
    sent_at = now()
    step_s = step_of(sent_at + shown.ahead_s, shown.ahead_s, step_s=policy.step_s, late_s=companion.response_timeout_s)
    why_not = _why_not(shown, policy, step_s)
    value = moved(shown, sent_at + shown.ahead_s + shown.doubt_s + step_s) if not why_not else None
    if value is None:
        return _left(now, shown.ahead_s, why_not or "what it shows is not moved within a quarter")
    made = Correction(
        code=UNCONFIRMED,
        reason=f"moved by {step_s:+d} s, and it was not seen whether it was",
        before_s=shown.ahead_s,
        quarter=_quarter(sent_at + shown.ahead_s),
    )
    clock = companion.clock
    try:
        reply = yield Set(class_id=clock.class_id, obis=clock.obis, attribute=CLOCK_TIME, value=value)
        if not isinstance(reply, Answer):
            return _left(now, shown.ahead_s, f"the meter refuses to have its clock set: {_no(reply)}")
        answered_at = now()
        after = yield from read_clock(companion, timezone, now)
    except (Interrupted, WireError):
        return made
    if after is None:
        return made
    off_s = after.ahead_s - (shown.ahead_s + step_s)
    if abs(off_s) > SLACK_S + shown.doubt_s + after.doubt_s + (answered_at - sent_at):
        return replace(made, after_s=after.ahead_s, reason="the meter took a time and shows another")
    reason = f"set from {shown.ahead_s:+.1f} s to {after.ahead_s:+.1f} s"
    return replace(made, code=CORRECTED, after_s=after.ahead_s, reason=reason)


def _why_not(shown: Shown, policy: ClockPolicy, step_s: int) -> str:
    """Why a clock that is off is not set now; empty: it can be."""
    stamp = shown.stamp
    if shown.doubt_s > MAX_DOUBT_S or abs(shown.ahead_s) - shown.doubt_s <= policy.tolerance_s:
        return f"its answer took {2 * shown.doubt_s:.1f} s, which is too long to say how far it is off"
    if NONE in (stamp.minute, stamp.second):
        return "it shows no seconds"
    if (60 * stamp.minute + stamp.second - int(shown.moment)) % QUARTER_S:
        return "its deviation is not one of whole quarters"
    return "" if step_s else "no step fits into the quarter that it shows"


def moved(shown: Shown, moment: float) -> bytes | None:
    """A clock's own words for ``moment`` (UTC seconds); None where that lies in another quarter than it showed."""
    stamp = shown.stamp
    told_s = 60 * stamp.minute + stamp.second
    second_of_hour = told_s + round(moment) - int(shown.moment)
    if second_of_hour // QUARTER_S != told_s // QUARTER_S:
        return None
    minute, second = divmod(second_of_hour, 60)
    hundredths = NONE if stamp.hundredths == NONE else 0
    return shown.head + replace(stamp, minute=minute, second=second, hundredths=hundredths).encode()


def _is_in_trouble(shown: Shown) -> bool:
    status = shown.stamp.clock_status
    return status != CLOCK_NOT_SPECIFIED and status & CLOCK_TROUBLE != 0


def _left(now: Callable[[], float], ahead_s: float, reason: str) -> Correction:
    return Correction(
        code=LEFT, reason=f"{ahead_s:+.1f} s off: {reason}", before_s=ahead_s, quarter=_quarter(now() + ahead_s)
    )


def _no(reply: Reply) -> str:
    if isinstance(reply, Refusal):
        return reply.result_name
    if isinstance(reply, ExceptionReceived):
        return f"{reply.state_error}, {reply.service_error}"
    return "with an answer to something else"


def _quarter(shown_s: float) -> int:
    return floor(shown_s / QUARTER_S) * QUARTER_S
