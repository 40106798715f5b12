"""A standalone cluster on loopback for the time of a test run: a master and two workers of one core and two gigabytes.

pyspark brings the classes and no script that starts them. Every process here is a child of the tests, and ends with them.
"""

import os
import secrets
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from kwartier.compute.spark import PROTECTION

ROOT = Path(__file__).resolve().parents[2]
START_S, END_S, LOOK_S = 90.0, 20.0, 0.05
WORKER_CORES, WORKER_MEMORY = "1", "2g"
HERE = "127.0.0.1"


def java_home() -> Path | None:
    """Where Java 17 is."""
    return next(
        (one for one in sorted(Path("/usr/lib/jvm").glob("java-17-openjdk-*")) if (one / "bin/java").exists()), None
    )


def is_there() -> bool:
    """Whether there is what a cluster takes."""
    return java_home() is not None and find_spec("pyspark") is not None


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server((HERE, 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def environment() -> dict[str, str]:
    """What driver, master and workers alike are started with: this Python, this source and that Java, on loopback."""
    return {
        "JAVA_HOME": str(java_home()),
        "SPARK_LOCAL_IP": HERE,
        "SPARK_LOCAL_HOSTNAME": HERE,
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }


class Cluster:
    """Master and workers; ``secret`` is what they and the driver know."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secret = secrets.token_hex(32)
        self.port = free_port()
        settings = {**PROTECTION, "spark.authenticate.secret": self.secret, "spark.master.rest.enabled": "false"}
        self._settings = folder / "cluster.conf"
        self._settings.touch(mode=0o600)
        self._settings.write_text("".join(f"{key} {value}\n" for key, value in settings.items()), "ascii")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        words = ("--host", HERE, "--port", str(self.port), "--webui-port", str(free_port()))
        self._start("master", "org.apache.spark.deploy.master.Master", *words)
        self._await("master", "I have been elected leader")
        for name in ("worker-0", "worker-1"):
            self.start_worker(name)

    @property
    def setting(self) -> str:
        """Its address, as the settings of a home have it."""
        return f"spark://{HERE}:{self.port}"

    def start_worker(self, name: str) -> None:
        """Start one, and wait until the master knows it."""
        words: tuple[str, ...] = (
            "--host",
            HERE,
            "--cores",
            WORKER_CORES,
            "--memory",
            WORKER_MEMORY,
            "--webui-port",
            str(free_port()),
        )
        words += ("--work-dir", str(self.folder / name), self.setting)
        self._start(name, "org.apache.spark.deploy.worker.Worker", *words)
        self._await(name, "Successfully registered with master")

    def kill_worker(self, name: str) -> None:
        """SIGKILL; its executor notices and ends itself."""
        process = self._processes.pop(name)
        process.kill()
        process.wait(END_S)

    def stop(self) -> None:
        """End every process, workers first."""
        for process in reversed(list(self._processes.values())):
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def log(self, name: str) -> str:
        """What one of them has said."""
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def _start(self, name: str, kind: str, *words: str) -> None:
        spec = find_spec("pyspark")
        if spec is None or spec.origin is None:
            raise RuntimeError("there is no pyspark")
        program = Path(spec.origin).parent / "bin" / "spark-class"
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [str(program), kind, "--properties-file", str(self._settings), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **environment()},
            )

    def _await(self, name: str, said: str) -> None:
        until = time.monotonic() + START_S
        while said not in self.log(name):
            if self._processes[name].poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{name} did not start:\n{self.log(name)[-4000:]}")
            time.sleep(LOOK_S)
