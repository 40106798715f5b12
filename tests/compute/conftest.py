"""One cluster, and one driver that has joined it, for all tests of the run that need them."""

import os
from collections.abc import Iterator

import pytest

from kwartier.compute.choice import engine_of
from kwartier.compute.engine import Engine
from kwartier.compute.secret import FILE_NAME
from tests.compute.standalone import Cluster, environment, is_there
from tests.conftest import skip_unless


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two workers."""
    skip_unless(is_there(), "a cluster takes pyspark and Java 17")
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment().items():
            patched.setenv(name, value)
        made = Cluster(tmp_path_factory.mktemp("cluster"))
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="session")
def spark(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine of that cluster, as the wiring makes it."""
    home = tmp_path_factory.mktemp("home")
    descriptor = os.open(home / FILE_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as secret:
        secret.write(cluster.secret)
    with engine_of(cluster.setting, home) as engine:
        yield engine
