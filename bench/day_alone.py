"""One step of the day after - ``validate`` or ``settle`` - in a process that does nothing else: seconds and the most memory.

Told the folder of a home and the step.
"""

import json
import os
import sys
import time
from pathlib import Path

from bench.day_scene import noon_after
from bench.night import peak_mb
from bench.store import DAY
from kwartier.service.home import open_home
from kwartier.service.settling.run import settle
from kwartier.service.validating.run import validate
from tests.somebody import TESTER


def main() -> None:
    """Do it, and print JSON."""
    with open_home(Path(sys.argv[1])) as home:
        idle_mb, now = peak_mb(), noon_after(DAY)
        begun, begun_cpu = time.perf_counter(), time.process_time()
        if sys.argv[2] == "validate":
            outcome = validate(home, DAY, actor=TESTER, now=now, reason="bench")
            if outcome is None:
                raise RuntimeError("there was nothing to validate")
            told = {"findings": outcome.run.findings, "rows": outcome.run.rows, **outcome.quarters}
        else:
            found = settle(home, DAY, actor=TESTER, reason="bench", at=now)
            told = {"areas": len(found.settled.areas), "sums": len(found.settled.sums), "held": found.is_held}
        taken = {"wall_s": time.perf_counter() - begun, "cpu_s": time.process_time() - begun_cpu}
        load = round(os.getloadavg()[0], 1)
        print(json.dumps({**taken, "peak_mb": peak_mb(), "idle_mb": idle_mb, "load": load, "told": told}))


if __name__ == "__main__":
    main()
