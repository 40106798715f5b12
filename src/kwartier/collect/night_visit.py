"""One visit of a night: the task of the desk, carried out."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from kwartier.collect.outcome import Done, Task
from kwartier.collect.steps import Reached, Step, onward
from kwartier.collect.visit import Visitor
from kwartier.cosem.harvest import Harvest, read_stretches


async def carry_out(
    task: Task,
    *,
    wall: Callable[[], float],
    deadline_s: float,
    max_pdu: int,
    challenge: Callable[[int], bytes] = secrets.token_bytes,
    reached: Reached = onward,
) -> Done:
    """Visit the meter of ``task``. ``wall`` gives UTC seconds. How it went is in what is returned."""
    asked = False

    def before_rows() -> None:
        nonlocal asked
        asked = True
        reached(Step.ASKING)

    visitor: Visitor[Harvest] = Visitor(
        task.meter,
        task.companion,
        task.credentials,
        deadline_s=deadline_s,
        wall=lambda: datetime.fromtimestamp(wall(), UTC),
        max_pdu=max_pdu,
        challenge=challenge,
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
        )
    )
    reached(Step.READ)
    return Done(task=task, visit=visit, asked=asked)
