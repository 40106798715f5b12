"""What validation made of a month is looked up in a segment, as long as that says the same as the days themselves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow
import pytest

from kwartier.store import Validated
from kwartier.store.files import Files
from kwartier.store.rewrite import Rewriter
from kwartier.store.rows import Integers
from kwartier.store.schema import VALIDATED
from kwartier.store.volumes_reader import FEW, FEW_A_DAY, VolumesReader
from tests.store.test_reader import Keys
from tests.store.volumes import ONE_DAY, rows, volumes

DAYS = [date(2026, 11, 1) + number * ONE_DAY for number in range(6)]
LATER = date(2027, 1, 20)
IDS = range(-8, 8)
TWICE = 3
"""The id of which each day has a second run."""
LATEST: Mapping[date, int | None] = {day: 2 * number + 2 for number, day in enumerate(DAYS)}
"""By day the number of its second run; that of the first is one less."""


@dataclass(frozen=True, kw_only=True)
class Month:
    """Six days in a segment; ``opened``: where the last look-up looked."""

    folder: Path
    keys: Keys | None
    opened: list[str]

    def look_up(
        self, ids: Sequence[int], runs: Mapping[date, int | None]
    ) -> dict[tuple[date, int], tuple[object, ...]]:
        self.opened.clear()
        return rows(list(VolumesReader(self.folder, self.keys).look_up(ids, runs)))

    @property
    def were_copies(self) -> list[bool]:
        return [path.startswith("month=2026-11/") for path in self.opened]


@pytest.fixture(params=[None, Keys()], ids=["plain", "encrypted"])
def month(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Month:
    store, opened, among = Validated(tmp_path, request.param), list[str](), Files.among
    for number, day in enumerate(DAYS):
        store.append(2 * number + 1, day, [volumes(day, IDS, seed=1)])
        store.append(2 * number + 2, day, [volumes(day, [TWICE], seed=2)])
    assert Rewriter(tmp_path, request.param, VALIDATED).rewrite(LATER).segmented == len(DAYS)

    def noted(self: Files, path: str, ids: Integers) -> Iterator[pyarrow.Table]:
        opened.append(path)
        return among(self, path, ids)

    monkeypatch.setattr(Files, "among", noted)
    return Month(folder=tmp_path, keys=request.param, opened=opened)


def stored(day: date, ids: Sequence[int], run: int = 2) -> dict[tuple[date, int], tuple[object, ...]]:
    """What there is of some ids as of the first or the second run of a day."""
    whole = rows([volumes(day, IDS, seed=1)])
    whole |= rows([volumes(day, [TWICE], seed=2)]) if run == 2 else {}
    return {key: row for key, row in whole.items() if key[1] in ids}


@pytest.mark.parametrize("runs", [dict.fromkeys(DAYS, None), LATEST, {**LATEST, DAYS[2]: 99}])
def test_a_month_is_one_file(month: Month, runs: Mapping[date, int | None]) -> None:
    found = month.look_up([TWICE, -7, 500], runs)
    assert found == {key: row for day in DAYS for key, row in stored(day, [TWICE, -7]).items()}
    assert month.were_copies == [True]


def test_as_of_an_earlier_run_a_day_is_read_from_its_file_where_a_later_row_would_hide_it(month: Month) -> None:
    runs = {DAYS[3]: LATEST[DAYS[3]], DAYS[4]: 9}
    assert month.look_up([TWICE, -7], runs) == {**stored(DAYS[3], [TWICE, -7]), **stored(DAYS[4], [TWICE, -7], run=1)}
    assert month.were_copies == [True, False]
    assert month.look_up([-7], runs) == {**stored(DAYS[3], [-7]), **stored(DAYS[4], [-7])}
    assert month.were_copies == [True], "nothing of it is of a later run"
    assert month.look_up([TWICE], {DAYS[0]: 0}) == {}


def test_a_day_that_changed_is_read_from_its_files(month: Month) -> None:
    fresh = volumes(DAYS[0], [-7], seed=9)
    Validated(month.folder, month.keys).append(20, DAYS[0], [fresh])
    assert month.look_up([-7], dict.fromkeys(DAYS[:2], None)) == {**rows([fresh]), **stored(DAYS[1], [-7])}
    assert sorted(month.were_copies) == [False, False, True]


def test_many_ids_are_read_day_by_day(month: Month) -> None:
    some = [-7, *range(100, 99 + FEW_A_DAY)]
    assert month.look_up(some, {DAYS[1]: None}) == stored(DAYS[1], [-7])
    assert month.were_copies == [True]
    assert month.look_up([*some, 99], {DAYS[1]: None}) == stored(DAYS[1], [-7])
    assert month.were_copies == [False]
    assert len(month.look_up([-7, *range(100, 100 + FEW)], dict.fromkeys(DAYS, None))) == len(DAYS)
    assert month.were_copies == [False] * len(DAYS)


@pytest.mark.parametrize("what", ["gone", "broken"])
def test_a_segment_that_cannot_be_read_is_not_used(month: Month, what: str) -> None:
    (path,) = (month.folder / VALIDATED.segments).rglob("*.parquet")
    if what == "gone":
        path.unlink()
    else:
        path.write_bytes(b"half a file")
    found = month.look_up([TWICE, -7], LATEST)
    assert found == {key: row for day in DAYS for key, row in stored(day, [TWICE, -7]).items()}
    assert month.were_copies == [True] + [False] * len(DAYS)
