"""What is kept no longer is gone everywhere, and only what nothing points to is removed."""

import multiprocessing
import os
import signal
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from kwartier.errors import InputError, SecurityError
from kwartier.store.erase import Step
from kwartier.store.log import Log
from kwartier.store.months import Months
from kwartier.store.pins import Pins
from kwartier.store.reader import Reader
from kwartier.store.retention import GRACE_S, Retention, vacuum
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


def month(folder: Path, keys: Keys) -> dict[int, tuple[int, int]]:
    """Six days of a month that is over, in a segment; what the fourth of them holds."""
    for day in DAYS:
        fill(folder, day, batches=2, count=4, keys=keys)
    assert Rewriter(folder, keys).rewrite(LATER).segmented == len(DAYS)
    return held(folder, DAYS[3], range(4), keys)


def test_dropped_days_are_gone_with_their_copies_and_keys(tmp_path: Path) -> None:
    keys = Forgetting()
    before = month(tmp_path, keys)
    assert Retention(tmp_path, keys).drop(DAYS[2]) == 2
    assert len(Retention(tmp_path, keys).proofs(later())) == 2
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


class Real(Forgetting):
    """Of a day whose key was forgotten nothing opens, not even when it has another."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[date] = set()
        self.times: Counter[date] = Counter()

    def file_key(self, day: date, path: str, *, new: bool) -> bytes:
        if new:
            self.gone.discard(day)
        if day in self.gone:
            raise SecurityError("no-day-key", f"{day}")
        return bytes([self.times[day]]) + super().file_key(day, path, new=new)[1:]

    def forget(self, day: date) -> None:
        super().forget(day)
        self.times[day] += 1
        self.gone.add(day)


def test_a_month_of_which_the_first_day_goes_is_read_from_its_days_until_it_has_segments_again(tmp_path: Path) -> None:
    keys, days = Real(), [FIRST + timedelta(days=number) for number in range(12)]
    for first in (0, 5):  # two segments, while the month is running
        for day in days[first : first + 5]:
            fill(tmp_path, day, count=4, keys=keys)
        assert Rewriter(tmp_path, keys).rewrite(days[first + 5]).segmented == 5
    before = {day: held(tmp_path, day, range(4), keys) for day in days[:10]}
    assert Retention(tmp_path, keys).drop(days[1]) == 1
    assert len(Retention(tmp_path, keys).proofs(later())) == 1
    assert keys.forgotten == [FIRST]
    assert {day: held(tmp_path, day, range(4), keys) for day in days[1:10]} == {day: before[day] for day in days[1:10]}
    assert Rewriter(tmp_path, keys).rewrite(days[10]).segmented == 9
    assert {day: held(tmp_path, day, range(4), keys) for day in days[1:10]} == {day: before[day] for day in days[1:10]}


def test_a_key_that_is_forgotten_twice_leaves_no_segment_that_nobody_can_read(tmp_path: Path) -> None:
    keys = Real()
    before = month(tmp_path, keys)
    with Pins(tmp_path).held(Log(tmp_path, encrypted=True), "job", now=0, seconds=100):
        Retention(tmp_path, keys).drop(DAYS[1])
        for _ in range(2):
            assert Retention(tmp_path, keys).proofs(now()) == [], "the pin needs the files"
            assert Months(tmp_path, keys).page(FIRST).segment == {}
            assert Rewriter(tmp_path, keys).rewrite(LATER).segmented == 5
            assert held(tmp_path, DAYS[3], range(4), keys) == before
    assert keys.times[FIRST] == 2


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
    assert Retention(tmp_path, None).drop(FIRST) == 0
    assert Retention(tmp_path, None).proofs(later()) == []
    assert len(Reader(tmp_path).ids(FIRST)) == 31


def test_what_is_dropped_is_told_once_it_is_gone_until_somebody_has_written_it_down(tmp_path: Path) -> None:
    keys = Forgetting()
    for day in DAYS[:2]:
        fill(tmp_path, day, keys=keys)
    retention = Retention(tmp_path, keys)
    retention.drop(DAYS[1])
    (told,) = retention.proofs(now())
    assert (told.day, told.rows, told.ids, told.kept, told.key_forgotten) == (FIRST, 31, 30, 0, True)
    assert not list((tmp_path / "raw" / f"day={FIRST}").iterdir())
    # Whoever was to write it down was lost: it is told again, as the same.
    (again,) = Retention(tmp_path, keys).proofs(now())
    assert again == told
    retention.recorded(told)
    assert Retention(tmp_path, keys).proofs(now()) == []
    assert Retention(tmp_path, keys).drop(DAYS[1]) == 0


def test_a_note_of_what_was_never_carried_out_proves_nothing(tmp_path: Path) -> None:
    fill(tmp_path, FIRST)

    class Lost(Exception):
        """The process, at this moment."""

    def lost(step: Step) -> None:
        raise Lost

    with pytest.raises(Lost):
        Retention(tmp_path, None, lost).drop(DAYS[1])
    assert Retention(tmp_path, None).proofs(later()) == []
    assert len(Reader(tmp_path).ids(FIRST)) == 31


def test_held_rows_stay_alone_in_their_day_until_the_hold_ends(tmp_path: Path) -> None:
    keys = Forgetting()
    for day in DAYS[:2]:
        fill(tmp_path, day, batches=2, count=9, keys=keys)
    Rewriter(tmp_path, keys).rewrite(LATER)
    before = held(tmp_path, FIRST, range(9), keys)
    retention = Retention(tmp_path, keys)
    assert retention.drop(DAYS[2], lambda day: {3, 700} if day == FIRST else ()) == 2
    first, second = retention.proofs(later())
    assert (first.day, first.rows, first.kept, first.key_forgotten) == (FIRST, 8, 1, False)
    assert (second.rows, second.kept, second.key_forgotten) == (10, 0, True)
    for one in (first, second):
        retention.recorded(one)
    assert keys.forgotten == [DAYS[1]]
    assert held(tmp_path, FIRST, range(9), keys) == {3: before[3]}
    assert len(Reader(tmp_path, keys).ids(FIRST)) == 2, "each version of it"
    assert retention.drop(DAYS[2], lambda day: {3}) == 0, "there is nothing that would go"
    assert retention.drop(DAYS[2]) == 1
    (last,) = retention.proofs(later())
    assert (last.rows, last.key_forgotten, keys.forgotten) == (2, True, [DAYS[1], FIRST])
    assert files(tmp_path) == 0


def test_a_pinned_version_keeps_its_files_until_the_pin_ends(tmp_path: Path) -> None:
    fill(tmp_path, FIRST)
    log = Log(tmp_path, encrypted=False)
    log.refresh()
    count = files(tmp_path)
    pins = Pins(tmp_path)
    pins.hold("settlement", log.version, now=1000, seconds=60)
    Rewriter(tmp_path).rewrite(LATER)
    retention = Retention(tmp_path, None)
    retention.drop(DAYS[1])
    assert retention.proofs(1059) == [], "it cannot be said yet that it is gone"
    assert vacuum(tmp_path, None, lambda: 1059).files == 0
    assert len([path for path in log.paths(FIRST) if (tmp_path / "raw" / path).exists()]) == count
    (told,) = retention.proofs(1060)
    assert (told.rows, files(tmp_path)) == (31, 0)
    assert pins.standing(1060) == []


def test_vacuum_too_leaves_what_is_pinned(tmp_path: Path) -> None:
    fill(tmp_path, FIRST)
    log = Log(tmp_path, encrypted=False)
    log.refresh()
    pins = Pins(tmp_path)
    pins.hold("copy", log.version, now=later() - 10, seconds=60)
    before = files(tmp_path)
    Rewriter(tmp_path).rewrite(LATER)
    assert vacuum(tmp_path, None, later).files == 0
    pins.release("copy")
    assert vacuum(tmp_path, None, later).files == before


@pytest.mark.parametrize(
    ("name", "version", "seconds"), [("../x", 1, 5), ("", 1, 5), ("a", -1, 5), ("a", 1, 0), ("a", 1, 10**6)]
)
def test_a_pin_has_a_name_a_version_and_an_end(tmp_path: Path, name: str, version: int, seconds: int) -> None:
    with pytest.raises(InputError) as refused:
        Pins(tmp_path).hold(name, version, now=0, seconds=seconds)
    assert refused.value.code == "bad-pin"


def dropping(folder: Path, step: str) -> None:
    """Drop, prove and write down, and end by SIGKILL where a step is reached."""

    def reached(one: Step) -> None:
        if one == step:
            os.kill(os.getpid(), signal.SIGKILL)

    retention = Retention(folder, Keys(), reached)  # type: ignore[arg-type]  # it is killed before it forgets a key
    retention.drop(DAYS[2], lambda day: {3} if day == FIRST else ())
    retention.proofs(later())


@pytest.mark.parametrize("step", list(Step))
def test_a_process_that_is_killed_while_it_drops_leaves_what_the_next_one_ends_and_proves(
    tmp_path: Path, step: Step
) -> None:
    keys = Forgetting()
    for day in DAYS[:3]:
        fill(tmp_path, day, batches=2, count=9, keys=keys)
    Rewriter(tmp_path, keys).rewrite(LATER)
    before = held(tmp_path, DAYS[2], range(9), keys)
    process = multiprocessing.get_context("spawn").Process(target=dropping, args=(tmp_path, step))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    retention = Retention(tmp_path, keys)
    retention.drop(DAYS[2], lambda day: {3} if day == FIRST else ())
    proofs = {one.day: (one.rows, one.kept, one.key_forgotten) for one in retention.proofs(later())}
    assert proofs == {FIRST: (8, 1, False), DAYS[1]: (10, 0, True)}, "each once, with the rows that were there at first"
    assert keys.forgotten == [DAYS[1]]
    assert set(held(tmp_path, FIRST, range(9), keys)) == {3}
    assert held(tmp_path, DAYS[2], range(9), keys) == before
