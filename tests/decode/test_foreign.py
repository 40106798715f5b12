"""An independent implementation reads our captures, and we read what it writes: dlms-cosem, in tests only."""

from typing import Any

import pytest
from dlms_cosem import security, utils
from dlms_cosem.hdlc import address, frames
from dlms_cosem.protocol import xdlms

from kwartier.decode import Keys, decode
from tests.decode.building import AK, EK, METER_TITLE, captures, get_response, protect, push, telegram

WRAPPER_BYTES = 8
TAG_AND_HEAD = 4
"""Tag, choice, invoke id and the choice of data, before the value of a get-response-normal."""


def shown(value: object) -> object:
    """Their values written as ours."""
    if isinstance(value, bytes | bytearray):
        return "0x" + bytes(value).hex().upper()
    return [shown(one) for one in value] if isinstance(value, list) else value


def test_dlms_cosem_verifies_deciphers_and_reads_the_wrapped_capture() -> None:
    capture = captures()["wrapper, general-glo-ciphering with tag"]
    sealed: Any = xdlms.GeneralGlobalCipher.from_bytes(capture[WRAPPER_BYTES:])
    plain = security.decrypt(
        security_control=sealed.security_control,
        system_title=sealed.system_title,
        invocation_counter=sealed.invocation_counter,
        key=EK,
        cipher_text=sealed.ciphered_text,
        auth_key=AK,
    )
    assert plain == get_response(2)
    theirs = shown(utils.parse_as_dlms_data(plain[TAG_AND_HEAD:]))
    found = decode(capture, Keys(ek=EK, ak=AK))
    assert found.as_json()["body"] == theirs
    fields = found.layers[1].fields
    assert fields["system_title"] == sealed.system_title.hex().upper()
    assert fields["invocation_counter"] == sealed.invocation_counter


@pytest.mark.parametrize("plain", [push(), telegram("1-0:1.8.1(000004.426*kWh)"), get_response()], ids=len)
def test_dlms_cosem_ciphers_to_the_bytes_that_the_captures_carry(plain: bytes) -> None:
    # Over the bus, in blocks and around telegrams it is the same protected APDU, cut or not.
    theirs = security.encrypt(
        security_control=security.SecurityControlField(security_suite=0, authenticated=True, encrypted=True),
        system_title=METER_TITLE,
        invocation_counter=0x0123_4567,
        key=EK,
        plain_text=plain,
        auth_key=AK,
    )
    assert protect(plain).endswith(theirs)
    assert decode(protect(plain), Keys(ek=EK, ak=AK)).layers[0].fields["plain"] == plain.hex().upper()


def test_what_dlms_cosem_ciphers_we_verify_and_read() -> None:
    control = security.SecurityControlField(security_suite=0, authenticated=True, encrypted=True)
    text = security.encrypt(
        security_control=control,
        system_title=METER_TITLE,
        invocation_counter=77,
        key=EK,
        plain_text=push(),
        auth_key=AK,
    )
    theirs: Any = xdlms.GeneralGlobalCipher(
        system_title=METER_TITLE, security_control=control, invocation_counter=77, ciphered_text=text
    )
    found = decode(theirs.to_bytes(), Keys(ek=EK, ak=AK))
    assert found.error is None
    assert found.layers[0].fields["invocation_counter"] == 77
    assert found.as_json()["body"] == decode(push()).as_json()["body"]


def test_the_frame_dlms_cosem_builds_has_the_same_addresses_check_sequences_and_payload() -> None:
    theirs = frames.UnnumberedInformationFrame(
        destination_address=address.HdlcAddress(logical_address=1, physical_address=None, address_type="client"),
        source_address=address.HdlcAddress(logical_address=1, physical_address=17, address_type="server"),
        payload=b"\xe6\xe7\x00" + push(),
        segmented=False,
        final=True,
    )
    written = theirs.to_bytes()
    found = decode(written)
    assert found.error is None
    fields = found.layers[0].fields
    assert (fields["frame"], fields["dst"], fields["src_logical"], fields["src_physical"]) == ("UI", 1, 1, 17)
    assert fields["info"] == theirs.payload.hex().upper()
    assert found.as_json()["body"] == decode(push()).as_json()["body"]
