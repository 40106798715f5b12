"""``dsmr-parser`` reads what a simulated meter says at its consumer port. It lives in an environment of its own."""

import json
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import numpy as np

from kwartier.simulate import truth
from tests.conftest import skip_unless
from tests.service.street import street

PEER = Path(sys.prefix, "p1-peer", "bin", "python")
METER = "zuid-000002"
PATIENCE_S = 60.0
TELEGRAMS = 3
SCRIPT = """
import json, socket, sys
from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser

line = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30).makefile("rb")
parser = TelegramParser(telegram_specifications.V5)
found = []
while len(found) < int(sys.argv[2]):
    text = b""
    while not text.rpartition(b"\\r\\n")[0].rpartition(b"\\r\\n")[2].startswith(b"!"):
        text += line.readline()
    one = parser.parse(text.decode("ascii"))
    names = [
        "ELECTRICITY_USED_TARIFF_1", "ELECTRICITY_USED_TARIFF_2",
        "ELECTRICITY_DELIVERED_TARIFF_1", "ELECTRICITY_DELIVERED_TARIFF_2",
        "CURRENT_ELECTRICITY_USAGE", "CURRENT_ELECTRICITY_DELIVERY",
    ]
    found.append({
        "at": one.P1_MESSAGE_TIMESTAMP.value.timestamp(),
        "version": one.P1_MESSAGE_HEADER.value,
        "identifier": one.EQUIPMENT_IDENTIFIER.value,
        "values": {name: [str(getattr(one, name).value), getattr(one, name).unit] for name in names},
    })
print(json.dumps(found))
"""


def test_a_foreign_parser_reads_the_consumer_port(tmp_path: Path) -> None:
    skip_unless(PEER.exists(), "there is no environment with dsmr-parser: `make test` makes it")
    with street(tmp_path, 4, "--faults", "none") as fleet:
        told = truth.load(fleet)
    words = (sys.executable, "-m", "kwartier", "simulate", "p1", METER, "--out", f"{fleet}", "--port", "0")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as playing:
        try:
            assert playing.stdout is not None
            port = playing.stdout.readline().removeprefix("READY ").strip()
            script = (str(PEER), "-c", SCRIPT, port, f"{TELEGRAMS}")
            clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
            heard = subprocess.run(script, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=clean)
        finally:
            playing.terminate()
    assert heard.returncode == 0, heard.stderr
    telegrams = json.loads(heard.stdout)
    assert len(telegrams) == TELEGRAMS
    for telegram in telegrams:
        assert telegram["version"] == "50"
        assert bytes.fromhex(telegram["identifier"]).decode() == METER
        assert abs(telegram["at"] - time.time()) < PATIENCE_S
        check(told, telegram["at"], {name: tuple(value) for name, value in telegram["values"].items()})


def check(told: truth.Truth, at: float, values: dict[str, tuple[str, str]]) -> None:
    """The two tariffs together are what the metering module counted at that second."""
    start = int(at) // 900 * 900
    columns = told.registers(METER, np.array([start, start + 900], np.int64))
    assert {unit for name, (_, unit) in values.items() if name.startswith("ELECTRICITY")} == {"kWh"}
    for name, channel, now, place in (
        ("ELECTRICITY_USED", "import_wh", "CURRENT_ELECTRICITY_USAGE", 0),
        ("ELECTRICITY_DELIVERED", "export_wh", "CURRENT_ELECTRICITY_DELIVERY", 1),
    ):
        first, after = (int(one) for one in columns[channel])
        counted_wh = first + (after - first) * (int(at) - start) // 900
        said_wh = sum(Decimal(values[f"{name}_TARIFF_{tariff}"][0]) for tariff in (1, 2)) * 1000
        assert said_wh == counted_wh
        power_w = told.metering(METER).power_w(at)[place]
        assert values[now][1] == "kW"
        assert int(Decimal(values[now][0]) * 1000) == power_w
