"""E66: valid for days of each length and every quality, exact to the watt-hour, and only of areas that add up."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.errors import InputError
from kwartier.export import validated as room
from kwartier.export.document import Content
from kwartier.export.formats import FORMATS
from kwartier.export.series import Series, combined
from kwartier.export.validated import validated
from kwartier.model import Quality
from kwartier.settle.tables import Area, AreaState
from tests.export.days import AREA, EAN, LENGTHS, OTHER_AREA, PLAIN, SETTLED, content, header, series, times_of
from tests.export.reading import check_schema, complaints_of, names, parsed, text_of, texts, watt_hours

GOLDEN = """<?xml version="1.0" encoding="UTF-8"?>
<NotifyValidatedMeasureData_MarketDocument xmlns="urn:ediel.org:measure:notifyvalidatedmeasuredata:0:1">\
<mRID>00000000-0000-4000-8000-000000000001</mRID><type>E66</type><process.processType>E23</process.processType>\
<businessSector.type>23</businessSector.type>\
<sender_MarketParticipant.mRID codingScheme="A10">2900000000018</sender_MarketParticipant.mRID>\
<sender_MarketParticipant.marketRole.type>MDR</sender_MarketParticipant.marketRole.type>\
<receiver_MarketParticipant.mRID codingScheme="A10">2900000000063</receiver_MarketParticipant.mRID>\
<receiver_MarketParticipant.marketRole.type>DDQ</receiver_MarketParticipant.marketRole.type>\
<createdDateTime>2026-11-18T11:06:40Z</createdDateTime>
<Series><mRID>00000000-0000-4000-8000-000000000001-1</mRID>\
<marketEvaluationPoint.mRID codingScheme="A10">200000000000000004</marketEvaluationPoint.mRID>\
<marketEvaluationPoint.type>E17</marketEvaluationPoint.type>\
<registration_DateAndOrTime.dateTime>2026-11-18T08:20:00Z</registration_DateAndOrTime.dateTime>\
<product>8716867000030</product><quantity_Measure_Unit.name>KWH</quantity_Measure_Unit.name>\
<Period><resolution>PT15M</resolution>\
<timeInterval><start>2026-11-24T23:00Z</start><end>2026-11-25T23:00Z</end></timeInterval>\
<Point><position>1</position><quantity>0.000</quantity><quality>A04</quality></Point>\
<Point><position>2</position><quantity>0.123</quantity><quality>A06</quality></Point>\
<Point><position>3</position><quantity>12.005</quantity><quality>A03</quality></Point>\
<Point><position>4</position><quality>A02</quality></Point>"""


def told(found: Content) -> list[str]:
    return [text_of(one) for one in validated(found)]


def test_a_message_reads_like_this() -> None:
    energy_wh = [0, 123, 12_005, 0] + [1] * 92
    kinds = [Quality.MEASURED, Quality.CALCULATED, Quality.ESTIMATED, Quality.MISSING]
    (text,) = told(content(series(energy_wh=energy_wh, quality=[*kinds, *[Quality.MEASURED] * 92])))
    assert text.startswith(GOLDEN)
    assert text.endswith("</Series>\n</NotifyValidatedMeasureData_MarketDocument>\n")


@pytest.mark.parametrize(("day", "count"), LENGTHS.items())
@pytest.mark.parametrize("direction", ["import", "export"])
def test_days_of_each_length_are_valid(day: date, count: int, direction: str) -> None:
    (text,) = told(content(series(day, direction=direction), day=day))
    root = parsed(text)
    assert texts(root, "position") == [str(place) for place in range(1, count + 1)]
    assert watt_hours(root) == list(range(count))
    assert texts(root, "marketEvaluationPoint.type") == [{"import": "E17", "export": "E18"}[direction]]
    assert texts(root, "start") == [{92: "2026-03-28T23:00Z", 96: "2026-11-24T23:00Z", 100: "2026-10-24T22:00Z"}[count]]
    assert texts(root, "end") == [{92: "2026-03-29T22:00Z", 96: "2026-11-25T23:00Z", 100: "2026-10-25T23:00Z"}[count]]
    check_schema(text, "validated")


@st.composite
def some_series(draw: st.DrawFn) -> Series:
    day = draw(st.sampled_from(list(LENGTHS)))
    count = LENGTHS[day]
    energy_wh = draw(st.lists(st.integers(0, 10**12), min_size=count, max_size=count))
    quality = draw(st.lists(st.sampled_from(list(Quality)), min_size=count, max_size=count))
    return series(day, energy_wh=energy_wh, quality=[int(one) for one in quality])


@given(some_series())
def test_what_is_read_back_is_what_was_told(one: Series) -> None:
    if one.is_empty:
        assert told(content(one, day=one.day)) == []
        return
    (text,) = told(content(one, day=one.day))
    root = parsed(text)
    there = one.quality != Quality.MISSING
    assert watt_hours(root) == one.energy_wh[there].tolist()
    expected = {0: "A04", 1: "A06", 2: "A03", 3: "A02", 4: "A06"}
    assert texts(root, "quality") == [expected[int(kind)] for kind in one.quality]
    check_schema(text, "validated")


def test_the_schema_would_see_a_message_that_is_wrong() -> None:
    (text,) = told(content(series()))
    check_schema(text, "validated")
    for right, wrong in (("PT15M", "15 minutes"), ("E17", "E99"), ("T23:00Z", "T23:00:00Z"), ("A04", "A99")):
        assert complaints_of(text.replace(right, wrong), "validated"), wrong


def test_each_supplier_gets_its_connections_in_documents_of_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_SERIES", 2)
    eans = [f"{number:018d}" for number in range(7)]
    found = [series(ean=ean, supplier="Polderstroom" if place % 3 else "Zon") for place, ean in enumerate(eans)]
    documents = list(validated(content(*found)))
    got = [(one.recipient, one.subject, texts(parsed(text_of(one)), "marketEvaluationPoint.mRID")) for one in documents]
    assert got == [
        ("Polderstroom", "part 1", [eans[1], eans[2]]),
        ("Zon", "part 1", [eans[0], eans[3]]),
        ("Polderstroom", "part 2", [eans[4], eans[5]]),
        ("Zon", "part 2", [eans[6]]),
    ]
    assert [text_of(one) for one in validated(content(*found))] == [text_of(one) for one in documents]


def test_no_more_series_are_asked_for_than_the_next_document_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_SERIES", 10)
    asked: list[int] = []

    def endless() -> Iterator[Series]:
        number = 0
        while True:
            asked.append(number)
            yield series(ean=f"{number:018d}")
            number += 1

    documents = validated(Content(day=PLAIN, times=times_of(PLAIN), areas=SETTLED, series=endless()))
    for count in (10, 20, 30):
        next(documents)
        assert len(asked) == count


def test_nothing_is_told_of_an_area_that_does_not_add_up_or_is_not_known() -> None:
    held = Area(grid_area=OTHER_AREA, state=AreaState.HELD, reason="beyond its bounds")
    found = [
        series(ean="1" * 18),
        series(ean="2" * 18, grid_area=OTHER_AREA),
        series(ean="3" * 18, grid_area="GA-else"),
    ]
    (text,) = told(content(*found, areas=(*SETTLED, held)))
    assert texts(parsed(text), "marketEvaluationPoint.mRID") == ["1" * 18]
    assert told(content(*found, areas=(held,))) == []


def test_a_connection_without_the_direction_has_no_series_of_it() -> None:
    found = series(direction="export", energy_wh=[0] * 96, quality=[Quality.ABSENT] * 96)
    assert told(content(found)) == []


def test_a_quarter_in_which_there_was_no_meter_is_zero_and_calculated() -> None:
    (text,) = told(content(series(energy_wh=[0] * 48 + [5] * 48, quality=[Quality.ABSENT] * 48 + [0] * 48)))
    assert texts(parsed(text), "quality") == ["A06"] * 48 + ["A04"] * 48
    assert watt_hours(parsed(text)) == [0] * 48 + [5] * 48


def test_two_meters_at_one_connection_are_one_series_as_sure_as_the_less_sure() -> None:
    rest = 91
    first = series(energy_wh=[1, 2, 3, 4, 0] + [0] * rest, quality=[0, 2, 1, 0, 4] + [4] * rest)
    second = series(energy_wh=[0, 0, 30, 40, 50] + [0] * rest, quality=[4, 4, 0, 3, 2] + [4] * rest)
    for both in (combined(first, second), combined(second, first)):
        assert both.energy_wh[:5].tolist() == [1, 2, 33, 44, 50]
        assert both.quality[:5].tolist() == [0, 2, 1, 3, 2]
        assert (both.quality[5:] == Quality.ABSENT).all()
    with pytest.raises(InputError):
        combined(first, series(ean="9" * 18))


@pytest.mark.parametrize(
    "wrong",
    [
        {"energy_wh": [1] * 95},
        {"quality": [0] * 97},
        {"quality": [5] * 96},
        {"energy_wh": [-1] * 96},
    ],
)
def test_columns_that_do_not_fit_are_refused_without_a_value(wrong: dict[str, list[int]]) -> None:
    with pytest.raises(InputError) as caught:
        series(**wrong)  # type: ignore[arg-type]  # each of them fits one argument
    assert caught.value.code == "bad-message"


def test_quarters_that_do_not_follow_one_another_are_refused() -> None:
    times = times_of(PLAIN).copy()
    times[3] += 900
    with pytest.raises(InputError):
        Series(
            ean=EAN,
            direction="import",
            day=PLAIN,
            times=times,
            energy_wh=np.zeros(96, np.int64),
            quality=np.zeros(96, np.uint8),
            grid_area=AREA,
            brp="b",
            supplier="s",
        )


@pytest.mark.parametrize("ean", ["", "1\n2", "\x00", "\x1b[2J", "a\u202eb", "\ud800"])
def test_characters_that_no_message_may_have_are_refused(ean: str) -> None:
    (document,) = validated(content(series(ean=ean)))
    with pytest.raises(InputError) as caught:
        text_of(document)
    assert caught.value.code == "bad-message"
    assert ean == "" or ean not in caught.value.detail


def test_what_xml_has_a_meaning_for_is_escaped() -> None:
    (text,) = told(content(series(ean="</Series><!--&")))
    root = parsed(text)
    assert texts(root, "marketEvaluationPoint.mRID") == ["</Series><!--&"]
    assert names(root).count("Series") == 1


def test_a_series_shows_neither_connection_nor_value() -> None:
    shown = repr(series(energy_wh=[987_654] * 96))
    assert EAN not in shown
    assert "987" not in shown
    (document,) = validated(content(series()))
    assert EAN not in repr(document)
    assert EAN not in repr(content(series()))


def test_the_twin_has_a_row_a_quarter() -> None:
    quality = [Quality.MISSING, Quality.ESTIMATED] + [Quality.MEASURED] * 94
    found = [series(quality=[int(one) for one in quality]), series(ean="1" * 18, direction="export")]
    (document,) = validated(content(*found))
    table = document.rows(header(version=7))
    assert table.column_names == [
        "message",
        "version",
        "ean",
        "direction",
        "grid_area",
        "brp",
        "supplier",
        "position",
        "quarter",
        "energy_wh",
        "quality",
    ]
    rows = table.to_pylist()
    assert len(rows) == 192
    assert (rows[0]["energy_wh"], rows[0]["quality"], rows[0]["position"]) == (None, "A02", 1)
    assert (rows[1]["energy_wh"], rows[1]["quality"], rows[1]["version"]) == (1, "A03", 7)
    assert f"{rows[0]['quarter']:%Y-%m-%dT%H:%MZ}" == "2026-11-24T23:15Z"
    assert (rows[191]["ean"], rows[191]["position"], rows[191]["direction"]) == ("1" * 18, 96, "export")


def test_the_table_of_formats_has_three() -> None:
    assert list(FORMATS) == ["validated", "aggregated", "account"]
