"""A process of a night that sends itself a signal where it reaches a step for the n-th time.

``python -m tests.service.doomed HOME DAY AHEAD_S STEP N LEASE_S SIGNAL``: its clock is ``AHEAD_S`` ahead of the system's; an
empty step lets it live; a lease of it holds for ``LEASE_S``; ``SIGNAL`` is SIGKILL or SIGSTOP.
"""

import asyncio
import signal
import sys
import threading
import time
from datetime import date
from pathlib import Path

from kwartier.collect import engine, lease
from kwartier.collect.steps import Step
from kwartier.service.home import open_home
from kwartier.service.worker import Orders, run


def main(home: str, day: str, ahead_s: str, step: str, times: str, lease_s: str, told: str) -> None:
    """Live until there is nothing to do, or until the step."""
    setattr(lease, "LEASE_S", int(lease_s))  # noqa: B010 - not Final, and no test waits for half a minute
    setattr(engine, "RENEW_S", int(lease_s) / 4)  # noqa: B010 - as above
    left = int(times)

    def reached(one: Step) -> None:
        nonlocal left
        left -= one == step
        if one == step and left == 0:
            signal.pthread_kill(
                threading.get_ident(), signal.Signals[told]
            )  # to this thread: not one instruction later

    orders = Orders(
        home=Path(home),
        day=date.fromisoformat(day),
        at_once=True,
        purpose="settlement",
        reason="test",
        actor="os:test",
        until=None,
    )
    with open_home(Path(home)) as opened:
        asyncio.run(
            run(opened, orders, progress=lambda tally: None, wall=lambda: time.time() + int(ahead_s), reached=reached)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
