"""Blocks are drawn once, whoever draws, and a home is in one of them or in none."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from kwartier.database import open_engine, writing
from kwartier.gate.blocks import RESTING, WAITING, Blocks, Split, retire, split
from kwartier.tables import statistics_blocks

MINIMUM = 10
AT = 1_795_600_000


def eans(count: int, first: int = 0) -> list[str]:
    return [f"87{number:016d}" for number in range(first, first + count)]


def blocks(engine: Engine, seed: int = 1) -> Blocks:
    return Blocks(engine, random.Random(seed), wall=lambda: AT)


def stored(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {row.ean: row.block for row in connection.execute(select(statistics_blocks))}


@given(count=st.integers(0, 200), minimum=st.integers(1, 20), seed=st.integers(0, 9))
def test_everybody_is_in_one_block_of_at_least_the_minimum_and_less_than_twice(
    count: int, minimum: int, seed: int
) -> None:
    found = split(eans(count), minimum, random.Random(seed))
    assert all(minimum <= len(members) < 2 * minimum for members in found)
    together = [ean for members in found for ean in members]
    assert sorted(together) == (eans(count) if count >= minimum else [])


def test_fewer_than_the_minimum_wait_until_there_are_enough(engine: Engine) -> None:
    found = blocks(engine)
    assert not found.form([eans(9)], MINIMUM)
    assert set(found.of(eans(9)).codes.tolist()) == {WAITING}
    assert found.form([eans(12)], MINIMUM)
    assert found.of(eans(12)).sizes.tolist() == [12]


def test_a_block_that_is_made_is_never_made_anew(engine: Engine) -> None:
    found = blocks(engine)
    found.form([eans(25), eans(10, first=50)], MINIMUM)
    before = stored(engine)
    assert sorted(Counter(before.values()).values()) == [10, 12, 13]
    found.form([eans(36)], MINIMUM)
    after = stored(engine)
    assert {ean: after[ean] for ean in before} == before
    assert sorted(Counter(after.values()).values()) == [10, 11, 12, 13]


def test_areas_do_not_mix(engine: Engine) -> None:
    blocks(engine).form([eans(15), eans(15, first=15)], MINIMUM)
    found = stored(engine)
    assert not {found[ean] for ean in eans(15)} & {found[ean] for ean in eans(15, first=15)}


def test_who_is_counted_with_whom_is_chance_and_reproducible_from_its_seed() -> None:
    first, second, third = (split(eans(40), MINIMUM, random.Random(seed)) for seed in (1, 1, 2))
    assert first == second != third


def test_two_who_form_blocks_at_once_put_no_home_in_two(engine: Engine) -> None:
    # Connections of their own, as two processes have them.
    url = engine.url.render_as_string(hide_password=False)
    engines = [open_engine(url) for _ in range(4)]
    start = Barrier(len(engines))

    def form(number: int) -> bool:
        start.wait()
        return blocks(engines[number], seed=number).form([eans(60), eans(40, first=60)], MINIMUM)

    with ThreadPoolExecutor(len(engines)) as pool:
        assert all(pool.map(form, range(len(engines))))
    found = blocks(engine).of(eans(100))
    assert (found.codes >= 0).all()
    assert np.bincount(found.codes).tolist() == found.sizes.tolist() == [MINIMUM] * 10
    for one in engines:
        one.dispose()


def whole(found: Split, count: int, present: list[int] | None = None, elsewhere: list[int] | None = None) -> int:
    there, areas = np.ones(count, np.bool_), np.zeros(count, np.int64)
    there[present or []] = False
    areas[elsewhere or []] = 1
    return len(found.whole(there, areas, MINIMUM))


def test_a_block_counts_with_all_of_its_members_in_one_area_or_not_at_all(engine: Engine) -> None:
    found = blocks(engine)
    found.form([eans(10), eans(10, first=10)], MINIMUM)
    split = found.of(eans(20))
    assert whole(split, 20) == 2
    assert whole(split, 20, present=[3]) == 1
    assert whole(split, 20, elsewhere=[3]) == 1
    assert whole(split, 20, elsewhere=list(range(10))) == 2  # the area as a whole has another name
    assert whole(found.of(eans(19)), 19) == 1  # one is not on file any more
    assert len(split.whole(np.ones(20, np.bool_), np.zeros(20, np.int64), MINIMUM + 1)) == 0  # the minimum was raised


def test_whoever_is_retired_rests_with_the_whole_block_and_comes_into_no_other(engine: Engine) -> None:
    found = blocks(engine)
    found.form([eans(10), eans(10, first=10)], MINIMUM)
    with writing(engine) as connection:
        retire(connection, [eans(20)[3]])
    split = found.of(eans(20))
    assert split.codes[3] == RESTING
    assert whole(split, 20) == 1
    assert found.form([eans(20)], MINIMUM)
    assert found.of(eans(20)).codes.tolist() == split.codes.tolist()


def test_a_block_that_lost_a_row_counts_no_more(engine: Engine) -> None:
    found = blocks(engine)
    found.form([eans(19)], MINIMUM)
    with writing(engine) as connection:
        connection.execute(delete(statistics_blocks).where(statistics_blocks.c.ean == eans(1)[0]))
    assert whole(found.of(eans(19)), 19) == 0


def test_no_repr_shows_who_is_counted_with_whom(engine: Engine) -> None:
    found = blocks(engine)
    found.form([eans(10)], MINIMUM)
    assert "codes" not in repr(found.of(eans(10)))
