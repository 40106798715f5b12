"""Small files that are whole or not there."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kwartier.disk import write_once


def test_a_file_is_written_once_and_privately(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_once(path, "first\n")
    assert not write_once(path, "second\n")
    assert path.read_text() == "first\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_that_write_at_once_one_wins_and_nobody_reads_half_of_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    texts = [str(number) * 10_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda text: (write_once(path, text), path.read_text()), texts))
    assert [done for done, _ in won].count(True) == 1
    assert {text for _, text in won} == {texts[[done for done, _ in won].index(True)]}
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("kwartier.disk.os.fsync", fail)
    with pytest.raises(OSError, match="full"):
        write_once(tmp_path / "file", "text")
    assert list(tmp_path.iterdir()) == []
