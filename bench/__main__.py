"""``python -m bench``: three clients, one meter in a process of its own, and what a session costs each of them."""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from bench import (
    audit,
    database,
    day,
    gate,
    hostile,
    leak,
    nation,
    night,
    open_visits,
    pages,
    registry,
    report,
    rules,
    settle,
    store,
    viewers,
)
from bench.measuring import SMOKE, Costs, Plan, contenders, decoding, sessions
from bench.meter import station
from bench.ours import Kwartier
from bench.peers import DlmsCosem, Gurux
from bench.scene import companion, question

STOP_S = 10.0
PACKAGES = ("kwartier", "dlms-cosem", "gurux_dlms", "cryptography", "uvloop", "numpy")


@contextmanager
def metering(own_clients: int) -> Iterator[int]:
    """The meter runs in a process of its own until the block ends; its port."""
    command = [sys.executable, "-m", "bench.meter", str(own_clients)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the meter has no pipes")
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(STOP_S)


def run(plan: Plan) -> tuple[Costs, dict[str, float], Mapping[str, Sequence[str]]]:
    """Measure sessions and decoding; what the peers leave out comes along."""
    with metering(plan.own_sessions) as port, tempfile.TemporaryDirectory() as folder:
        ours, gurux, dlms_cosem = Kwartier(port, plan.own_sessions, Path(folder)), Gurux(port), DlmsCosem(port)
        try:
            costs = sessions(contenders(ours, dlms_cosem, gurux, plan), plan.batches)
        finally:
            ours.close()
        decoders = {one.name: one.decode for one in (ours, dlms_cosem, gurux)}
        decoded = decoding(decoders, buffer(), plan)
        values = ours.rows(ours.decode(buffer()))
        if any(one.rows(one.decode(buffer())) != values for one in (dlms_cosem, gurux)):
            raise RuntimeError("the clients do not agree on the values of the buffer")
    return costs, decoded, {one.name: one.skips for one in (dlms_cosem, gurux)}


def buffer() -> bytes:
    """What the meter answers when it is asked for the day, deciphered: 97 rows of four columns."""
    value = station(0).meter.get(7, companion().quarter.obis, 2, question())
    if isinstance(value, int):
        raise RuntimeError(f"the meter refuses its buffer: {value}")
    return value


def main() -> None:
    """Measure, and print a table or JSON. A first word that names another part runs that instead."""
    parts = {
        "registry": registry.main,
        "night": night.main,
        "store": store.main,
        "open_visits": open_visits.main,
        "hostile": hostile.main,
        "leak": leak.main,
        "database": database.main,
        "nation": nation.main,
        "audit": audit.main,
        "gate": gate.main,
        "rules": rules.main,
        "day": day.main,
        "settle": settle.main,
        "pages": pages.main,
        "viewers": viewers.main,
    }
    if sys.argv[1:2] and sys.argv[1] in parts:
        parts[sys.argv[1]](sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--batches", type=int, default=Plan().batches, help="batches of each client (default %(default)s)"
    )
    parser.add_argument("--smoke", action="store_true", help="two sessions each: shows that it works, measures nothing")
    chosen = parser.parse_args()
    plan = SMOKE if chosen.smoke else Plan(batches=chosen.batches)
    costs, decoded, skips = run(plan)
    about = {
        "batches": plan.batches,
        "sessions in a batch": plan.own_sessions,
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }
    if chosen.json:
        print(json.dumps(report.as_json(costs, decoded, skips, about), indent=2))
    else:
        print(report.as_text(costs, decoded, skips, about))


if __name__ == "__main__":
    main()
