"""What was stored comes back bit for bit, and of several versions the last."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from kwartier.clock import quarter_ends
from kwartier.errors import SecurityError, StateError
from kwartier.model import Beside, Missing, Readings, Stack
from kwartier.store import Store
from kwartier.store.reader import Reader
from kwartier.store.rewrite import Rewriter
from tests.store.entries import CHANNELS, ZONE, entry, readings

DAY = date(2026, 11, 24)
AFTER = DAY + timedelta(days=1)
DAYS = [date(2026, 3, 29), date(2025, 10, 26), date(2026, 2, 10)]
"""92, 100 and 96 quarters."""
SEED = 20_261_125


class Keys:
    """Keys of files that are their paths: enough to see what is encrypted under what."""

    def __init__(self, first: bytes = b"k") -> None:
        self.first = first

    def file_key(self, day: date, path: str, *, new: bool) -> bytes:
        return (self.first + path.encode()[-31:]).ljust(32, b".")[:32]


def one(stacks: list[Stack], identity: int) -> tuple[Stack, int]:
    found = [(stack, int(np.flatnonzero(stack.ids == identity)[0])) for stack in stacks if identity in stack.ids]
    assert len(found) == 1
    return found[0]


def assert_equal(sent: Readings, stack: Stack, row: int, places: slice) -> None:
    """Every register, status and reason of one day."""
    assert set(stack.registers) == set(sent.registers)
    assert stack.beside.get(row, ()) == tuple(
        one for one in sent.beside if sent.times[places][0] < one.time < sent.times[places][-1]
    )
    assert stack.status[row].tolist() == sent.status[places].tolist()
    assert stack.clock_status[row].tolist() == sent.clock_status[places].tolist()
    for name, column in sent.registers.items():
        assert stack.missing[name][row].tolist() == sent.missing[name][places].tolist()
        there = sent.missing[name][places] == Missing.PRESENT
        assert stack.registers[name][row][there].tolist() == column[places][there].tolist()


@st.composite
def sent(draw: st.DrawFn) -> Readings:
    """A day as meters send them: gaps, resets, rollovers, exchanges, one channel or two."""
    day = draw(st.sampled_from(DAYS))
    times = quarter_ends(day, day + timedelta(days=1), ZONE)
    count = len(times)
    channels = draw(st.sampled_from([CHANNELS, CHANNELS[:1], CHANNELS[1:]]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    registers, missing = {}, {}
    for name in channels:
        first = draw(st.sampled_from([0, 1, 2**31 - 50, 2**32 - 900, 2**40]))
        column = first + np.cumsum(generator.integers(0, 40, count))
        for _ in range(draw(st.integers(0, 3))):
            place = draw(st.integers(0, count - 1))
            column[place:] += draw(st.sampled_from([-int(column[place]), 2**31, 2**33, -1])) if column[place] > 0 else 5
        registers[name] = np.abs(column)
        reasons = np.zeros(count, np.uint8)
        for _ in range(draw(st.integers(0, 3))):
            start = draw(st.integers(0, count - 1))
            reasons[start : start + draw(st.integers(1, count))] = draw(st.sampled_from(list(Missing)[1:]))
        missing[name] = reasons
    beside = [
        Beside(
            time=int(times[0]) + 900 * place + draw(st.integers(1, 899)),
            registers={
                name: draw(st.integers(0, 2**62)) for name in draw(st.sampled_from([channels, channels[:1], ()]))
            },
            status=draw(st.integers(0, 255)),
            clock_status=draw(st.integers(0, 255)),
        )
        for place in sorted(draw(st.sets(st.integers(0, count - 2), max_size=3)))
    ]
    return Readings(
        meter="M",
        start=day,
        end=day + timedelta(days=1),
        times=times,
        registers=registers,
        missing=missing,
        status=generator.integers(0, 256, count, np.uint8),
        clock_status=generator.integers(0, 256, count, np.uint8),
        beside=tuple(beside),
    )


@seed(SEED)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(batch=st.lists(sent(), min_size=1, max_size=6))
def test_everything_that_a_meter_sent_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, batch: list[Readings]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    ids = [7 - 3 * number for number in range(len(batch))]
    Store(folder, Keys()).append("a", [entry(identity, found) for identity, found in zip(ids, batch, strict=True)])
    reader = Reader(folder, Keys())
    for identity, found in zip(ids, batch, strict=True):
        there = bool(found.beside) or any((reasons == Missing.PRESENT).any() for reasons in found.missing.values())
        for stacks in (list(reader.look_up([identity], found.start, found.end)), list(reader.scan(found.start))):
            if there:
                assert_equal(found, *one(stacks, identity), slice(None))
            else:
                assert not any(identity in stack.ids for stack in stacks)


def test_days_of_one_transfer_come_back_as_days(tmp_path: Path) -> None:
    whole = readings(date(2026, 3, 28), date(2026, 3, 31), missing=(0, 96, 97, 150))
    Store(tmp_path).append("a", [entry(5, whole), entry(6, whole)])
    stacks = list(Reader(tmp_path).look_up([5], date(2026, 3, 28), date(2026, 3, 31)))
    assert [(stack.day.day, stack.status.shape[1]) for stack in stacks] == [(28, 97), (29, 93), (30, 97)]
    first = 0
    for stack in stacks:
        assert stack.ids.tolist() == [5]
        length = stack.status.shape[1]
        assert_equal(whole, stack, 0, slice(first, first + length))
        first += length - 1


def test_of_several_versions_the_last_is_shown_and_all_are_kept(tmp_path: Path) -> None:
    store, reader = Store(tmp_path), Reader(tmp_path)
    for number in range(3):
        found = readings(DAY, AFTER, first_wh=100 + number)
        store.append(f"{number}", [entry(1, found, known_at=number), entry(2 + number, found)])
    stacks = list(reader.scan(DAY))
    stack, row = one(stacks, 1)
    assert (stack.versions[row], stack.known_at[row], stack.registers["import_wh"][row, 0]) == (3, 2, 102)
    assert sorted(identity for stack in stacks for identity in stack.ids.tolist()) == [1, 2, 3, 4]
    assert len(reader.ids(DAY)) == 6


def test_one_version_of_some_can_be_picked_wherever_rewrites_have_put_it(tmp_path: Path) -> None:
    store, reader = Store(tmp_path), Reader(tmp_path)
    for number in range(3):
        store.append(f"{number}", [entry(one, readings(DAY, AFTER, first_wh=100 * one + number)) for one in (1, 2, 5)])
    picked = np.array([1, 2, 3, 4, 5]), np.array([2, 1, 1, 3, 9])
    for _ in range(2):
        found = list(reader.scan(DAY, picked))
        shown = [(int(s.ids[row]), int(s.registers["import_wh"][row, 0])) for s in found for row in range(len(s))]
        assert sorted(shown) == [(1, 101), (2, 200)]
        assert list(reader.scan(DAY, (picked[0][:0], picked[1][:0]))) == []
        Rewriter(tmp_path).rewrite(AFTER)


def test_a_row_between_quarter_ends_that_says_something_else_is_a_new_version(tmp_path: Path) -> None:
    store = Store(tmp_path)
    plain = readings(DAY, AFTER)
    times = plain.times
    for number, register in enumerate((7, 7, 8)):
        one = Beside(time=int(times[3]) + 60, registers={"import_wh": register}, status=1, clock_status=0)
        done = store.append(f"{number}", [entry(1, replace(plain, beside=(one,)))])
        assert (done.new, done.same, len(done.superseded)) == [(1, 0, 0), (0, 1, 0), (0, 0, 1)][number]


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    assert list(reader.scan(DAY)) == []
    Store(tmp_path).append("a", [entry(1, readings(DAY, AFTER))])
    assert list(reader.look_up([2], DAY, AFTER)) == []
    assert list(reader.look_up([], DAY, AFTER)) == []
    assert list(reader.look_up([1], AFTER, DAY)) == []


# Encryption.


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("day=*/*.parquet"))


def refused(folder: Path, keys: Keys) -> str:
    with pytest.raises(SecurityError) as caught:
        list(Reader(folder, keys).scan(DAY))
    return caught.value.code


def test_a_wrong_key_a_changed_byte_and_a_swapped_file_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path, Keys())
    for number in range(2):
        store.append(f"{number}", [entry(number, readings(DAY, AFTER, first_wh=100 * number))])
    assert sum(map(len, Reader(tmp_path, Keys()).scan(DAY))) == 2
    assert refused(tmp_path, Keys(b"other")) == "sealed-file"
    first, second = files(tmp_path)
    kept = first.read_bytes(), second.read_bytes()
    first.write_bytes(kept[1])
    second.write_bytes(kept[0])
    assert refused(tmp_path, Keys()) == "sealed-file"
    for place in (5, len(kept[0]) // 2, len(kept[0]) - 20):
        changed = bytearray(kept[0])
        changed[place] ^= 1
        first.write_bytes(changed)
        second.write_bytes(kept[1])
        assert refused(tmp_path, Keys()) == "sealed-file"
    first.unlink()
    with pytest.raises(StateError) as caught:
        list(Reader(tmp_path, Keys()).scan(DAY))
    assert caught.value.code == "lost-file"


def test_encrypted_files_show_neither_columns_nor_registers(tmp_path: Path) -> None:
    found: Mapping[str, Keys | None] = {"plain": None, "sealed": Keys()}
    for name, keys in found.items():
        Store(tmp_path / name, keys).append("a", [entry(1, readings(DAY, AFTER, first_wh=2**55))])
    opening = (2**55).to_bytes(8, "little")
    assert opening in files(tmp_path / "plain")[0].read_bytes()
    sealed = files(tmp_path / "sealed")[0].read_bytes()
    assert opening not in sealed
    assert b"import_wh" not in sealed


@pytest.mark.parametrize(("first", "then"), [(None, Keys()), (Keys(), None)])
def test_encryption_is_not_changed_under_what_is_stored(tmp_path: Path, first: Keys | None, then: Keys | None) -> None:
    Store(tmp_path, first).append("a", [entry(1, readings(DAY, AFTER))])
    with pytest.raises(StateError) as caught:
        Store(tmp_path, then)
    assert caught.value.code == "other-encryption"


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    Store(tmp_path).append("a", [entry(1, readings(DAY, AFTER))])
    files(tmp_path)[0].write_bytes(b"PAR1")
    with pytest.raises(StateError) as caught:
        list(Reader(tmp_path).scan(DAY))
    assert caught.value.code == "broken-file"
