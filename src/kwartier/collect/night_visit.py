"""One visit of a night: the task of the desk, carried out."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from kwartier.collect.outcome import Done, Task
from kwartier.collect.steps import Reached, Step, onward
from kwartier.collect.visit import Visitor
from kwartier.cosem.clock_steps import ClockPolicy
from kwartier.cosem.harvest import Harvest, read_stretches
from kwartier.errors import LinkLost

PACES = 5
"""A first try may take so many times as long as visits to this meter usually do,"""
LEAST_DEADLINE_S = 20.0
"""and never less than this."""
NEWS_PART = 0.25
"""A pace is written down when it changed by more than this part of what was known."""
WEIGHT = 0.3
"""How much the last visit counts in it."""


def deadline_of(task: Task, deadline_s: float) -> float:
    """How long a visit may take: what this meter's own history says, and all there is where a visit has failed before.

    Also one that did not count: a cell that has become slow would else be taken for silent all night.
    """
    if task.pace_s is None or task.tries or task.claim.cause or len(task.stretches) > 1:
        return deadline_s
    return min(deadline_s, max(LEAST_DEADLINE_S, PACES * task.pace_s))


def pace_of(done: Done) -> float | None:
    """How long visits to a meter usually take, in seconds, after one more; None: nothing worth writing down."""
    task, visit = done.task, done.visit
    if visit.error is not None or not done.asked:
        return None
    took_s = (visit.ended - visit.started).total_seconds()
    if task.pace_s is None:
        return took_s
    pace_s = task.pace_s + WEIGHT * (took_s - task.pace_s)
    # Below a second nothing depends on it.
    return pace_s if abs(pace_s - task.pace_s) > NEWS_PART * max(1.0, task.pace_s) else None


async def carry_out(
    task: Task,
    *,
    wall: Callable[[], float],
    deadline_s: float,
    max_pdu: int,
    challenge: Callable[[int], bytes] = secrets.token_bytes,
    clocks: ClockPolicy | None = None,
    reached: Reached = onward,
) -> Done:
    """Visit the meter of ``task``. ``wall`` gives UTC seconds. How it went is in what is returned.

    ``deadline_s``: the longest that it may take; a meter that usually is quick is given less. ``clocks``: when
    the meter's clock is set; None: never.
    """
    asked = False

    def before_rows() -> None:
        nonlocal asked
        asked = True
        reached(Step.ASKING)

    visitor: Visitor[Harvest] = Visitor(
        task.meter,
        task.companion,
        task.credentials,
        deadline_s=deadline_of(task, deadline_s),
        wall=lambda: datetime.fromtimestamp(wall(), UTC),
        max_pdu=max_pdu,
        challenge=challenge,
        tape=task.tape,
    )
    visit = await visitor.visit(
        lambda: read_stretches(
            task.companion,
            meter=task.meter.meter,
            stretches=task.stretches,
            timezone=task.meter.timezone,
            now=wall,
            capture_delay_s=task.companion.quarter.capture_delay_s,
            before_rows=before_rows,
            known=task.layout,
            clocks=clocks,
        )
    )
    if isinstance(visit.error, LinkLost) and visit.result is not None and visit.result.is_whole:
        # Only its clock was still being seen to, and what became of that is in the result.
        visit = replace(visit, error=None)
    reached(Step.READ)
    return Done(task=task, visit=visit, asked=asked)
