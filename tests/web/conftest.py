"""What the tests of this room share: a village that is made once, and copied for whoever changes something in it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.settling.village import DAY, noon_after
from tests.web.installation import Served, installed, served


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
