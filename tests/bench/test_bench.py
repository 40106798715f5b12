"""The comparison runs, and every client reads the same values. Its times are not looked at."""

import json
import subprocess
import sys
from pathlib import Path

from bench.measuring import OWN, PDUS

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0


def test_all_clients_read_the_same_day_from_one_meter() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "--smoke", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert set(told["session_us"]) >= {OWN, "gurux_dlms", "dlms-cosem"}
    assert all(set(by_pdu) == {str(pdu) for pdu in PDUS} for by_pdu in told["session_us"].values())
    assert set(told["skips"]) == {"gurux_dlms", "dlms-cosem"}
