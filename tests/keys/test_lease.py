"""Counters of a batch: reserved and read together, spent apart, remembered together."""

from pathlib import Path

from kwartier.database import open_engine
from kwartier.keys.counters import FIRST_COUNTER, CounterKey, Counters
from kwartier.keys.source import MeterCounters, lease, remember
from tests.postgres import with_tables

OWN_TITLE = bytes.fromhex("4B57540102030405")


def counters_in(folder: Path) -> Counters:
    return Counters(open_engine(with_tables("sqlite", folder)))


def meters(counters: Counters, count: int) -> list[MeterCounters]:
    return [
        MeterCounters(
            counters, ek_fingerprint=f"{place:064x}", own_title=OWN_TITLE, meter_title=place.to_bytes(8, "big")
        )
        for place in range(count)
    ]


def test_a_batch_gets_a_range_for_each_meter_and_nobody_gets_them_again(tmp_path: Path) -> None:
    counters = counters_in(tmp_path)
    batch = meters(counters, 1200)
    first, second = lease(counters, batch, 8), lease(counters, batch, 8)
    for one, other in zip(first, second, strict=True):
        assert (one.reserved.start, one.reserved.stop) == (FIRST_COUNTER, FIRST_COUNTER + 8)
        assert (other.reserved.start, other.reserved.stop) == (FIRST_COUNTER + 8, FIRST_COUNTER + 16)
    assert first[7].reserve(4).start == FIRST_COUNTER + 16


def test_what_was_heard_of_a_batch_is_there_for_the_next(tmp_path: Path) -> None:
    counters = counters_in(tmp_path)
    batch = meters(counters, 3)
    leased = lease(counters, batch, 8)
    assert [one.peer_counter for one in leased] == [-1, -1, -1]
    leased[0].accepted(70)
    leased[0].accepted(60)
    leased[2].accepted(5)
    remember(counters, leased)
    assert [one.peer_counter for one in lease(counters, batch, 8)] == [70, -1, 5]
    leased[0].heard = 3
    remember(counters, leased)
    assert batch[0].peer_counter == 70, "the highest counter never goes back"


def test_two_meters_that_share_a_key_get_different_counters(tmp_path: Path) -> None:
    counters = counters_in(tmp_path)
    shared = CounterKey(ek_fingerprint="00" * 32, title=OWN_TITLE.hex())
    one, other = counters.reserve_many([(shared, 5), (shared, 7)])
    assert (one.stop, other.stop - other.start) == (other.start, 7)


def test_an_empty_batch_asks_nothing(tmp_path: Path) -> None:
    counters = counters_in(tmp_path)
    assert lease(counters, [], 8) == []
    remember(counters, [])
