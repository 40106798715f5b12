"""Whether an installation can do its work: each part by itself, and never by an error."""

from pathlib import Path

import pytest

from kwartier.service import readiness
from kwartier.service.files import DiskRoom
from kwartier.service.home import create_home, open_home


def test_a_home_that_was_just_made_is_ready(tmp_path: Path) -> None:
    create_home(tmp_path / "home")
    with open_home(tmp_path / "home") as home:
        assert readiness.ready(home) == {"database": True, "log": True, "store": True}


def test_a_disk_that_is_full_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_home(tmp_path / "home")
    monkeypatch.setattr(readiness, "room_for", lambda folder: DiskRoom(free_bytes=1, kept_bytes=2))
    with open_home(tmp_path / "home") as home:
        assert readiness.ready(home) == {"database": True, "log": True, "store": False}
