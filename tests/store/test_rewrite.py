"""A rewrite changes where rows lie and nothing else, whoever works beside it."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow
import pytest

from kwartier.store import Store
from kwartier.store import rewrite as room
from kwartier.store.files import Files
from kwartier.store.log import Log
from kwartier.store.months import Months
from kwartier.store.reader import Reader
from kwartier.store.rewrite import Rewriter, Rewritten, stretches
from kwartier.store.rows import Integers
from kwartier.store.schema import RAW
from tests.store.entries import entry, readings
from tests.store.test_reader import Keys

DAY = date(2026, 11, 24)
AFTER = DAY + timedelta(days=1)
LATER = date(2026, 12, 20)


def held(folder: Path, day: date, ids: range, keys: Keys | None = None) -> dict[int, tuple[int, int]]:
    """What the store shows of a day, by scan and by look-up alike: the closing register and the version of each id."""
    reader = Reader(folder, keys)
    by_scan = shown(reader.scan(day))
    assert shown(reader.look_up(list(ids), day, day + timedelta(days=1))) == by_scan
    return by_scan


def shown(stacks: Iterator[object]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for stack in stacks:
        columns = stack.registers["import_wh"][:, -1]  # type: ignore[attr-defined]  # look-ups and scans give stacks
        for identity, register, version in zip(stack.ids, columns, stack.versions, strict=True):  # type: ignore[attr-defined]  # as above
            assert int(identity) not in found
            found[int(identity)] = (int(register), int(version))
    return found


def fill(folder: Path, day: date = DAY, batches: int = 4, count: int = 30, keys: Keys | None = None) -> None:
    """Some batches of a day, each with ids over the whole range, and a second version of some."""
    store = Store(folder, keys)
    for batch in range(batches):
        ids = range(batch, count, batches)
        found = readings(day, day + timedelta(days=1), first_wh=1000 * batch)
        store.append(f"{day}-{batch}", [entry(identity, found) for identity in ids])
    store.append(f"{day}-again", [entry(3, readings(day, day + timedelta(days=1), first_wh=77))])


def files(folder: Path, day: date = DAY) -> list[str]:
    log = Log(folder, encrypted=False)
    log.refresh()
    return log.paths(day)


@pytest.mark.parametrize("piece", [7, 100_000])
def test_a_day_becomes_one_file_with_every_version_in_the_order_of_ids(
    tmp_path: Path, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PIECE_ROWS", piece)
    fill(tmp_path)
    before = held(tmp_path, DAY, range(30))
    assert Rewriter(tmp_path).rewrite(LATER).days == 1
    assert held(tmp_path, DAY, range(30)) == before
    assert before[3] == (77 + 96 * 7, 2)
    (path,) = files(tmp_path)
    log = Log(tmp_path, encrypted=False)
    ids = Files(log.root, None).read(path, ["id"])["id"].to_numpy()
    assert (np.diff(ids) >= 0).all()
    assert len(Reader(tmp_path).ids(DAY)) == 31
    # Again, there is nothing to do; a row that comes later makes it worth doing.
    assert Rewriter(tmp_path).rewrite(LATER) == Rewritten()
    Store(tmp_path).append("late", [entry(99, readings(DAY, AFTER))])
    assert Rewriter(tmp_path).rewrite(LATER).days == 1
    assert len(held(tmp_path, DAY, range(100))) == 31


def test_of_two_rewrites_at_once_one_succeeds_and_nothing_is_doubled(tmp_path: Path) -> None:
    fill(tmp_path)
    before = held(tmp_path, DAY, range(30))
    first, second = Rewriter(tmp_path), Rewriter(tmp_path)
    outcomes: list[bool] = []
    replace = Rewriter.replace

    def late(self: Rewriter, *args: object, **more: object) -> bool:
        if self is first:
            outcomes.append(second.day(DAY))
        return replace(self, *args, **more)  # type: ignore[arg-type]  # as they came

    with patch.object(Rewriter, "replace", late):
        assert not first.day(DAY)
    assert outcomes == [True]
    assert held(tmp_path, DAY, range(30)) == before
    assert len(Reader(tmp_path).ids(DAY)) == 31


def test_a_rewrite_that_another_overtakes_between_look_and_commit_is_refused_by_the_log(tmp_path: Path) -> None:
    """The transaction's name is what the library checks: without it both commits would pass."""
    fill(tmp_path)
    before = held(tmp_path, DAY, range(30))
    first, second = Rewriter(tmp_path), Rewriter(tmp_path)
    commit = Log.commit
    seen: list[str] = []

    def overtaken(self: Log, *args: object, **more: object) -> None:
        if not seen:
            seen.append("first")
            assert second.day(DAY)
        commit(self, *args, **more)  # type: ignore[arg-type]  # as they came

    with patch.object(Log, "commit", overtaken):
        assert not first.day(DAY)
    assert held(tmp_path, DAY, range(30)) == before
    assert len(Reader(tmp_path).ids(DAY)) == 31


def test_appends_pass_beside_a_rewrite(tmp_path: Path) -> None:
    fill(tmp_path)
    store = Store(tmp_path)
    commit = Log.commit
    appended: list[bool] = []

    def with_company(self: Log, *args: object, **more: object) -> None:
        if not appended:
            appended.append(True)
            store.append("beside", [entry(500, readings(DAY, AFTER))])
        commit(self, *args, **more)  # type: ignore[arg-type]  # as they came

    with patch.object(Log, "commit", with_company):
        assert Rewriter(tmp_path).day(DAY)
    assert len(held(tmp_path, DAY, range(501))) == 31
    # The writer that had the old files in mind still knows what is there.
    assert store.append("same", [entry(500, readings(DAY, AFTER))]).same == 1
    assert store.append("same too", [entry(3, readings(DAY, AFTER, first_wh=77))]).same == 1


def test_stretches_of_ids_cut_no_id_in_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PIECE_ROWS", 4)
    ids = np.array([1, 1, 1, 2, 2, 2, 3, 4, 5, 5, 5, 5, 5, 9])
    found = list(stretches(ids))
    assert found[0][0] == 1
    assert found[-1][1] == 9
    assert sum(int(((ids >= low) & (ids <= high)).sum()) for low, high in found) == len(ids)
    assert list(stretches(np.zeros(0, np.int64))) == []


# Segments.


@pytest.mark.parametrize("keys", [pytest.param(None, marks=pytest.mark.long), Keys()])
def test_days_of_a_month_are_read_from_a_segment_and_are_what_they_were(tmp_path: Path, keys: Keys | None) -> None:
    days = [date(2026, 11, 1) + timedelta(days=number) for number in range(30)]
    for day in days:
        fill(tmp_path, day, batches=2, count=6, keys=keys)
    before = {day: held(tmp_path, day, range(6), keys) for day in days}
    assert Rewriter(tmp_path, keys).rewrite(LATER) == Rewritten(days=30, segmented=30)
    assert {day: held(tmp_path, day, range(6), keys) for day in days} == before
    opened: list[str] = []
    among = Files.among

    def counted(self: Files, path: str, ids: Integers) -> Iterator[pyarrow.Table]:
        opened.append(path)
        return among(self, path, ids)

    with patch.object(Files, "among", counted):
        found = list(Reader(tmp_path, keys).look_up([3], days[0], days[-1] + timedelta(days=1)))
    assert [stack.day for stack in found] == days
    assert len(opened) == 1


def test_a_day_that_changed_is_not_read_from_its_segment(tmp_path: Path) -> None:
    days = [date(2026, 12, 1) + timedelta(days=number) for number in range(5)]
    for day in days:
        fill(tmp_path, day, batches=1, count=4)
    assert Rewriter(tmp_path).rewrite(LATER).segmented == 5
    late = readings(days[2], days[2] + timedelta(days=1), first_wh=9)
    Store(tmp_path).append("late", [entry(1, late)])
    assert held(tmp_path, days[2], range(4))[1] == (9 + 96 * 7, 2)
    # One day is too few for a segment of its own; when the month is over all its days are in one.
    assert Rewriter(tmp_path).rewrite(LATER) == Rewritten(days=1, segmented=0)
    assert held(tmp_path, days[2], range(4))[1] == (9 + 96 * 7, 2)
    more = [days[-1] + timedelta(days=number) for number in range(1, 6)]
    for day in more:
        fill(tmp_path, day, batches=1, count=4)
    assert Rewriter(tmp_path).rewrite(LATER).segmented == 6
    assert len(Months(tmp_path, None).page(days[0]).parts) == 2
    assert Rewriter(tmp_path).rewrite(date(2027, 1, 20)).segmented == 10
    assert len(Months(tmp_path, None).page(days[0]).parts) == 1
    assert held(tmp_path, days[2], range(4))[1] == (9 + 96 * 7, 2)
    # And not again for a day that changes; for five.
    for number, day in enumerate(more, 1):
        assert Rewriter(tmp_path).rewrite(date(2027, 1, 20)).segmented == 0
        Store(tmp_path).append(f"late {day}", [entry(2, readings(day, day + timedelta(days=1), first_wh=11))])
        assert held(tmp_path, day, range(4))[2] == (11 + 96 * 7, 2), number
    assert Rewriter(tmp_path).rewrite(date(2027, 1, 20)).segmented == 10
    assert [held(tmp_path, day, range(4))[2] for day in more] == [(11 + 96 * 7, 2)] * 5


def test_what_is_left_of_a_month_whose_days_go_one_by_one_gets_no_segment(tmp_path: Path) -> None:
    days = [date(2026, 11, 26) + timedelta(days=number) for number in range(10)]
    for day in days:
        fill(tmp_path, day, batches=1, count=2)
    assert Rewriter(tmp_path).rewrite(LATER, days[0]).segmented == 5
    assert sorted(Months(tmp_path, None).page(days[0]).segment) == []
    assert sorted(Months(tmp_path, None).page(days[5]).segment) == days[5:]
    assert Rewriter(tmp_path).rewrite(LATER, date(2026, 11, 1)).segmented == 5


def test_a_segment_that_cannot_be_read_is_not_used(tmp_path: Path) -> None:
    for keys in (None, Keys()):
        folder = tmp_path / f"{keys is None}"
        fill(folder, DAY, count=4, keys=keys)
        before = held(folder, DAY, range(4), keys)
        assert Rewriter(folder, keys).rewrite(date(2027, 1, 20)).segmented == 1
        (path,) = (folder / RAW.segments).rglob("*.parquet")
        path.write_bytes(b"half a file")
        assert held(folder, DAY, range(4), keys) == before
        path.unlink()
        assert held(folder, DAY, range(4), keys) == before
