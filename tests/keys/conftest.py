"""What the tests of this room start from: an empty database of each kind, and a vault."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from kwartier.database import open_engine
from kwartier.keys.vault import Vault
from tests.postgres import DATABASES, with_tables

MASTER_KEY = bytes(range(32))


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database with its tables, of each kind in turn."""
    return with_tables(str(request.param), tmp_path)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """The same, opened."""
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def vault() -> Vault:
    """A vault that is the same in every test."""
    return Vault(MASTER_KEY)
