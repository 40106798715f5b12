"""The other parts of the bench run to their end and compare what they stored. Their times are not looked at."""

import json
import subprocess
import sys

import pytest

from tests.bench.test_bench import LIMIT_S, ROOT

HEAVY = pytest.mark.long
"""Fixed shapes of work, however few the meters."""


@pytest.mark.parametrize(
    ("words", "names"),
    [
        pytest.param(("night", "--meters", "40"), {"first", "second"}, marks=HEAVY),
        pytest.param(
            ("store", "--meters", "2000", "--looked-up", "40"), {"bytes_a_value", "look_up_after_ms"}, marks=HEAVY
        ),
        (("open_visits", "--meters", "120", "--open", "20", "--seconds", "0.02"), {"rate", "rate_by_law", "visit_kb"}),
        (("hostile", "--meters", "48", "--pairs", "1"), {"alone", "mixed", "ratio"}),
        (("leak", "--meters", "50", "--visits", "100", "--faults", "none"), {"slope_bytes", "files_more", "is_flat"}),
        (("nation", "--meters", "10000"), {"meters", "night", "outage"}),
        (("registry", "--meters", "2000", "--repeats", "1"), {"imports", "bytes_a_meter"}),
        (("rules", "--meters", "9000", "--repeats", "1"), {"rules_s", "floor_s", "peak_mb"}),
        pytest.param(
            ("settle", "--meters", "4000", "--runs", "1", "--alone"), {"seconds", "ratios", "peak_mb"}, marks=HEAVY
        ),
        pytest.param(("gate", "--meters", "300", "--pairs", "1"), {"scan_cost", "gate_ms", "flush_ms"}, marks=HEAVY),
        (("pages", "--meters", "1300", "--days", "2", "--looks", "1"), {"pages", "missed", "making_s"}),
        (
            ("viewers", "--meters", "40", "--open", "20", "--viewers", "5", "--pairs", "1"),
            {"ratio", "watched", "load"},
        ),
        (("audit", "--records", "2000", "--threads", "4"), {"batched_records_per_s", "beyond_flush_ms", "proof_bytes"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_part_runs_and_tells(words: tuple[str, ...], names: set[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench", *words, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert names <= set(told[0] if isinstance(told, list) else told)
