"""Which engine a setting names: ``local``, or the address of a cluster."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kwartier.compute.secret import secret_of
from kwartier.errors import InputError

if TYPE_CHECKING:
    from kwartier.compute.engine import Engine

LOCAL = "local"
_HOST = r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:]{2,39}\])"
_MASTER = re.compile(rf"spark://({_HOST}):([0-9]{{1,5}})")


def master_of(setting: str) -> tuple[str, int] | None:
    """Host and port of the master of a cluster; None for this host. Raises ``InputError`` bad-engine."""
    if setting == LOCAL:
        return None
    found = _MASTER.fullmatch(setting)
    if found is None or not 0 < int(found[2]) < 65_536:
        raise InputError("bad-engine", f"`engine` is {LOCAL} or spark://HOST:PORT, not {setting[:80]!r}")
    return found[1], int(found[2])


@contextmanager
def engine_of(setting: str, secrets: Path) -> "Iterator[Engine]":
    """The engine that ``setting`` names, until the block ends; ``secrets``: the folder with the secret of the cluster.

    Raises ``InputError`` bad-engine, no-spark-secret, open-spark-secret, bad-spark-secret, no-pyspark. The cluster itself is
    called upon when there is something to compute.
    """
    master = master_of(setting)
    if master is None:
        from kwartier.compute.local import Local

        yield Local()
        return
    from kwartier.compute.spark import Spark

    engine = Spark(*master, secret=secret_of(secrets))
    try:
        yield engine
    finally:
        engine.close()
