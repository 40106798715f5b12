"""A copy decodes as the trace does, and holds nothing of whoever's it was."""

import json
import re
import tomllib
from typing import Any, Final

import pytest

from kwartier.decode import Keys, decode
from kwartier.dlms import axdr, services, wrapper
from kwartier.dlms.axdr import CompactArray, Data, Tag
from kwartier.errors import Denied, InputError
from kwartier.service.home import Home
from kwartier.service.tracing import copying, looking, synthetic
from kwartier.service.tracing.looking import Looked
from kwartier.service.tracing.synthetic import Synthetic
from tests.decode.building import AK, CLIENT_TITLE, DEDICATED, EK, METER_TITLE, get_response, protect
from tests.decode.test_dialogue import exchange
from tests.service.tracing.conftest import REASON, Traced, wall
from tests.service.tracing.test_looking import (
    DESK,
    FITTER,
    SOMEBODY,
    keys_of,
    recorded,
    refuses,
    registers,
)

VECTOR_KEYS: Final = Keys(ek=EK, ak=AK)
"""The keys under which ``tests/vectors/captures.toml`` is read."""


def copied(home: Home, traced: Traced) -> copying.TestCase:
    (made,) = copying.cases(looking.look(home, traced.trace, actor=DESK, purpose="complaint", reason=REASON, wall=wall))
    return made


def of(pieces: list[tuple[bool, bytes]], transport: str = "wrapper") -> list[copying.TestCase]:
    found = Looked(
        purpose="complaint",
        trace=SOMEBODY,
        recorded=recorded(pieces, transport),
        keys=Keys(ek=EK, ak=AK),
        masked=False,
        grant="g",
    )
    return copying.cases(found)


def row_of(case: copying.TestCase) -> dict[str, Any]:
    (row,) = tomllib.loads(case.text)["capture"]
    assert isinstance(row, dict)
    return row


def test_a_vector_file_could_take_it_as_it_is(home: Home, traced: Traced) -> None:
    row = row_of(copied(home, traced))
    table = decode(bytes.fromhex(re.sub(r"\s", "", row["hex"])), VECTOR_KEYS).as_json()
    layers, message = table["layers"], table["message"]
    assert isinstance(layers, list)
    assert isinstance(message, dict)
    assert [layer["layer"] for layer in layers] == row["layers"]
    assert message["service"] == row["service"]
    assert table["body"] == json.loads(row["body"])
    assert table.get("unverified", False) is row["unverified"]
    assert "error" not in table
    said = json.loads(row["messages"])
    (rows,) = [body for _, body in said if isinstance(body, list) and len(body) > 90]
    assert {len(one) for one in rows} == {4}


def test_it_has_the_structure_of_the_trace(home: Home, traced: Traced) -> None:
    case = copied(home, traced)
    found = home.traces.recorded(home.traces.of(traced.trace, at=int(wall())))
    assert (len(case.octets), case.left_out) == (found.size, 0)
    assert copied(home, traced) == case, "the same trace gives the same copy"
    texts = json.loads(row_of(case)["messages"])
    assert "0x0100010800FF" in json.dumps(texts), "which columns a profile has is structure"


def test_nothing_of_the_original_is_in_it(home: Home, traced: Traced) -> None:
    case = copied(home, traced)
    opened = b"".join(
        bytes.fromhex(str(layer.fields["plain"]))
        for layer in decode(case.octets, VECTOR_KEYS).layers
        if layer.kind == "ciphered"
    )
    everything, text = case.octets + opened, case.text
    own_title = home.settings.own_title
    for secret in (*keys_of(home, traced), own_title, traced.meter.system_title):
        assert secret not in everything
        assert secret.hex().upper() not in text
    for word in (traced.meter.ean, traced.meter.meter, traced.meter.host, traced.trace):
        assert word.encode() not in everything
        assert word not in text
    numbers = set(map(int, re.findall(r"(?<![0-9A-Fx])\d+(?![0-9A-F])", text)))
    for register in registers(traced):
        assert register > 100_000
        assert register.to_bytes(4, "big") not in everything
        assert register not in numbers
    assert "07EA0B18" not in text, "nor is the day"
    assert bytes.fromhex("07EA0B18") not in everything


def test_a_copy_takes_a_purpose_for_which_values_are_shown(home: Home, traced: Traced) -> None:
    with refuses(Denied, "no-consumption"):
        copying.cases(looking.look(home, traced.trace, actor=FITTER, purpose="maintenance", wall=wall))
    with refuses(Denied, "wrong-role"):
        copying.cases(looking.look(home, traced.trace, actor=FITTER, purpose="complaint", wall=wall))


def test_a_dedicated_key_becomes_that_of_the_vectors() -> None:
    (case,) = of([(one.sent, one.octets) for one in exchange()])
    found = decode(case.octets, VECTOR_KEYS)
    assert found.error is None
    assert row_of(case)["service"] == "get-response-normal"
    assert synthetic.DEDICATED == DEDICATED
    assert CLIENT_TITLE not in case.octets
    assert METER_TITLE not in case.octets


def test_what_is_no_frame_is_left_out_and_what_does_not_open_stays_closed() -> None:
    broken = bytearray(wrapper.encode(1, 1, protect(get_response(2))))
    broken[-1] ^= 1
    pieces = [(True, wrapper.encode(1, 1, protect(get_response(1), title=CLIENT_TITLE))), (False, bytes(broken))]
    (case,) = of([*pieces, (True, b"\x07\x07 noise")])
    assert case.left_out == 1
    assert row_of(case)["error"] == "bad-tag"
    assert bytes(broken)[-20:] not in case.octets
    assert of([(True, b"\x07 nothing but noise")]) == []


def test_what_is_protected_twice_is_not_copied() -> None:
    twice = protect(protect(get_response(1)), counter=9)
    with refuses(InputError, "not-copyable"):
        of([(False, wrapper.encode(1, 1, twice))])


def test_a_copy_that_would_say_whose_it_is_is_not_given() -> None:
    ours = wrapper.encode(1, 1, get_response(1))
    found = Looked(
        purpose="complaint",
        trace=SOMEBODY,
        recorded=recorded([(False, ours)]),
        keys=Keys(ek=bytes.fromhex("C401C100"), ak=AK),
        masked=False,
        grant="g",
    )
    with refuses(InputError, "not-copyable"):
        copying.cases(found)


# Values.

ORIGINALS: Final = [
    Data(Tag.DOUBLE_LONG_UNSIGNED, 100_000_025),
    Data(Tag.LONG64_UNSIGNED, 12_345),
    Data(Tag.DOUBLE_LONG, -7),
    Data(Tag.LONG, -300),
    Data(Tag.INTEGER, -1),
    Data(Tag.UNSIGNED, 1),
    Data(Tag.ENUM, 30),
    Data(Tag.VISIBLE_STRING, "E0012345678901234"),
    Data(Tag.UTF8_STRING, "straße"),
    Data(Tag.OCTET_STRING, b"4530303132333435"),
    Data(Tag.OCTET_STRING, bytes.fromhex("07EA0304030F0000FFFFC400")),
    Data(Tag.OCTET_STRING, b""),
    Data(Tag.DATE_TIME, bytes.fromhex("07EA0304030F0000FFFFC400")),
    Data(Tag.DATE, bytes.fromhex("07EA030403")),
    Data(Tag.TIME, bytes.fromhex("0F0000FF")),
    Data(Tag.BIT_STRING, axdr.BitString(11, b"\xff\xe0")),
    Data(Tag.FLOAT32, axdr.Float(b"\x41\x00\x00\x00")),
    Data(Tag.BOOLEAN, False),
    Data(Tag.NULL_DATA, None),
    Data(Tag.DELTA_UNSIGNED, 9),
    Data(Tag.BCD, 0x42),
    Data(
        Tag.COMPACT_ARRAY,
        CompactArray(
            bytes.fromhex("02020609"),
            (axdr.structure(axdr.u32(4_711), axdr.octets(b"abc")), axdr.structure(axdr.u32(4_712), axdr.octets(b"d"))),
        ),
    ),
]


@pytest.mark.parametrize("data", ORIGINALS, ids=lambda data: f"{Tag(data.tag).name.lower()}")
def test_a_value_of_any_type_is_replaced_by_one_of_its_type_and_size(data: Data) -> None:
    apdu = services.GetResponseNormal(invoke_id_and_priority=0xC1, data=axdr.encode(data)).encode()
    (case,) = of([(False, wrapper.encode(1, 1, apdu))])
    made = axdr.decode(case.octets[12:])
    assert made.tag == data.tag
    assert len(case.octets) == len(wrapper.encode(1, 1, apdu))
    if data.tag != Tag.NULL_DATA and data.value != b"":
        assert made.value != data.value


def test_values_differ_from_each_other_and_from_what_they_replace() -> None:
    source = Synthetic()
    made = [source.octets(Tag.DOUBLE_LONG_UNSIGNED, bytes(4)) for _ in range(2_000)]
    assert len(set(made)) == len(made)
    first = Synthetic().octets(Tag.LONG_UNSIGNED, bytes(2))
    assert Synthetic().octets(Tag.LONG_UNSIGNED, first) != first
    stamps = [source.octets(Tag.DATE_TIME, bytes(12)) for _ in range(3_000)]
    assert len(set(stamps)) == len(stamps)
