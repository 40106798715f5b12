"""Names in columns."""

from hypothesis import given
from hypothesis import strategies as st

from kwartier.names import NOWHERE, chained, names_of, places_in

TEXT = st.text("abM0189._:/-", min_size=1, max_size=12)


@given(there=st.sets(TEXT), wanted=st.lists(TEXT))
def test_each_name_is_found_where_it_is_however_long_the_others_are(there: set[str], wanted: list[str]) -> None:
    ordered = sorted(there)
    found = places_in(names_of(ordered), names_of(wanted)).tolist()
    assert found == [ordered.index(one) if one in there else NOWHERE for one in wanted]


def test_a_name_that_begins_like_one_of_fewer_letters_is_not_that_one() -> None:
    assert places_in(names_of(["m1", "m2"]), names_of(["m2", "m22", "m1", "m"])).tolist() == [1, NOWHERE, 0, NOWHERE]


def test_columns_of_unequal_widths_are_one() -> None:
    assert chained([names_of(["a"]), names_of([]), names_of(["abc"])]).tolist() == [b"a", b"abc"]
    assert chained([]).tolist() == []
