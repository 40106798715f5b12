"""One settlement in a process that does nothing else: what it gave, and the most memory that it had.

Told the folder of a store and whether it is encrypted.
"""

import json
import sys
from pathlib import Path

from bench.night import peak_mb
from bench.settle_scene import membership
from bench.store import DAY, QUARTERS, Keys
from kwartier.compute.local import Local
from kwartier.settle.kernel import SettleKernel
from kwartier.store.volumes_reader import VolumesReader


def main() -> None:
    """Settle, and print JSON."""
    reader = VolumesReader(Path(sys.argv[1]), Keys() if sys.argv[2] == "encrypted" else None)
    kernel = SettleKernel(membership(reader.heads(DAY).ids), QUARTERS)
    idle_mb = peak_mb()
    found = Local().run(*reader.work(DAY), kernel)
    print(
        json.dumps(
            {"total_wh": 0 if found is None else int(found.energy_wh.sum()), "peak_mb": peak_mb(), "idle_mb": idle_mb}
        )
    )


if __name__ == "__main__":
    main()
