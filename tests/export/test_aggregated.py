"""E31: a document a grid area and party, valid, and as sure as the least sure part of each sum."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.errors import InputError
from kwartier.export.aggregated import aggregated
from kwartier.export.document import Content
from kwartier.settle.tables import Area, AreaState, Part
from tests.export.days import AREA, HOSTILE, LENGTHS, OTHER_AREA, SETTLED, content, header, total
from tests.export.reading import check_schema, parsed, text_of, texts, watt_hours

BOTH = (*SETTLED, Area(grid_area=OTHER_AREA, state=AreaState.SETTLED))
GOLDEN = """\
<Series><mRID>00000000-0000-4000-8000-000000000001-1</mRID><version>1</version>\
<settlement_Series.version>D01</settlement_Series.version>\
<marketEvaluationPoint.type>E18</marketEvaluationPoint.type>\
<marketEvaluationPoint.settlementMethod>E02</marketEvaluationPoint.settlementMethod>\
<meteringGridArea_Domain.mRID codingScheme="A10">290000000000000012</meteringGridArea_Domain.mRID>\
<energySupplier_MarketParticipant.mRID codingScheme="A10">2900000000063</energySupplier_MarketParticipant.mRID>\
<balanceResponsibleParty_MarketParticipant.mRID codingScheme="A10">2900000000032\
</balanceResponsibleParty_MarketParticipant.mRID>\
<product>8716867000030</product><quantity_Measure_Unit.name>KWH</quantity_Measure_Unit.name>\
<Period><resolution>PT15M</resolution>\
<timeInterval><start>2026-11-24T23:00Z</start><end>2026-11-25T23:00Z</end></timeInterval>\
<Point><position>1</position><quantity>1234.567</quantity><quality>A04</quality></Point>"""


def told(found: Content) -> list[str]:
    return [text_of(one) for one in aggregated(found)]


def test_a_series_reads_like_this() -> None:
    (text,) = told(content(total(direction="export", energy_wh=1_234_567)))
    assert GOLDEN in text
    for code in ("<type>E31<", "<process.processType>A05<", ">DEA<", ">DDK<"):
        assert code in text


@pytest.mark.parametrize("day", LENGTHS)
def test_days_of_each_length_are_valid(day: date) -> None:
    sums = [total(part, day=day, direction=one, energy_wh=10**9 + 1) for part in Part for one in ("import", "export")]
    (text,) = told(content(*sums, day=day))
    root = parsed(text)
    assert watt_hours(root) == [10**9 + 1] * 4 * LENGTHS[day]
    check_schema(text, "aggregated")


def test_each_party_gets_its_own_of_each_area_and_nobody_what_is_nobodys() -> None:
    sums = [
        total(brp="BRP-Veluwe"),
        total(brp=HOSTILE),
        total(grid_area=OTHER_AREA, brp="BRP-Veluwe"),
        *(total(part) for part in (Part.LOSS, Part.RESIDUAL, Part.INFEED)),
    ]
    documents = list(aggregated(content(*sums, areas=BOTH)))
    assert [(one.subject, one.recipient) for one in documents] == [
        (OTHER_AREA, "BRP-Veluwe"),
        (AREA, HOSTILE),
        (AREA, "BRP-Veluwe"),
    ]
    for one in documents:
        assert "ënd" not in text_of(one)
        check_schema(text_of(one), "aggregated")
    eic = texts(parsed(text_of(documents[0])), "meteringGridArea_Domain.mRID")
    assert eic == ["10YNL----------L"]
    assert 'codingScheme="A01">10YNL' in text_of(documents[0])


def test_the_order_of_sums_does_not_matter() -> None:
    sums = [total(supplier=one, direction=way, method=how) for one in ("Polderstroom", HOSTILE)
            for way in ("import", "export") for how in ("SMA", "cSMA")]  # fmt: skip  # a list of eight
    assert told(content(*sums)) == told(content(*reversed(sums)))


def test_methods_by_readings_are_one_series_and_profiles_another() -> None:
    sums = [
        total(method="SMA", energy_wh=1),
        total(method="cSMA", energy_wh=20),
        total(Part.PROFILED, method="PRF", energy_wh=300),
        total(Part.PROFILED, method="cSMA", energy_wh=4000),
    ]
    (text,) = told(content(*sums))
    root = parsed(text)
    assert texts(root, "marketEvaluationPoint.settlementMethod") == ["E01", "E02"]
    assert watt_hours(root) == [4300] * 96 + [21] * 96
    assert texts(root, "quality") == ["A03"] * 96 + ["A04"] * 96


def test_a_quarter_is_as_sure_as_its_least_sure_part() -> None:
    sums = [
        total(method="SMA", energy_wh=10, calculated={0: 1, 1: 1}, estimated={1: 1}),
        total(method="cSMA", energy_wh=10, calculated={3: 10}, estimated={2: 10, 3: 1}),
    ]
    (text,) = told(content(*sums))
    assert texts(parsed(text), "quality")[:6] == ["A06", "A03", "A03", "A03", "A04", "A04"]


@given(
    st.lists(st.tuples(st.sampled_from([Part.METERED, Part.PROFILED]), st.integers(0, 10**13)), min_size=1, max_size=6)
)
def test_what_is_read_back_adds_up_to_what_was_told(parts: list[tuple[Part, int]]) -> None:
    sums = [total(part, energy_wh=energy_wh, method=f"m{place}") for place, (part, energy_wh) in enumerate(parts)]
    (text,) = told(content(*sums))
    found = np.array(watt_hours(parsed(text)), dtype=object).reshape(-1, 96)
    assert found.sum(axis=0).tolist() == [sum(energy_wh for _, energy_wh in parts)] * 96
    check_schema(text, "aggregated")


@pytest.mark.parametrize(("version", "run"), [(1, ["D01"]), (10, ["D10"]), (11, [])])
def test_the_version_stands_in_every_series_and_as_a_run_as_far_as_there_are_codes(
    version: int, run: list[str]
) -> None:
    (document,) = aggregated(content(total()))
    text = text_of(document, header(version=version))
    assert texts(parsed(text), "version") == [str(version)]
    assert texts(parsed(text), "settlement_Series.version") == run
    check_schema(text, "aggregated")


def test_there_is_no_version_before_the_first() -> None:
    (document,) = aggregated(content(total()))
    with pytest.raises(InputError):
        text_of(document, header(version=0))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"brp": "BRP-Nobody"}, "'BRP-Nobody' under [parties]"),
        ({"supplier": "Zon\u202e"}, "'Zon\\u202e' under [parties]"),
    ],
)
def test_a_code_that_is_missing_is_named_with_its_place(wrong: dict[str, str], named: str) -> None:
    (document,) = aggregated(content(total(**wrong)))  # type: ignore[arg-type]  # names of parties
    with pytest.raises(InputError) as caught:
        text_of(document)
    assert caught.value.code == "no-code"
    assert named in caught.value.detail


def test_an_area_without_a_code_is_named() -> None:
    areas = (Area(grid_area="GA-noord", state=AreaState.SETTLED),)
    (document,) = aggregated(content(total(grid_area="GA-noord"), areas=areas))
    with pytest.raises(InputError, match=r"'GA-noord' under \[areas\]"):
        text_of(document)


@pytest.mark.parametrize("state", [AreaState.HELD, AreaState.STOPPED])
def test_nothing_is_told_of_an_area_that_does_not_add_up(state: AreaState) -> None:
    areas = (*SETTLED, Area(grid_area=OTHER_AREA, state=state))
    documents = list(aggregated(content(total(), total(grid_area=OTHER_AREA), areas=areas)))
    assert [one.subject for one in documents] == [AREA]


def test_a_sum_of_another_day_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        told(content(total(day=date(2026, 3, 29))))
    assert caught.value.code == "bad-message"


def test_the_twin_has_the_names() -> None:
    (document,) = aggregated(content(total(brp=HOSTILE, energy_wh=5)))
    rows = document.rows(header()).to_pylist()
    assert len(rows) == 96
    assert {(one["brp"], one["settlement_method"], one["energy_wh"], one["quality"]) for one in rows} == {
        (HOSTILE, "E02", 5, "A04")
    }
