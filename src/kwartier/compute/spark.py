"""Pieces on a cluster: Spark spreads them and merges what they give, in a tree; the files are read by our own reader.

What the workers get are pieces, and one broadcast with the source and the kernel. Keys of files are in it, and what comes back
are sums of readings. So there is no way to run this without a secret that both sides know: every connection is authenticated
and encrypted, and so is what Spark puts on a disk.

An error of ours comes back as a value, since Spark would try four times what cannot succeed, and print what went wrong.
"""

import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from kwartier.compute.engine import Kernel, Partial, Piece, Source
from kwartier.errors import InputError, KwartierError, Retry, StateError

if TYPE_CHECKING:
    from pyspark import Broadcast, SparkContext

    from kwartier.compute.cluster import Driver

NAME = "kwartier"
KNOCK_S = 5.0
"""How long the master may take to let us connect."""
WORKERS_S = 60.0
"""How long a job goes on, or waits to begin, while the cluster has no worker for it."""
LOOK_S = 1.0
PARTS_A_CORE = 4
"""So that a slow core holds up the others by a quarter of its work at the most."""
MAX_PARTS = 4_096
PROTECTION = {
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
    "spark.network.crypto.saslFallback": "false",
    "spark.network.crypto.cipher": "AES/GCM/NoPadding",
    "spark.network.crypto.authEngineVersion": "2",
    "spark.io.encryption.enabled": "true",
    "spark.io.encryption.keySizeBits": "256",
}
"""The second version of the handshake and GCM, because what was changed on its way has to be noticed."""
QUIET = {"spark.ui.enabled": "false", "spark.eventLog.enabled": "false", "spark.ui.showConsoleProgress": "false"}

Found = TypeVar("Found")


class Shared(Generic[Piece, Partial]):
    """What every worker needs, in one broadcast.

    On its way it is a row of bytes: pyspark cannot put arrays into a broadcast that is encrypted.
    """

    def __init__(self, source: Source[Piece], kernel: Kernel[Partial]) -> None:
        self.source = source
        self.kernel = kernel

    def __reduce__(self) -> "tuple[Callable[[bytes], Shared[Piece, Partial]], tuple[bytes]]":
        return _opened, (pickle.dumps((self.source, self.kernel)),)


def _opened(octets: bytes) -> Shared[Piece, Partial]:
    return Shared(*pickle.loads(octets))  # noqa: S301 - inside of what Spark has unpickled, from who knows the secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The error of the piece at ``place``."""

    place: int
    error: KwartierError


@dataclass(frozen=True, slots=True, kw_only=True)
class Made(Generic[Found]):
    """What some pieces gave."""

    found: Found


class Spark:
    """The engine of a cluster. It is joined at the first run, which takes some seconds, and left by :meth:`close`."""

    def __init__(self, host: str, port: int, *, secret: str) -> None:
        """Raises ``InputError`` no-pyspark."""
        try:
            import pyspark
        except ImportError:
            raise InputError("no-pyspark", "this installation has no pyspark") from None
        del pyspark
        self._host = host
        self._port = port
        self._secret = secret
        self._driver: Driver | None = None

    def __repr__(self) -> str:
        return f"Spark({self._host!r}, {self._port})"

    def run(self, source: Source[Piece], pieces: Sequence[Piece], kernel: Kernel[Partial]) -> Partial | None:
        """The result over all pieces; None where there are none. Raises what a piece raises.

        Raises ``StateError`` no-spark-master, no-java, no-spark-workers, spark-failed.
        """
        if not pieces:
            return None
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            context = self._joined().context
            with _watched(context):
                outcome = _run(context, Shared(source, kernel), pieces)
        except (Py4JError, PySparkException) as error:
            # Its text may show what was computed with, so only its kind goes on.
            self.close()
            raise StateError(
                "spark-failed", f"the cluster gave up: {type(error).__name__}", retry=Retry.LATER
            ) from None
        if isinstance(outcome, Failed):
            raise outcome.error
        return outcome.found

    def close(self) -> None:
        """Leave the cluster, and end the Java process of this host."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    def _joined(self) -> "Driver":
        if self._driver is None:
            # Spark itself would try for minutes, and say so in pages.
            try:
                socket.create_connection((self._host.strip("[]"), self._port), KNOCK_S).close()
            except OSError as error:
                where = f"spark://{self._host}:{self._port}"
                raise StateError("no-spark-master", f"{where}: {error.strerror or error}", retry=Retry.LATER) from None
            from kwartier.compute.cluster import Driver

            conf = {**PROTECTION, **QUIET, "spark.authenticate.secret": self._secret}
            self._driver = Driver(f"spark://{self._host}:{self._port}", NAME, conf)
        _await_workers(self._driver.context)
        return self._driver


def _workers(context: "SparkContext") -> int:
    """How many executors there are; the driver counts itself."""
    return int(context._jsc.sc().getExecutorMemoryStatus().size()) - 1


def _await_workers(context: "SparkContext") -> None:
    until = time.monotonic() + WORKERS_S
    while not _workers(context):
        if time.monotonic() > until:
            raise _no_workers()
        time.sleep(LOOK_S / 10)


def _no_workers() -> StateError:
    return StateError("no-spark-workers", f"the cluster had no worker for {WORKERS_S:.0f} s", retry=Retry.LATER)


@contextmanager
def _watched(context: "SparkContext") -> Iterator[None]:
    """Ends the job when the cluster has no worker any more: Spark would wait for one for ever."""
    ended, gave_up = threading.Event(), threading.Event()

    def watch() -> None:
        seen = time.monotonic()
        while not ended.wait(LOOK_S):
            if _workers(context):
                seen = time.monotonic()
            elif time.monotonic() - seen > WORKERS_S:
                gave_up.set()
                context.cancelAllJobs()
                return

    watcher = threading.Thread(target=watch, name="workers", daemon=True)
    watcher.start()
    try:
        yield
    except Exception:
        if gave_up.is_set():
            raise _no_workers() from None
        raise
    finally:
        ended.set()
        watcher.join()


def _run(context: "SparkContext", shared: Shared[Piece, Partial], pieces: Sequence[Piece]) -> Made[Partial] | Failed:
    from py4j.protocol import Py4JError

    parts = min(len(pieces), PARTS_A_CORE * max(context.defaultParallelism, 1), MAX_PARTS)
    broadcast = context.broadcast(shared)
    try:
        spread = context.parallelize(list(enumerate(pieces)), parts)
        return spread.mapPartitions(partial(_mapped, broadcast)).treeReduce(_Merging(broadcast, shared.kernel))
    finally:
        with suppress(Py4JError):  # where the cluster is gone, so is what it was sent
            broadcast.destroy(blocking=True)


def _mapped(
    shared: "Broadcast[Shared[Piece, Partial]]", pieces: Iterable[tuple[int, Piece]]
) -> Iterator[Made[Partial] | Failed]:
    """On a worker: what some pieces give, one after the other."""
    source, kernel = shared.value.source, shared.value.kernel
    so_far: Partial | None = None
    for place, piece in pieces:
        try:
            so_far = kernel.map(source.read(piece), so_far)
        except KwartierError as error:
            yield Failed(place=place, error=error)
            return
    if so_far is not None:
        yield Made(found=so_far)


class _Merging(Generic[Piece, Partial]):
    """Two results as one; of two errors the first.

    A worker has the kernel from the broadcast. The driver is handed it: where a broadcast was made, pyspark waits for ever to
    open it if it is encrypted.
    """

    def __init__(self, shared: "Broadcast[Shared[Piece, Partial]]", kernel: Kernel[Partial] | None = None) -> None:
        self._shared = shared
        self._kernel = kernel

    def __reduce__(self) -> "tuple[type[_Merging[Piece, Partial]], tuple[Broadcast[Shared[Piece, Partial]]]]":
        return type(self), (self._shared,)

    def __call__(self, one: Made[Partial] | Failed, other: Made[Partial] | Failed) -> Made[Partial] | Failed:
        if isinstance(one, Made) and isinstance(other, Made):
            kernel = self._kernel or self._shared.value.kernel
            return Made(found=kernel.merge(one.found, other.found))
        return min((each for each in (one, other) if isinstance(each, Failed)), key=lambda failed: failed.place)
