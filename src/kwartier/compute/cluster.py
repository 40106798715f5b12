"""This process as the driver of a cluster: a Java process beside it, which speaks to the master.

Python starts it with bare hands: pyspark would put every setting on its command line, the secret among them.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from subprocess import TimeoutExpired

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway

from kwartier.errors import StateError

END_S = 10.0
"""How long the Java process may take to end."""
STDERR = 2


class Driver:
    """A context of Spark, and the process behind it; one at a time."""

    def __init__(self, master: str, name: str, conf: Mapping[str, str]) -> None:
        """Raises ``StateError`` no-java, and what pyspark raises where the master does not take us."""
        is_main = threading.current_thread() is threading.main_thread()
        self._on_interrupt = signal.getsignal(signal.SIGINT) if is_main else None
        try:
            # What Java prints is no data of ours.
            self._gateway = launch_gateway(popen_kwargs={"stdout": STDERR})
        except (PySparkException, OSError):
            raise StateError("no-java", "the Java process of Spark does not start") from None
        try:
            settings = SparkConf(loadDefaults=True, _jvm=self._gateway.jvm).setMaster(master).setAppName(name)
            for key, value in conf.items():
                settings.set(key, value)
            self.context = SparkContext(conf=settings, gateway=self._gateway)
        except BaseException:
            self._end()
            raise
        self.context.setLogLevel("ERROR")
        self.context.pythonExec = os.environ.get("PYSPARK_PYTHON", sys.executable)

    def close(self) -> None:
        """Leave the cluster and end the process."""
        with suppress(Py4JError, PySparkException):
            self.context.stop()
        self._end()

    def _end(self) -> None:
        with suppress(Py4JError):
            self._gateway.shutdown()
        SparkContext._gateway = SparkContext._jvm = None
        process = self._gateway.proc
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(END_S)
        except TimeoutExpired:
            process.kill()
            process.wait()
        if self._on_interrupt is not None:
            signal.signal(signal.SIGINT, self._on_interrupt)
