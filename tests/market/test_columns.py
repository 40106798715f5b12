"""Cells of the market's files: read exactly, or refused with a reason."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.errors import InputError
from kwartier.market.columns import WHOLE, Kind, NoOverlap, columns, fraction, kind_of, quarter
from tests.market.files import ENERGY, FRACTION, MARKET

QUARTER_TO_MIDNIGHT = 1_795_648_500


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25T23:15Z",
        "2026-11-25T23:15:00Z",
        "2026-11-25T23:15+00:00",
        "2026-11-25T23:15:00+00:00",
        "2026-11-25 23:15:00+00:00",
        "2026-11-25T23:15:00.000Z",
    ],
)
def test_a_quarter_is_read_however_utc_is_written(text: str) -> None:
    assert quarter(text) == QUARTER_TO_MIDNIGHT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-11-25T23:15", "is no moment in UTC"),
        ("2026-11-25T23:15+01:00", "is no moment in UTC"),
        ("2026-11-25T24:00Z", "is no moment in UTC"),
        ("2026-02-29T23:15Z", "is no moment in UTC"),
        ("2026-11-25", "is no moment in UTC"),
        ("٢٠٢٦-11-25T23:15Z", "is no moment in UTC"),
        ("2026-11-25T23:10Z", "is not on a quarter"),
        ("2026-11-25T23:15:30Z", "is not on a quarter"),
        ("1970-11-25T23:15Z", "is outside the years"),
    ],
)
def test_what_is_no_quarter_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        quarter(text)


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("0", 0),
        ("1", WHOLE),
        ("1.000000000000", WHOLE),
        ("0.000028534000", 28_534_000),
        ("2.8534e-05", 28_534_000),
        ("2.8534E-5", 28_534_000),
        ("0.000000000001", 1),
        ("0.0000000000010000", 1),
        ("1e-12", 1),
        ("0e999", 0),
    ],
)
def test_a_fraction_is_counted_exactly(text: str, counted: int) -> None:
    assert fraction(text) == counted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-0.1", "is no decimal"),
        ("0,5", "is no decimal"),
        (".5", "is no decimal"),
        ("nan", "is no decimal"),
        ("½", "is no decimal"),
        ("1.000000000001", "is more than 1"),
        ("1e999", "is more than 1"),
        ("0.0000000000001", "has more than 12 digits"),
        ("0.0000285340001", "has more than 12 digits"),
        ("1e-13", "has more than 12 digits"),
    ],
)
def test_what_is_no_fraction_or_a_finer_one_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fraction(text)


@given(st.integers(0, WHOLE))
def test_every_fraction_there_is_comes_back(counted: int) -> None:
    exact = Decimal(counted).scaleb(-12)
    assert fraction(f"{exact:f}") == counted
    assert fraction(str(exact)) == counted


@pytest.mark.parametrize(
    ("name", "header", "kind"),
    [
        ("anything.csv", MARKET, Kind.MARKET),
        ("anything.csv", FRACTION, Kind.FRACTIONS),
        ("infeed.csv", ENERGY, Kind.INFEED),
        ("Losses-2026-03.parquet", ENERGY, Kind.LOSSES),
    ],
)
def test_a_file_is_told_by_its_header_and_infeed_from_losses_by_its_name(name: str, header: str, kind: Kind) -> None:
    assert kind_of(name, header.split(",")) is kind


@pytest.mark.parametrize(
    ("name", "header"), [("energies.csv", ENERGY), ("infeed.csv", "meter,kek"), ("losses.csv", "")]
)
def test_a_file_that_may_be_either_or_is_neither_is_asked_about(name: str, header: str) -> None:
    with pytest.raises(InputError) as caught:
        kind_of(name, header.split(","))
    assert caught.value.code == "unclear-kind"


def test_an_area_may_be_called_by_either_name_but_not_by_both() -> None:
    assert next(one.name for one in columns(Kind.FRACTIONS, ["area", "quarter"])) == "area"
    assert next(one.name for one in columns(Kind.FRACTIONS, ["grid_area", "area"])) == "grid_area"


def test_no_two_rows_of_a_file_speak_of_the_same_day() -> None:
    check = NoOverlap()

    def problems(*rows: tuple[int, str, str, str]) -> dict[int, tuple[str, str]]:
        lines, eans, starts, ends = zip(*rows, strict=True)
        return check(lines, {"ean": eans, "valid_from": starts, "valid_to": ends})

    assert problems((2, "A", "2026-01-10", "2026-01-20"), (3, "B", "2026-01-10", "2026-01-20")) == {}
    assert problems((4, "A", "2026-01-20", "2026-01-20")) == {0: ("valid_to", "is not after valid_from")}
    same = "says something of the same days"
    assert problems(
        (5, "A", "2026-01-19", "2026-02-01"), (6, "A", "2026-01-01", "2026-01-11"), (7, "A", "2026-01-12", "2026-01-13")
    ) == dict.fromkeys((0, 1, 2), ("valid_from", f"line 2 {same}"))
    assert problems((8, "A", "2026-01-01", "2026-02-01")) == {0: ("valid_from", f"line 2 {same}")}
    assert problems((9, "A", "2026-01-20", "2026-02-01"), (10, "A", "2026-01-01", "2026-01-10")) == {}
