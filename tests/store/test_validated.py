"""Volumes come back as they were stored, of several runs the latest that is asked for, wherever rewrites have put them."""

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as pq
import pytest
from deltalake.exceptions import CommitFailedError
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from kwartier.errors import InputError, SecurityError, StateError
from kwartier.model import STATE, Quality, Volumes
from kwartier.store import Store, Validated
from kwartier.store import validated as room
from kwartier.store.files import Files
from kwartier.store.log import Log
from kwartier.store.pins import Pins
from kwartier.store.retention import vacuum
from kwartier.store.rewrite import Rewriter
from kwartier.store.schema import CHANNELS, QUALITIES, VALIDATED
from kwartier.store.validated import in_groups, run_of, transaction
from kwartier.store.volumes_reader import MAX_OPEN, Piece, VolumesReader, VolumesSource
from tests.store.entries import entry, readings
from tests.store.test_reader import DAYS, Keys
from tests.store.volumes import ONE_DAY, rows, volumes

DAY = date(2026, 11, 24)
LATER = date(2027, 1, 20)
SEED = 20_261_127
IDS = range(-20, 20)


def small(monkeypatch: pytest.MonkeyPatch, row_group: int = 7) -> None:
    """Row groups of a few rows, so that a day has many."""
    monkeypatch.setattr(room, "VALIDATED", replace(VALIDATED, row_group=row_group))


def sums(source: VolumesSource, pieces: list[Piece]) -> dict[int, int]:
    """What each id took, by way of an engine's worker."""
    found: dict[int, int] = {}
    for piece in pieces:
        table = source.read(piece)
        assert table.column_names == ["id", *CHANNELS, *QUALITIES.values()]
        for identity, energy_wh in zip(table["id"].to_numpy().tolist(), table["import_wh"], strict=True):
            assert identity not in found, "an id counts once"
            found[identity] = int(np.asarray(energy_wh.values).sum(dtype=np.int64))
    return found


def taken(whole: Volumes) -> dict[int, int]:
    sums_wh = whole.energy_wh["import_wh"].sum(axis=1, dtype=np.int64).tolist()
    return dict(zip(whole.ids.tolist(), sums_wh, strict=True))


# What is stored comes back.


@st.composite
def given_days(draw: st.DrawFn) -> list[Volumes]:
    """A day of 92, 96 or 100 quarters in pieces, no id twice."""
    day = draw(st.sampled_from(DAYS))
    ids = draw(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=40))
    edges = sorted(draw(st.lists(st.integers(0, len(ids)), max_size=3)))
    parts = np.split(np.array(ids, np.int64), edges)
    found = []
    for number, part in enumerate(parts):
        missing = draw(st.lists(st.integers(0, len(part) - 1), max_size=3)) if len(part) else []
        found.append(volumes(day, np.sort(part).tolist(), seed=number, missing=missing, measured=draw(st.booleans())))
    return found


@seed(SEED)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=given_days(), row_group=st.integers(1, 50), encrypted=st.booleans(), rewritten=st.booleans())
def test_what_was_stored_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory,
    pieces: list[Volumes],
    row_group: int,
    encrypted: bool,
    rewritten: bool,
) -> None:
    folder, keys, day = tmp_path_factory.mktemp("store"), Keys() if encrypted else None, pieces[0].day
    with pytest.MonkeyPatch.context() as patched:
        small(patched, row_group)
        Validated(folder, keys).append(3, day, iter(pieces))
    if rewritten:
        Rewriter(folder, keys, VALIDATED).rewrite(LATER)
    reader, stored = VolumesReader(folder, keys), rows(pieces)
    assert rows(list(reader.scan(day))) == stored
    assert rows(list(reader.look_up([identity for _, identity in stored], {day: None}))) == stored
    heads = reader.heads(day)
    assert heads.ids.tolist() == sorted(identity for _, identity in stored)
    assert set(heads.runs.tolist()) <= {3}
    assert heads.ids[~heads.usable].tolist() == sorted(
        identity
        for one in pieces
        for row, identity in enumerate(one.ids.tolist())
        if any((one.quality[name][row] == Quality.MISSING).any() for name in CHANNELS)
    )
    ids, states = reader.states(day)
    assert ids.tolist() == heads.ids.tolist()
    by_id = {identity: values[-len(STATE) :] for (_, identity), values in stored.items()}
    assert [by_id[one] for one in ids.tolist()] == list(zip(*(states[name].tolist() for name in STATE), strict=True))
    assert sums(*reader.work(day)) == {i: total for one in pieces for i, total in taken(one).items()}


def test_nothing_that_was_measured_costs_a_byte_of_quality(tmp_path: Path) -> None:
    Validated(tmp_path).append(1, DAY, [volumes(DAY, [1], measured=True), volumes(DAY, [2], missing=[0])])
    (path,) = tmp_path.rglob("*.parquet")
    found = pq.read_table(path, partitioning=None)
    assert found.schema.equals(VALIDATED.columns)
    assert found["quality_export"].null_count == 1 + (found["quality_export"].to_pylist()[1] is None)
    assert found["quality_import"].to_pylist()[0] is None
    assert found["usable"].to_pylist() == [True, False]


def test_days_of_unequal_length_in_one_run_come_apart(tmp_path: Path) -> None:
    """Meters in two time zones: on one local day one has 92 quarters, the other 96."""
    long, short = volumes(DAY, [1, 3], seed=1), replace(volumes(DAYS[0], [2, 4], seed=2), day=DAY)
    Validated(tmp_path).append(1, DAY, [long, short])
    reader = VolumesReader(tmp_path)
    assert rows(list(reader.scan(DAY))) == rows([long, short])
    assert [one.energy_wh["import_wh"].shape for one in reader.look_up([1, 2, 4], {DAY: None})] == [
        (2, 92),
        (1, 96),
    ]


def test_a_day_of_nothing_is_empty(tmp_path: Path) -> None:
    Validated(tmp_path).append(1, DAY, [])
    reader = VolumesReader(tmp_path)
    assert Validated(tmp_path).has(1, DAY)
    assert list(reader.scan(DAY)) == list(reader.look_up([1], {DAY: None})) == []
    assert reader.work(DAY)[1] == []
    assert len(reader.heads(DAY).ids) == len(reader.states(DAY)[0]) == 0
    assert reader.days(DAY, LATER) == []


# Once, and by whom.


def test_a_run_that_stores_its_day_again_changes_nothing(tmp_path: Path) -> None:
    store, first = Validated(tmp_path), volumes(DAY, IDS)
    version = store.append(7, DAY, [first])

    def never() -> Iterator[Volumes]:
        raise AssertionError("it is not looked at")
        yield first

    assert Validated(tmp_path).append(7, DAY, never()) == version
    assert rows(list(VolumesReader(tmp_path).scan(DAY))) == rows([first])
    # The next part, the next day and the next run are others.
    store.append(7, DAY, [volumes(DAY, [99])], part=1)
    store.append(7, DAY + ONE_DAY, [volumes(DAY + ONE_DAY, [1])])
    store.append(8, DAY, [volumes(DAY, [1], seed=5)])
    assert len(VolumesReader(tmp_path).heads(DAY, 7).ids) == len(IDS) + 1
    assert [run_of(transaction(12, DAY, part)) for part in (0, 3)] == [12, 12]


def test_of_two_that_store_the_same_run_at_once_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, first = Log.commit, volumes(DAY, IDS)
    beside: list[int] = []

    def overtaken(self: Log, *args: object, **more: object) -> None:
        if not beside:
            beside.append(0)
            Validated(tmp_path).append(7, DAY, [first])
        commit(self, *args, **more)  # type: ignore[arg-type]  # as they came

    store = Validated(tmp_path)
    monkeypatch.setattr(Log, "commit", overtaken)
    store.append(7, DAY, [first])
    assert rows(list(VolumesReader(tmp_path).scan(DAY))) == rows([first])
    assert len(list(tmp_path.rglob("*.parquet"))) == 1, "what was written for nothing is cleared away"


def test_a_table_that_others_keep_changing_is_said_to_be_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(self: Log, *args: object, **more: object) -> None:
        raise CommitFailedError("another was first")

    store = Validated(tmp_path)
    monkeypatch.setattr(Log, "commit", overtaken)
    with pytest.raises(StateError) as busy:
        store.append(1, DAY, [volumes(DAY, [1])])
    assert busy.value.code == "store-busy"
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_full_disk_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Files, *args: object, **more: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Files, "write", full)
    with pytest.raises(StateError) as refused:
        Validated(tmp_path).append(1, DAY, [volumes(DAY, [1])])
    assert refused.value.code == "no-room"


@pytest.mark.parametrize("pieces", [[volumes(DAY, [1]), volumes(DAY, [1], seed=2)], [volumes(DAY + ONE_DAY, [1])]])
def test_an_id_comes_once_and_of_its_own_day(tmp_path: Path, pieces: list[Volumes]) -> None:
    with pytest.raises(ValueError, match=r"of one id|are none of"):
        Validated(tmp_path).append(1, DAY, pieces)
    assert not list(tmp_path.rglob("*.parquet"))
    assert not Validated(tmp_path).has(1, DAY)


def test_pieces_of_any_size_make_even_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    Validated(tmp_path).append(1, DAY, (volumes(DAY, range(n, n + 3)) for n in range(0, 24, 3)))
    (path,) = tmp_path.rglob("*.parquet")
    file = pq.ParquetFile(path)
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [7, 7, 7, 3]
    tables = [pyarrow.table({"id": pyarrow.array(range(size), pyarrow.int64())}) for size in (0, 20, 1, 6, 0)]
    assert [one.num_rows for one in in_groups(tables, 7)] == [7, 7, 7, 6]


# As of a run.


@pytest.mark.parametrize("keys", [None, Keys()])
def test_a_day_is_shown_as_of_a_run_before_and_after_rewrites(
    tmp_path: Path, keys: Keys | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    runs = {
        2: volumes(DAY, IDS, seed=2, missing=[0]),
        5: volumes(DAY, range(-5, 8), seed=5),
        9: volumes(DAY, [3, 100], seed=9),
    }
    store, reader = Validated(tmp_path, keys), VolumesReader(tmp_path, keys)
    for run in (5, 2, 9):  # in whatever order they end
        store.append(run, DAY, [runs[run]])
    expected: dict[int | None, dict[tuple[date, int], tuple[object, ...]]] = {1: {}}
    expected[2] = rows([runs[2]])
    expected[5] = expected[7] = {**expected[2], **rows([runs[5]])}
    expected[9] = expected[None] = {**expected[5], **rows([runs[9]])}
    total: dict[int | None, dict[int, int]] = {1: {}, 2: taken(runs[2])}
    total[5] = total[7] = total[2] | taken(runs[5])
    total[9] = total[None] = total[5] | taken(runs[9])
    for rewritten in range(3):
        for as_of, whole in expected.items():
            assert rows(list(reader.scan(DAY, as_of))) == whole
            looked_up = list(reader.look_up([*IDS, 100], {DAY: as_of}))
            assert rows(looked_up) == whole
            came_about = list(reader.qualities([*IDS, 100], DAY, 96, as_of))
            assert [told(one) for one in came_about] == [told(one) for one in looked_up]
            assert not any(one.energy_wh or one.state for one in came_about)
            heads = reader.heads(DAY, as_of)
            assert heads.ids.tolist() == sorted(identity for _, identity in whole)
            assert reader.states(DAY, as_of)[0].tolist() == heads.ids.tolist()
            assert (-20 in heads.ids) == (not heads.usable.all())
            energies = {identity: total[as_of][identity] for _, identity in whole}
            assert sums(*reader.work(DAY, as_of)) == energies
            some = np.array([-20, 3, 4, 55], np.int64)
            assert sums(*reader.work(DAY, as_of, some)) == {i: e for i, e in energies.items() if i in (-20, 3, 4)}
            assert rows(list(reader.scan(DAY, as_of, some))) == {k: v for k, v in whole.items() if k[1] in (-20, 3, 4)}
        if rewritten == 0:
            assert Rewriter(tmp_path, keys, VALIDATED).rewrite(LATER).days == 1
        else:
            store.append(9, DAY, [], part=rewritten)
            assert Rewriter(tmp_path, keys, VALIDATED).rewrite(LATER).days == 0


def told(whole: Volumes) -> tuple[list[int], dict[str, list[list[int]]]]:
    """Ids, and the quality of their quarters."""
    return whole.ids.tolist(), {name: column.tolist() for name, column in whole.quality.items()}


def test_how_quarters_came_about_is_shown_without_reading_an_energy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, reader = Validated(tmp_path), VolumesReader(tmp_path)
    store.append(1, DAY, [volumes(DAY, range(5), measured=True)])
    asked: list[object] = []
    read = pq.ParquetFile.read_row_groups

    def noted(self: pq.ParquetFile, groups: list[int], columns: list[str] | None = None) -> object:
        asked.append(columns)
        return read(self, groups, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noted)
    (whole,) = reader.qualities([3, 4, 7], DAY, 96)
    assert told(whole) == ([3, 4], {name: [[Quality.MEASURED] * 96] * 2 for name in CHANNELS})
    assert asked == [["id", "run", *QUALITIES.values()]]
    assert list(reader.qualities([3], LATER, 96)) == []
    store.append(2, DAY, [volumes(DAY, [9], missing=[0])])
    with pytest.raises(InputError, match="has not 92 quarters") as refused:
        list(reader.qualities([9], DAY, 92))
    assert refused.value.code == "bad-day"


def test_a_row_group_of_which_every_row_counts_is_not_filtered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    store, reader = Validated(tmp_path), VolumesReader(tmp_path)
    store.append(1, DAY, [volumes(DAY, range(21))])
    assert [piece.rows for piece in reader.work(DAY)[1]] == [None] * 3
    store.append(2, DAY, [volumes(DAY, range(8), seed=2)])
    by_path: dict[str, list[bool]] = {}
    for piece in reader.work(DAY)[1]:
        by_path.setdefault(piece.path, []).append(piece.rows is None)
    # Of the first run one row group is superseded as a whole, and one in part.
    assert sorted(by_path.values()) == [[False, True], [True, True]]
    assert [piece.rows for piece in reader.work(DAY, 1)[1]] == [None] * 3


def test_a_look_up_opens_the_row_groups_that_may_have_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    for number in range(3):
        Validated(tmp_path).append(number + 1, DAY + number * ONE_DAY, [volumes(DAY + number * ONE_DAY, range(70))])
    opened: list[int] = []
    read = pq.ParquetFile.read_row_groups

    def counted(self: pq.ParquetFile, groups: list[int], *args: object, **more: object) -> object:
        opened.extend(groups)
        return read(self, groups, *args, **more)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", counted)
    found = list(VolumesReader(tmp_path).look_up([8, 64, 1000, -3], {DAY + n * ONE_DAY: None for n in range(5)}))
    assert [(one.day, one.ids.tolist()) for one in found] == [(DAY + n * ONE_DAY, [8, 64]) for n in range(3)]
    assert opened == [1, 9] * 3


# A worker.


def test_a_source_survives_the_way_to_a_worker_and_shows_no_key(tmp_path: Path) -> None:
    whole = volumes(DAY, IDS)
    Validated(tmp_path, Keys()).append(1, DAY, [whole])
    source, pieces = VolumesReader(tmp_path, Keys()).work(DAY)
    sent, sent_pieces = pickle.loads(pickle.dumps((source, pieces)))  # noqa: S301 - what was pickled on the line itself
    assert sums(sent, sent_pieces) == taken(whole)
    (key,) = source.__reduce__()[1][1].values()  # type: ignore[union-attr]  # there are keys
    for text in (repr(source), repr(pieces), str(source)):
        assert key.hex() not in text
        assert repr(key)[2:-1] not in text
    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(lambda piece: source.read(piece).num_rows, pieces * 20)) == 20 * len(whole)


def test_a_worker_keeps_few_files_open(tmp_path: Path) -> None:
    store = Validated(tmp_path)
    for part in range(MAX_OPEN + 3):
        store.append(1, DAY, [volumes(DAY, [part])], part=part)
    source, pieces = VolumesReader(tmp_path).work(DAY)
    for _ in range(2):
        assert sums(source, pieces).keys() == set(range(MAX_OPEN + 3))
    assert len(source._local.files) == MAX_OPEN


def test_a_file_is_bound_to_its_table_and_its_place(tmp_path: Path) -> None:
    Validated(tmp_path, Keys()).append(1, DAY, [volumes(DAY, [1])])
    Store(tmp_path, Keys()).append("a", [entry(1, readings(DAY, DAY + ONE_DAY))])
    (ours,) = (tmp_path / "validated").rglob("*.parquet")
    (raw,) = (tmp_path / "raw").rglob("*.parquet")
    path = f"{ours.parent.name}/{ours.name}"

    class Same(Keys):
        """One key for all: what is left is the place."""

        def file_key(self, day: date, path: str, *, new: bool) -> bytes:
            return b"k" * 32

    for keys in (Keys(), Keys(b"other"), Same()):
        with pytest.raises(SecurityError) as refused:
            Files(tmp_path / "validated", keys).read(path)
        assert refused.value.code == "sealed-file"
    ours.write_bytes(raw.read_bytes())
    with pytest.raises(SecurityError):
        list(VolumesReader(tmp_path, Keys()).scan(DAY))


def test_one_store_is_encrypted_in_all_of_its_tables_or_in_none(tmp_path: Path) -> None:
    Validated(tmp_path, Keys())
    with pytest.raises(StateError) as refused:
        VolumesReader(tmp_path)
    assert refused.value.code == "other-encryption"


# Under a pin.


def test_what_is_pinned_gives_the_same_sums_while_others_rewrite_and_vacuum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    whole, late = volumes(DAY, IDS), volumes(DAY, range(5), seed=8)
    store, reader = Validated(tmp_path, Keys()), VolumesReader(tmp_path, Keys())
    store.append(1, DAY, [whole])
    now = 4e9
    with reader.held("job", now=now, seconds=60) as version:
        source, pieces = reader.work(DAY)
        before = sums(source, pieces[:2])
        store.append(2, DAY, [late])
        assert Rewriter(tmp_path, Keys(), VALIDATED).rewrite(LATER).days == 1
        assert vacuum(tmp_path, Keys(), lambda: now + 59).files == 1, "the file of the later run, which nobody pinned"
        assert before | sums(source, pieces[2:]) == taken(whole)
        # A fresh worker and a fresh look find the same.
        assert sums(*reader.work(DAY)) == taken(whole)
        assert reader.version == version
        assert Pins(tmp_path).standing(now) == [], "the other table is pinned by itself"
    assert reader.version > version
    assert sums(*reader.work(DAY)) == taken(whole) | taken(late)
    assert vacuum(tmp_path, Keys(), lambda: now).files == 1
    with pytest.raises(StateError) as lost:
        pickle.loads(pickle.dumps(source)).read(pieces[0])  # noqa: S301 - what was pickled on the line itself
    assert lost.value.code == "lost-file"


def test_a_pin_is_of_the_newest_version_at_the_moment_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, reader = Validated(tmp_path), VolumesReader(tmp_path)
    store.append(1, DAY, [volumes(DAY, [1])])
    hold, held = Pins.hold, list[int]()

    def overtaken(self: Pins, name: str, version: int, *, now: float, seconds: int) -> object:
        found = hold(self, name, version, now=now, seconds=seconds)
        if len(held) < 2:
            store.append(len(held) + 2, DAY, [volumes(DAY, [1])])
        held.append(version)
        return found

    monkeypatch.setattr(Pins, "hold", overtaken)
    with reader.held("job", now=0, seconds=60) as version:
        assert held == sorted(set(held))
        assert version == held[-1] == reader.version
        (pin,) = Pins(tmp_path, VALIDATED).standing(0)
        assert pin.version == version
        with reader.held("within", now=0, seconds=60) as inner:
            assert inner == version
        store.append(9, DAY, [volumes(DAY, [1])])
        assert reader.version == version, "a pin that ended within another does not end that one"
    assert Pins(tmp_path, VALIDATED).standing(0) == []
    assert reader.heads(DAY).runs.tolist() == [9]


def test_looks_at_one_version_are_at_one_version(tmp_path: Path) -> None:
    store, reader = Validated(tmp_path), VolumesReader(tmp_path)
    store.append(1, DAY, [volumes(DAY, [1])])
    with reader.steady() as version:
        store.append(2, DAY, [volumes(DAY, [1, 2])])
        assert (reader.version, reader.heads(DAY).ids.tolist()) == (version, [1])
    assert reader.heads(DAY).ids.tolist() == [1, 2]
    assert reader.days(DAY - timedelta(days=9), DAY + ONE_DAY) == [DAY]
