"""The captures of the vector file decode to what stands beside them, and so does every other vector of the suite."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from kwartier.decode import Decoded, Keys, decode
from kwartier.dlms import registry
from tests.decode.building import AK, EK, captures

VECTORS = Path(__file__).parents[1] / "vectors"
CAPTURES = tomllib.loads((VECTORS / "captures.toml").read_text("utf-8"))["capture"]
APDU_FILES = ("apdu_green_book.toml", "apdu_constructed.toml", "association_green_book.toml")
APDUS = [row for file in APDU_FILES for row in tomllib.loads((VECTORS / file).read_text("utf-8"))["apdu"]]
CLIENT_TITLE_OF_THE_BOOK = "4D4D4D0000BC614E"


def unhex(text: str) -> bytes:
    return bytes.fromhex(re.sub(r"\s|0x", "", text))


def keyed(data: bytes, *, unverified: bool = False) -> Decoded:
    return decode(data, Keys(ek=EK, ak=AK, unverified=unverified))


def test_the_vector_file_holds_what_the_encoders_build_today() -> None:
    assert {row["name"]: unhex(row["hex"]) for row in CAPTURES} == captures()


@pytest.mark.parametrize("row", CAPTURES, ids=lambda row: row["name"])
def test_a_capture_decodes_to_what_stands_beside_it(row: dict[str, Any]) -> None:
    table = keyed(unhex(row["hex"]), unverified=row["unverified"]).as_json()
    layers, message = table["layers"], table["message"]
    assert isinstance(layers, list)
    assert isinstance(message, dict)
    assert [layer["layer"] for layer in layers] == row["layers"]
    assert message["service"] == row["service"]
    assert table["body"] == json.loads(row["body"])
    assert table.get("unverified", False) is row["unverified"]
    assert "error" not in table


@pytest.mark.parametrize("row", APDUS, ids=lambda row: row["name"])
def test_every_apdu_vector_decodes_under_its_name(row: dict[str, Any]) -> None:
    apdu = unhex(row["hex"])
    found = keyed(apdu)
    table = found.as_json()
    assert found.error is None
    assert isinstance(table["message"], dict)
    assert table["message"]["service"] == registry.service_name(registry.parse(apdu)) == row["service"]
    for name, expected in row["fields"].items():
        if name in ("class_id", "attribute", "method", "block_number", "max_pdu", "invoke_id_and_priority"):
            assert table["message"][name] == expected
        if name == "conformance":
            assert int(table["message"]["conformance"], 16) == expected
            assert len(table["message"]["conformance"]) == 6


def test_the_ciphered_aarq_of_the_green_book_shows_its_initiate_request() -> None:
    (row,) = (one for one in APDUS if one["name"].startswith("AARQ, ciphered application context"))
    found = keyed(unhex(row["hex"]))
    message = found.as_json()["message"]
    assert isinstance(message, dict)
    assert message["calling_system_title"] == CLIENT_TITLE_OF_THE_BOOK
    assert message["calling_authentication_value"] == "12345678"
    assert message["user_information_plain"] == "01011000112233445566778899AABBCCDDEEFF0000065F1F0400007E1F04B0"
    assert (message["conformance"], message["max_pdu"]) == ("007E1F", 0x04B0)
    assert [layer.kind for layer in found.layers] == ["apdu", "ciphered", "apdu"]
    assert found.layers[0].fields["user_information_plain"] == message["user_information_plain"]
    sealed = found.layers[1].fields
    assert (sealed["security_control"], sealed["invocation_counter"], sealed["verified"]) == (0x30, 0x0123_4567, True)
