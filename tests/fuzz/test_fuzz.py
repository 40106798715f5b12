"""Every fuzz target runs under atheris, in a process of its own: shortly by default, for its share of minutes when marked long.

A target is a file ``fuzz_*.py`` with ``one(data)``: a new one is found by itself. Seeds are fixed, so that a short run is the
same everywhere; what a long run finds becomes a test of the module that it concerns.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

TARGETS = sorted(path.stem for path in Path(__file__).parent.glob("fuzz_*.py"))
RUNS = 3000
SHORT_S = 4
"""A short run ends after this many seconds, if it has not done its runs by then."""
LONG_S = 20
SEED = 20_260_304
MAX_BYTES = 600
PATIENCE_S = 120

every_target = pytest.mark.parametrize("target", TARGETS)


def fuzz(target: str, folder: Path, *options: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz.run", target, *options]
    command += [f"-seed={SEED}", f"-max_len={MAX_BYTES}", f"-artifact_prefix={folder}/", "-rss_limit_mb=2048"]
    search = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if entry)])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE_S,
        check=False,
    )
    found = [path.read_bytes().hex() for path in folder.iterdir() if path.is_file()]
    assert done.returncode == 0, f"{target} on {found}:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert "Done" in done.stderr


def test_every_decoder_has_a_target() -> None:
    names = {target.removeprefix("fuzz_") for target in TARGETS}
    assert names >= {
        "association", "axdr", "companion", "decode", "gbt", "hdlc", "layout", "mbus", "p1", "profile", "protection",
        "registry", "rowfile", "services", "session", "stamps", "wrapper",
    }  # fmt: skip  # as many on a line as fit


@every_target
def test_a_short_run_finds_nothing(target: str, tmp_path: Path) -> None:
    fuzz(target, tmp_path, f"-runs={RUNS}", f"-max_total_time={SHORT_S}")


@pytest.mark.long
@every_target
def test_a_long_run_finds_nothing(target: str, tmp_path: Path) -> None:
    fuzz(target, tmp_path, f"-max_total_time={LONG_S}")


def test_what_a_target_lets_through_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ValueError"):
        fuzz("broken", tmp_path, "-runs=100")
