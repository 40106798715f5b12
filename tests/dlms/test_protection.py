"""Protection: vectors of the Green Book, both directions back to back, and everything that must be refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.dlms.protection import (
    CounterRange,
    Protection,
    SessionKeys,
    open_unverified,
    open_verified,
    parse_ciphered,
)
from kwartier.errors import KwartierError, SecurityError, StateError, WireError

EK = bytes(range(16))
AK = bytes(range(0xD0, 0xE0))
CLIENT = bytes.fromhex("4D4D4D0000BC614E")
METER = bytes.fromhex("4B57540000000001")
GET = bytes.fromhex("C0010000080000010000FF0200")


def pair(control: int = 0x30, *, general: bool = False, start: int = 1) -> tuple[Protection, Protection]:
    keys = SessionKeys(ek=EK, ak=AK)
    ours = Protection(
        control=control,
        own_title=CLIENT,
        peer_title=METER,
        keys=keys,
        counters=CounterRange(start, start + 100),
        general=general,
    )
    theirs = Protection(control=control, own_title=METER, peer_title=CLIENT, keys=keys, counters=CounterRange(1, 100))
    return ours, theirs


def refused(code: str, protection: Protection, apdu: bytes) -> None:
    with pytest.raises(KwartierError) as caught:
        protection.unprotect(apdu)
    assert caught.value.code == code


# Green Book 9.2.7.2, table of the ciphered get-request: EK 00..0F, AK D0..DF, title 4D4D4D0000BC614E, counter 01234567.
@pytest.mark.parametrize(
    ("control", "expected"),
    [
        (0x10, "C81E1001234567C0010000080000010000FF020006725D910F9221D263877516"),
        (0x30, "C81E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B"),
    ],
)
def test_green_book_get_request(control: int, expected: str) -> None:
    ours = Protection(
        control=control,
        own_title=CLIENT,
        peer_title=METER,
        keys=SessionKeys(ek=EK, ak=AK),
        counters=CounterRange(0x01234567, 0x01234568),
    )
    protected = ours.protect(GET)
    assert protected.hex().upper() == expected
    message = parse_ciphered(protected)
    assert open_verified(message, ek=EK, ak=AK, system_title=CLIENT) == GET
    assert open_unverified(message, ek=EK, system_title=CLIENT) == GET


@given(st.binary(max_size=200), st.booleans(), st.sampled_from([0x10, 0x30]))
def test_what_is_protected_comes_back(body: bytes, general: bool, control: int) -> None:
    ours, theirs = pair(control, general=general)
    apdu = b"\xc0" + body
    assert theirs.unprotect(ours.protect(apdu)) == apdu
    assert theirs.unprotect(ours.protect(apdu)) == apdu


def test_a_message_is_accepted_once() -> None:
    ours, theirs = pair()
    protected = ours.protect(GET)
    theirs.unprotect(protected)
    refused("replayed", theirs, protected)


def test_counters_must_grow_also_above_two_to_the_31() -> None:
    ours, theirs = pair(start=0x9000_0000)
    first, second = ours.protect(GET), ours.protect(GET)
    theirs.unprotect(second)
    refused("replayed", theirs, first)


def test_a_forged_frame_does_not_move_the_counter() -> None:
    ours, theirs = pair()
    protected = ours.protect(GET)
    forged = bytearray(protected)
    forged[3:7] = b"\xff\xff\xff\xfe"
    refused("bad-tag", theirs, bytes(forged))
    assert theirs.unprotect(protected) == GET


def test_every_bit_of_a_protected_message_is_covered() -> None:
    protected = pair()[0].protect(GET)
    for place in range(len(protected) * 8):
        changed = bytearray(protected)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(KwartierError):
            pair()[1].unprotect(bytes(changed))


@pytest.mark.parametrize("control", [0x00, 0x10, 0x20, 0x31, 0x70, 0xB0])
def test_any_other_security_control_is_refused(control: int) -> None:
    ours, theirs = pair()
    protected = bytearray(ours.protect(GET))
    protected[2] = control
    refused("wrong-protection", theirs, bytes(protected))


def test_a_message_that_is_only_tagged_is_refused_where_encryption_was_agreed() -> None:
    tagged = pair(0x10)[0].protect(GET)
    refused("wrong-protection", pair()[1], tagged)


def test_another_title_is_an_identity_error_and_an_empty_one_is_the_registered() -> None:
    ours, theirs = pair(general=True)
    protected = ours.protect(GET)
    refused("identity", theirs, protected.replace(CLIENT, METER))
    assert theirs.unprotect(b"\xdb\x00" + protected[10:]) == GET


def test_a_service_tag_must_hold_its_service() -> None:
    ours, theirs = pair()
    protected = ours.protect(GET)
    refused("wrong-protection", theirs, b"\xcb" + protected[1:])


def test_dedicated_key_has_counters_of_its_own_and_must_be_agreed() -> None:
    from kwartier.dlms.protection import Family

    ours, theirs = pair()
    ours.protect(GET)
    for side in (ours, theirs):
        side.use_dedicated(bytes(16))
        side.family = Family.DEDICATED
    protected = ours.protect(GET)
    assert protected[0] == 0xD0
    assert parse_ciphered(protected).invocation_counter == 0
    assert theirs.unprotect(protected) == GET
    refused("wrong-protection", pair()[1], protected)


def test_the_range_is_the_limit() -> None:
    counters = CounterRange(5, 7)
    assert (counters.take(), counters.take(), counters.left) == (5, 6, 0)
    with pytest.raises(StateError):
        counters.take()
    with pytest.raises(StateError):
        CounterRange(0, (1 << 32) + 1)


def test_hls_both_ways_and_each_computation_spends_a_counter() -> None:
    ours, theirs = pair()
    value = ours.hls_value(b"S" * 8)
    theirs.check_hls(value, b"S" * 8, outer_counter=-1)
    assert ours.counters_left == 99
    assert value[0] == 0x10
    with pytest.raises(SecurityError):
        pair()[1].check_hls(value, b"T" * 8, outer_counter=-1)
    with pytest.raises(SecurityError) as caught:
        pair()[1].check_hls(value, b"S" * 8, outer_counter=1)
    assert caught.value.code == "replayed"


def test_keys_and_plaintext_are_not_in_any_repr_or_error() -> None:
    keys = SessionKeys(ek=EK, ak=AK, dedicated=bytes(16), lls=b"password")
    shown = repr(keys) + repr(pair()[0]) + repr(pair()[0]._global)
    for secret in (EK, AK, b"password"):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown


def test_without_the_authentication_bit_nothing_is_verified() -> None:
    ciphered = pair()[0].protect(GET)
    message = parse_ciphered(ciphered)._replace(security_control=0x20)
    with pytest.raises(SecurityError) as caught:
        open_verified(message, ek=EK, ak=AK, system_title=CLIENT)
    assert caught.value.code == "no-tag"


@given(st.binary(max_size=60))
def test_any_bytes_give_a_header_or_a_wire_error(data: bytes) -> None:
    for head in (b"", b"\xc8", b"\xdb\x08", b"\xdb\x00"):
        try:
            message = parse_ciphered(head + data)
        except WireError:
            continue
        assert message.header_length + len(message.body) == len(head + data)
