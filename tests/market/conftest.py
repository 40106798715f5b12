"""What the tests of this room start from: a market of which nothing was said, on an empty database of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from kwartier.database import open_engine
from kwartier.market.market import Market
from tests.postgres import DATABASES, with_tables


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database with its tables, of each kind in turn."""
    engine = open_engine(with_tables(str(request.param), tmp_path))
    yield engine
    engine.dispose()


@pytest.fixture
def market(engine: Engine) -> Market:
    return Market(engine)
