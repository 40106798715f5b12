"""The energy account: no schema of it is at hand, so its structure is held here, element by element.

The order of elements and how often each may stand are those of the public model of version 4.1.
"""

import re
from datetime import date

import numpy as np
import pytest
from lxml import etree

from kwartier.errors import InputError
from kwartier.export.account import NAMESPACE, account
from kwartier.export.codes import TSO
from kwartier.export.document import Content
from kwartier.settle.tables import Area, AreaState, Part
from tests.export.days import AREA, HOSTILE, LENGTHS, OTHER_AREA, SETTLED, content, header, total
from tests.export.reading import names, parsed, text_of, texts, watt_hours

MANY = 100_000
DOCUMENT = [
    ("mRID", 1, 1),
    ("revisionNumber", 1, 1),
    ("type", 1, 1),
    ("docStatus", 1, 1),
    ("process.processType", 1, 1),
    ("process.classificationType", 1, 1),
    ("sender_MarketParticipant.mRID", 1, 1),
    ("sender_MarketParticipant.marketRole.type", 1, 1),
    ("receiver_MarketParticipant.mRID", 1, 1),
    ("receiver_MarketParticipant.marketRole.type", 1, 1),
    ("createdDateTime", 1, 1),
    ("period.timeInterval", 1, 1),
    ("domain.mRID", 0, 1),
    ("TimeSeries", 1, MANY),
]
TIME_SERIES = [
    ("mRID", 1, 1),
    ("businessType", 1, 1),
    ("product", 1, 1),
    ("objectAggregation", 1, 1),
    ("curveType", 1, 1),
    ("area_Domain.mRID", 1, 1),
    ("marketParticipant.mRID", 0, 1),
    ("marketAgreement.mRID", 0, 1),
    ("measurement_Unit.name", 1, 1),
    ("currency_Unit.name", 0, 1),
    ("marketEvaluationPoint.mRID", 0, 1),
    ("Period", 1, MANY),
]
PERIOD = [("timeInterval", 1, 1), ("resolution", 1, 1), ("Point", 1, MANY)]
POINT = [
    ("position", 1, 1),
    ("in_Quantity.quantity", 1, 1),
    ("in_Quantity.quality", 0, 1),
    ("out_Quantity.quantity", 1, 1),
    ("out_Quantity.quality", 0, 1),
]
INTERVAL = [("start", 1, 1), ("end", 1, 1)]
INNER = {
    "TimeSeries": TIME_SERIES,
    "Period": PERIOD,
    "Point": POINT,
    "timeInterval": INTERVAL,
    "period.timeInterval": INTERVAL,
    "docStatus": [("value", 1, 1)],
}
SCHEMED = {one for one in (*(name for name, *_ in DOCUMENT), *(name for name, *_ in TIME_SERIES)) if one.endswith("mRID")} - {
    "mRID"
}  # fmt: skip  # one set
FORMS = {
    "mRID": r".{1,60}",
    "revisionNumber": r"[1-9][0-9]{0,2}",
    "createdDateTime": r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z",
    "start": r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}Z",
    "end": r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}Z",
    "position": r"[1-9][0-9]{0,5}",
    "in_Quantity.quantity": r"-?\d+\.\d{3}",
    "out_Quantity.quantity": r"-?\d+\.\d{3}",
    "in_Quantity.quality": r"A0[346]",
    "out_Quantity.quality": r"A0[346]",
    "marketParticipant.mRID": r".{1,16}",
    "area_Domain.mRID": r".{1,18}",
}


def faults(element: etree._Element, order: list[tuple[str, int, int]]) -> list[str]:
    """What is wrong with the structure below an element."""
    present = names(element)
    expected = [name for name, _, _ in order for _ in range(present.count(name))]
    found = [] if present == expected else [f"{etree.QName(element).localname}: {present[:20]}"]
    found += [
        f"{name} {present.count(name)} times" for name, low, high in order if not low <= present.count(name) <= high
    ]
    for child in element:
        name = etree.QName(child)
        if name.namespace != NAMESPACE:
            found.append(f"{name.localname} in {name.namespace}")
        if (name.localname in SCHEMED) != (set(child.attrib) == {"codingScheme"}):
            found.append(f"{name.localname} with {sorted(map(str, child.attrib))}")
        if name.localname in INNER:
            found += faults(child, INNER[name.localname])
        elif not re.fullmatch(FORMS.get(name.localname, r"[A-Z0-9]+"), child.text or ""):
            found.append(f"{name.localname}: {child.text}")
    return found


def told(found: Content) -> list[str]:
    return [text_of(one) for one in account(found)]


@pytest.mark.parametrize("day", LENGTHS)
def test_its_structure_is_that_of_the_model(day: date) -> None:
    sums = [total(part, day=day, direction=one, energy_wh=7) for part in Part for one in ("import", "export")]
    (text,) = told(content(*sums, total(brp=HOSTILE, day=day), day=day))
    root = parsed(text)
    assert faults(root, DOCUMENT) == []
    assert texts(root, "position") == [str(place) for place in range(1, LENGTHS[day] + 1)] * 4


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("<type>A45</type>", ""),
        ("<curveType>A01</curveType>", "<curveType>A01</curveType><curveType>A01</curveType>"),
        ("<revisionNumber>1</revisionNumber><type>A45</type>", "<type>A45</type><revisionNumber>1</revisionNumber>"),
        ("<position>1</position>", "<position>0</position>"),
        ("0.007", "0.0070"),
        (' codingScheme="A01"', ""),
    ],
)
def test_the_structure_test_sees_what_is_wrong(right: str, wrong: str) -> None:
    (text,) = told(content(total(energy_wh=7)))
    told_to_tso = text.replace('codingScheme="A10">2900000000063', 'codingScheme="A01">10X1001A1001A264')
    assert faults(parsed(told_to_tso), DOCUMENT) == []
    assert right in told_to_tso
    assert faults(parsed(told_to_tso.replace(right, wrong)), DOCUMENT)


def test_in_is_what_was_fed_in_and_out_what_was_taken_and_a_party_is_told_once() -> None:
    sums = [
        total(supplier="Polderstroom", energy_wh=1),
        total(supplier="other", energy_wh=20, estimated={5: 1}),
        total(Part.PROFILED, energy_wh=300),
        total(direction="export", energy_wh=4000, calculated={5: 1}),
        total(Part.LOSS, energy_wh=50_000),
        total(Part.RESIDUAL, energy_wh=-6),
        total(Part.INFEED, energy_wh=99),
    ]
    (document,) = account(content(*sums))
    assert (document.subject, document.recipient) == (AREA, TSO)
    root = parsed(text_of(document))
    assert texts(root, "businessType") == ["A14", "A15", "A14"]
    assert texts(root, "objectAggregation") == ["A03", "A14", "A14"]
    assert texts(root, "marketParticipant.mRID") == ["2900000000032"]
    out = np.array(watt_hours(root, "out_Quantity.quantity")).reshape(3, 96)
    into = np.array(watt_hours(root, "in_Quantity.quantity")).reshape(3, 96)
    assert out[:, 5].tolist() == [321, 50_000, -6]
    assert into[:, 5].tolist() == [4000, 0, 0]
    assert (out == out[:, :1]).all()
    assert [texts(root, "out_Quantity.quality")[place] for place in (5, 101, 197)] == ["A03", "A04", "A06"]
    assert texts(root, "in_Quantity.quality")[4:6] == ["A04", "A06"]


def test_a_version_is_a_revision_and_the_last_one_is_final() -> None:
    (document,) = account(content(total()))
    first, last = parsed(text_of(document)), parsed(text_of(document, header(version=4, final=True)))
    assert (texts(first, "revisionNumber"), texts(first, "value")) == (["1"], ["A01"])
    assert (texts(last, "revisionNumber"), texts(last, "value")) == (["4"], ["A02"])
    for version in (0, 1000):
        with pytest.raises(InputError):
            text_of(document, header(version=version))


def test_each_settled_area_has_a_document_and_an_empty_one_has_none() -> None:
    areas = (
        *SETTLED,
        Area(grid_area=OTHER_AREA, state=AreaState.HELD),
        Area(grid_area="GA-empty", state=AreaState.SETTLED),
    )
    documents = list(account(content(total(), total(grid_area=OTHER_AREA), areas=areas)))
    assert [one.subject for one in documents] == [AREA]


def test_the_twin_says_whose_each_row_is() -> None:
    (document,) = account(content(total(energy_wh=5), total(Part.RESIDUAL, direction="export", energy_wh=-5)))
    rows = document.rows(header()).to_pylist()
    assert [(one["role"], one["in_wh"], one["out_wh"]) for one in rows[::96]] == [("party", 0, 5), ("residual", -5, 0)]
    assert rows[96]["in_quality"] == "A06"
