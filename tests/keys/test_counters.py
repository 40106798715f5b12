"""Invocation counters: nobody gets a number that somebody else had, and none goes back."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine, event, update

from kwartier.database import open_engine, writing
from kwartier.dlms.protection import MAX_COUNTER
from kwartier.errors import KwartierError, SecurityError, StateError
from kwartier.keys.counters import FIRST_COUNTER, LAST_COUNTER, MAX_RANGE, WARN_COUNTER, CounterKey, Counters
from kwartier.tables import counters as table
from tests.keys.killing import KEYS

KEY, OTHER_TITLE, OTHER_KEY, _ = KEYS


def numbers(counters: Counters, key: CounterKey, count: int) -> list[int]:
    taken = counters.reserve(key, count)
    return [taken.take() for _ in range(taken.left)]


def set_next(engine: Engine, value: int) -> None:
    with engine.begin() as connection:
        connection.execute(update(table).values(next=value))


def code(error: pytest.ExceptionInfo[KwartierError]) -> str:
    return error.value.code


def test_ranges_follow_each_other_without_overlap(engine: Engine) -> None:
    counters = Counters(engine)
    assert numbers(counters, KEY, 3) == [FIRST_COUNTER, FIRST_COUNTER + 1, FIRST_COUNTER + 2]
    assert numbers(counters, KEY, 2) == [FIRST_COUNTER + 3, FIRST_COUNTER + 4]


def test_each_key_and_each_title_has_a_counter_of_its_own(engine: Engine) -> None:
    counters = Counters(engine)
    counters.reserve(KEY, 100)
    assert counters.next_of(OTHER_TITLE) == counters.next_of(OTHER_KEY) == FIRST_COUNTER


def test_a_reservation_is_there_for_another_connection_before_it_is_handed_out(engine: Engine, url: str) -> None:
    stop = Counters(engine).reserve(KEY, 10)
    second = open_engine(url)
    assert Counters(second).next_of(KEY) == FIRST_COUNTER + 10
    assert stop.left == 10
    second.dispose()


def test_a_reservation_that_does_not_reach_the_disk_is_not_handed_out(engine: Engine) -> None:
    """The commit fails: the caller gets an error and no numbers."""
    counters = Counters(engine)
    counters.reserve(KEY, 1)

    def fail(_connection: object) -> None:
        raise OSError("the disk is full")

    event.listen(engine, "commit", fail)
    with pytest.raises(OSError, match="full"):
        counters.reserve(KEY, 5)
    event.remove(engine, "commit", fail)
    assert counters.next_of(KEY) == FIRST_COUNTER + 1


def test_a_batch_is_one_transaction_and_answers_in_the_order_of_the_question(engine: Engine) -> None:
    counters = Counters(engine)
    counters.raise_to(KEY, 500)
    asked = [(OTHER_KEY, 2), (KEY, 3), (OTHER_TITLE, 4), (KEY, 1)]
    ranges = counters.reserve_many(asked)
    assert [one.left for one in ranges] == [2, 3, 4, 1]
    assert [one.take() for one in ranges] == [1, 500, 1, 503]


def test_a_batch_with_one_impossible_wish_gives_out_nothing(engine: Engine) -> None:
    counters = Counters(engine)
    with pytest.raises(StateError) as caught:
        counters.reserve_many([(KEY, 5), (OTHER_KEY, MAX_RANGE + 1)])
    assert code(caught) == "bad-counter-range"
    assert counters.next_of(KEY) == FIRST_COUNTER


@pytest.mark.parametrize("count", [0, -1, MAX_RANGE + 1])
def test_a_reservation_has_a_sensible_size(count: int, engine: Engine) -> None:
    with pytest.raises(StateError) as caught:
        Counters(engine).reserve(KEY, count)
    assert code(caught) == "bad-counter-range"


def test_the_last_counter_is_given_out_and_none_after_it(engine: Engine) -> None:
    counters = Counters(engine)
    counters.raise_to(KEY, LAST_COUNTER)
    assert numbers(counters, KEY, 1) == [LAST_COUNTER]
    with pytest.raises(StateError) as caught:
        counters.reserve(KEY, 1)
    assert code(caught) == "counter-exhausted"
    assert counters.next_of(KEY) == LAST_COUNTER + 1, "asking again does not move it"


def test_counters_beyond_thirty_one_bits_are_kept_as_they_are(engine: Engine) -> None:
    counters = Counters(engine)
    counters.raise_to(KEY, 2**31 + 7)
    assert numbers(counters, KEY, 2) == [2**31 + 7, 2**31 + 8]
    counters.accepted(KEY, MAX_COUNTER)
    assert counters.peer_counter(KEY) == MAX_COUNTER


def test_raising_moves_forward_by_what_it_says_and_never_back(engine: Engine) -> None:
    counters = Counters(engine)
    assert counters.raise_to(KEY, 1000) == 1000 - FIRST_COUNTER
    assert counters.raise_to(KEY, 999) == 0
    assert counters.raise_to(KEY, 1000) == 0
    assert counters.next_of(KEY) == 1000


def test_many_counters_are_raised_in_the_callers_transaction(engine: Engine) -> None:
    counters = Counters(engine)
    keys = [CounterKey(ek_fingerprint=f"{number:032x}", title=KEY.title) for number in range(1100)]
    counters.raise_to(keys[3], 9000)
    with writing(engine) as connection:
        counters.raise_all(connection, {key: 1000 + number for number, key in enumerate(keys)})
    with pytest.raises(StateError), writing(engine) as connection:
        counters.raise_all(connection, {keys[0]: 5, keys[1]: MAX_COUNTER + 2})
    assert [counters.next_of(keys[number]) for number in (0, 1, 3, 1099)] == [1000, 1001, 9000, 2099]


@pytest.mark.parametrize("value", [-1, MAX_COUNTER + 2])
def test_a_counter_is_not_raised_to_what_is_none(value: int, engine: Engine) -> None:
    with pytest.raises(StateError) as caught:
        Counters(engine).raise_to(KEY, value)
    assert code(caught) == "bad-counter-range"


def test_a_jump_up_to_the_bound_is_made_and_a_larger_one_refused(engine: Engine) -> None:
    counters = Counters(engine)
    assert counters.raise_to(KEY, FIRST_COUNTER + 50, max_jump=50) == 50
    with pytest.raises(SecurityError) as caught:
        counters.raise_to(KEY, FIRST_COUNTER + 101, max_jump=50)
    assert code(caught) == "counter-jump"
    assert counters.next_of(KEY) == FIRST_COUNTER + 50


def test_the_peer_counter_only_grows(engine: Engine) -> None:
    counters = Counters(engine)
    assert counters.peer_counter(KEY) == -1
    for highest, kept in ((7, 7), (3, 7), (8, 8)):
        counters.accepted(KEY, highest)
        assert counters.peer_counter(KEY) == kept
    assert counters.peer_counter(OTHER_TITLE) == -1


def test_counters_that_come_near_their_end_are_counted(engine: Engine) -> None:
    counters = Counters(engine)
    counters.raise_to(KEY, WARN_COUNTER)
    assert counters.nearly_spent() == 0
    counters.raise_to(KEY, WARN_COUNTER + 1)
    assert counters.nearly_spent() == 1


def test_many_at_once_share_one_counter_without_a_gap_or_a_repetition(engine: Engine) -> None:
    """Also batches that name the same keys the other way round: neither waits for the other for ever."""
    threads, rounds = 4, 12
    counters, together = Counters(engine), Barrier(threads)

    def work(place: int) -> list[int]:
        together.wait()
        taken = []
        for _ in range(rounds):
            wanted = [(KEY, 2), (OTHER_KEY, 1)]
            ranges = counters.reserve_many(wanted if place % 2 else wanted[::-1])
            mine = ranges[0 if place % 2 else 1]
            taken += [mine.take() for _ in range(mine.left)]
        return taken

    with ThreadPoolExecutor(threads) as pool:
        taken = [number for numbers in pool.map(work, range(threads)) for number in numbers]
    assert sorted(taken) == list(range(FIRST_COUNTER, FIRST_COUNTER + 2 * threads * rounds))


def test_raising_does_not_undo_a_reservation_that_comes_in_between(engine: Engine) -> None:
    """While one raises the counter by a little, others reserve far beyond: the counter ends where they left it."""
    threads, rounds = 4, 15
    counters, together = Counters(engine), Barrier(threads)

    def work(place: int) -> list[int]:
        together.wait()
        taken = []
        for _ in range(rounds):
            if place % 2:
                counters.raise_to(KEY, counters.next_of(KEY) + 3)
            else:
                taken += numbers(counters, KEY, 20)
        return taken

    with ThreadPoolExecutor(threads) as pool:
        taken = [number for numbers in pool.map(work, range(threads)) for number in numbers]
    assert len(taken) == len(set(taken))
    assert max(taken) < counters.next_of(KEY)
