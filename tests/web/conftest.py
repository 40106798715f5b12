"""What the tests of this room share: a village that is made once, and copied for whoever changes something in it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kwartier.service.home import open_home
from tests.service.settling.village import DAY, noon_after
from tests.service.tracing.conftest import NOW, Place, place_in
from tests.web.installation import Served, installed, let_in, served


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home; nothing may change it."""
    return installed(tmp_path_factory.mktemp("web"))


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy of one's own."""
    return shutil.copytree(made, tmp_path / "home")


@pytest.fixture
def here(home: Path) -> Iterator[Served]:
    """A server over it, at noon two days after the day."""
    with served(home, noon_after(DAY)) as found:
        yield found


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two meters of which one visit each was traced."""
    found = place_in(tmp_path_factory.mktemp("traces"))
    with open_home(found.path) as opened:
        let_in(opened, NOW)
    return found
