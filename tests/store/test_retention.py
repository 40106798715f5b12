"""What is kept no longer is gone everywhere, and only what nothing points to is removed."""

from datetime import date, timedelta
from pathlib import Path

from kwartier.store.months import Months
from kwartier.store.reader import Reader
from kwartier.store.retention import GRACE_S, drop, vacuum
from kwartier.store.rewrite import Rewriter
from tests.store.test_reader import Keys
from tests.store.test_rewrite import fill, held

FIRST = date(2026, 11, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(6)]
LATER = date(2027, 1, 20)


class Forgetting(Keys):
    def __init__(self) -> None:
        super().__init__()
        self.forgotten: list[date] = []

    def forget(self, day: date) -> None:
        self.forgotten.append(day)


def later() -> float:
    return 4e9


def now() -> float:
    return 0.0


def files(folder: Path) -> int:
    return len(list(folder.rglob("*=*/*.parquet")))


def test_dropped_days_are_gone_with_their_copies_and_keys(tmp_path: Path) -> None:
    keys = Forgetting()
    for day in DAYS:
        fill(tmp_path, day, batches=2, count=4, keys=keys)
    Rewriter(tmp_path, keys).rewrite(LATER)
    before = held(tmp_path, DAYS[3], range(4), keys)
    assert drop(tmp_path, keys, DAYS[2]) == 2
    assert keys.forgotten == DAYS[:2]
    assert held(tmp_path, DAYS[0], range(4), keys) == {}
    assert held(tmp_path, DAYS[3], range(4), keys) == before
    assert Months(tmp_path, keys).page(FIRST).segment == {}
    assert not list((tmp_path / "months").rglob("*.parquet"))
    vacuum(tmp_path, keys, later)
    assert files(tmp_path) == 4
    # The next rewrite makes a segment of what is left.
    assert Rewriter(tmp_path, keys).rewrite(LATER).segmented == 4
    assert held(tmp_path, DAYS[3], range(4), keys) == before


def test_vacuum_removes_what_nothing_points_to_once_it_is_old(tmp_path: Path) -> None:
    fill(tmp_path, FIRST)
    Rewriter(tmp_path).rewrite(LATER)
    before = held(tmp_path, FIRST, range(30))
    (tmp_path / "raw" / f"day={FIRST}" / "orphan.parquet").write_bytes(b"half a file")
    count = files(tmp_path)
    assert vacuum(tmp_path, None, now).files == 0
    assert files(tmp_path) == count
    removed = vacuum(tmp_path, None, later)
    assert (removed.files, files(tmp_path)) == (count - 2, 2)
    assert removed.bytes > 0
    assert held(tmp_path, FIRST, range(30)) == before
    assert GRACE_S > 3600


def test_nothing_is_dropped_that_is_young_enough(tmp_path: Path) -> None:
    fill(tmp_path, FIRST)
    assert drop(tmp_path, None, FIRST) == 0
    assert len(Reader(tmp_path).ids(FIRST)) == 31
