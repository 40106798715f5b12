"""Counts of quarters: each once, by the less sure direction, in the row and the hour where it belongs."""

import numpy as np
import pytest

from kwartier.errors import InputError
from kwartier.export.pictures.coverage import MAX_ROWS, Coverage, Seen, coverage_of
from kwartier.export.pictures.palette import KINDS, Kind
from tests.export.pictures.volumes import BACK, FORWARD, PLAIN, TIMEZONE, coverage, volumes


def cell(found: Coverage, row: int, column: str) -> dict[Kind, int]:
    counts = found.counts[row, found.columns.index(column)].tolist()
    return {kind: count for kind, count in zip(KINDS, counts, strict=True) if count}


def test_an_hour_holds_its_quarters_by_kind() -> None:
    found = coverage("mce.")
    assert found.rows == (PLAIN.isoformat(),)
    assert len(found.columns) == 24
    assert cell(found, 0, "07") == {Kind.MEASURED: 1, Kind.CALCULATED: 1, Kind.ESTIMATED: 1, Kind.MISSING: 1}
    assert found.totals() == dict(zip(KINDS, (24, 24, 0, 24, 24), strict=True))
    assert found.complete(0) == (48, 96)


def test_a_quarter_counts_by_its_less_sure_direction_and_not_where_it_has_none() -> None:
    found = coverage_of([Seen(volumes(PLAIN, ["mm-."], export=["me--"]))], TIMEZONE)
    assert cell(found, 0, "00") == {Kind.MEASURED: 1, Kind.ESTIMATED: 1, Kind.MISSING: 1}


def test_late_is_what_came_and_came_late() -> None:
    """An estimate and a gap did not come at all; a meter that was not there is not late."""
    seen = Seen(volumes(PLAIN, ["mce-", "mce."]), np.array([True, False]))
    assert cell(coverage_of([seen], TIMEZONE), 0, "12") == {
        Kind.MEASURED: 1,
        Kind.CALCULATED: 1,
        Kind.LATE: 2,
        Kind.ESTIMATED: 2,
        Kind.MISSING: 1,
    }


def test_single_quarters_can_be_late() -> None:
    late = np.zeros((1, 96), np.bool_)
    late[0, 4:6] = True
    found = coverage_of([Seen(volumes(PLAIN, ["m"]), late)], TIMEZONE)
    assert [cell(found, 0, hour).get(Kind.LATE, 0) for hour in ("00", "01", "02")] == [0, 2, 0]


def test_both_days_on_which_the_clock_is_changed_stand_beside_a_plain_one() -> None:
    days = (PLAIN, BACK, FORWARD)
    found = coverage_of([Seen(volumes(day, ["m"])) for day in days], TIMEZONE)
    assert found.rows == tuple(day.isoformat() for day in sorted(days))
    assert found.columns[:5] == ("00", "01", "02", "02B", "03")
    assert [cell(found, row, "02") for row in range(3)] == [{}, {Kind.MEASURED: 4}, {Kind.MEASURED: 4}]
    assert [cell(found, row, "02B") for row in range(3)] == [{}, {Kind.MEASURED: 4}, {}]
    assert [found.complete(row)[1] for row in range(3)] == [92, 100, 96]


def test_pieces_of_a_day_add_up_in_any_order() -> None:
    rows = ["m", "ce", ".m", "e"]
    whole = coverage(*rows)
    pieces = [Seen(volumes(PLAIN, [row])) for row in rows]
    assert np.array_equal(coverage_of(reversed(pieces), TIMEZONE).counts, whole.counts)


def test_rows_may_be_cohorts_that_meters_are_spread_over() -> None:
    seen = Seen(
        volumes(PLAIN, ["m", ".", "e", "m"]),
        np.array([False, False, False, True]),
        ("B", "A", "C"),
        np.array([0, 1, 0, 1]),
    )
    found = coverage_of([seen, seen], TIMEZONE)
    assert found.rows == ("A", "B", "C")
    assert cell(found, 0, "00") == {Kind.MISSING: 8, Kind.LATE: 8}
    assert cell(found, 1, "00") == {Kind.MEASURED: 8, Kind.ESTIMATED: 8}
    assert found.complete(2) == (0, 0)


def test_no_volumes_and_volumes_of_nobody_are_no_quarters() -> None:
    assert coverage_of([], TIMEZONE).rows == ()
    nobody = coverage()
    assert nobody.totals() == dict.fromkeys(KINDS, 0)
    assert nobody.columns == coverage("m").columns


def test_volumes_of_a_day_of_another_length_are_refused() -> None:
    seen = Seen(volumes(FORWARD, ["m"]))
    with pytest.raises(InputError, match="has 96 quarters in America/Los_Angeles, and the volumes 92") as caught:
        coverage_of([seen], "America/Los_Angeles")
    assert caught.value.code == "bad-day"


def test_more_rows_than_anybody_could_look_at_are_refused() -> None:
    seen = [Seen(volumes(PLAIN, ["m"]), labels=(f"{number}",)) for number in range(MAX_ROWS + 1)]
    assert len(coverage_of(seen[:-1], TIMEZONE).rows) == MAX_ROWS
    with pytest.raises(InputError) as caught:
        coverage_of(seen, TIMEZONE)
    assert caught.value.code == "picture-too-large"


def test_a_repr_shows_no_counts_of_anybody() -> None:
    assert "counts" not in repr(coverage("m"))
