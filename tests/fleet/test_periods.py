"""Dated facts equal a model that keeps, for each moment of knowledge, what was believed of each day."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kwartier.fleet.periods import ALWAYS, NOTHING, OPEN, Version, covering, ended, stated

FIRST = date(2026, 1, 1)
DAYS = 12
STATEMENTS = st.lists(st.tuples(st.integers(0, DAYS - 1), st.sampled_from("abc")), max_size=8)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def applied(versions: list[Version], number: int, facts: str, at: int) -> tuple[list[Version], bool]:
    change = stated(versions, day(number), (facts,))
    kept = [one for one in versions if one not in change.closed]
    kept += [Version(start=start, end=end, known_at=at, facts=said) for start, end, said in change.added]
    return sorted(kept, key=lambda one: one.start), change != NOTHING


@given(STATEMENTS)
def test_any_run_of_statements_is_what_a_calendar_with_a_cell_a_day_says(statements: list[tuple[int, str]]) -> None:
    versions: list[Version] = []
    cells: list[str | None] = [None] * DAYS
    for at, (number, facts) in enumerate(statements):
        borders = [one.start for one in versions if one.start > day(number)]
        end = min(DAYS, (min(borders) - FIRST).days) if borders else DAYS
        cells[number:end] = [facts] * (end - number)
        versions, _ = applied(versions, number, facts, at)
        found = [covering(versions, day(one)) for one in range(DAYS)]
        assert [None if one is None else one.facts[0] for one in found] == cells
        assert all(one.end <= two.start for one, two in pairwise(versions))
        assert all(one.start < one.end for one in versions)
        again, changed = applied(versions, number, facts, at + 1)
        assert (again, changed) == (versions, False)


def test_what_has_ended_holds_up_to_its_last_day() -> None:
    version = Version(start=ALWAYS, end=OPEN, known_at=1, facts=("a",))
    change = ended(version, day(3))
    assert change.closed == (version,)
    assert change.added == ((ALWAYS, day(3), ("a",)),)
