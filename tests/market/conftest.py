"""What the tests of this room start from: a market of which nothing was said, on an empty database of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from kwartier.database import open_engine, upgrade
from kwartier.market.market import Market
from tests.postgres import DATABASES, database


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database with its tables, of each kind in turn."""
    engine = open_engine(database(str(request.param), tmp_path))
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def market(engine: Engine) -> Market:
    return Market(engine)
