"""A process that carries erasures out and ends by SIGKILL where it reaches a step for the n-th time.

``python -m tests.service.subject.doomed HOME STEP N``: a step of the store or of what stands above it.
"""

import signal
import sys
import threading
from enum import StrEnum
from pathlib import Path

from kwartier.service.home import open_home
from kwartier.service.subject.carrying import carry_out_alone
from kwartier.store.turn import alone
from tests.service.subject.planted import wall


def main(home: str, step: str, times: str) -> None:
    """Live until there is nothing to do, or until the step."""
    left = int(times)

    def reached(one: StrEnum) -> None:
        nonlocal left
        left -= one == step
        if one == step and left == 0:
            signal.pthread_kill(threading.get_ident(), signal.SIGKILL)

    with open_home(Path(home)) as opened, alone(opened.store_folder):
        carry_out_alone(opened, wall=wall, reached=reached, deeper=reached)


if __name__ == "__main__":
    main(*sys.argv[1:])
