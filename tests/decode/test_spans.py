"""Every byte has a name, values are values, structure is structure, and what is secret is known to be."""

from collections.abc import Sequence

from kwartier.decode.dialogue import Heard, listen
from kwartier.decode.sheet import Role, Span
from kwartier.dlms import services, wrapper
from kwartier.dlms.association import Aarq
from tests.decode.building import CLIENT_TITLE, DEDICATED, METER_TITLE
from tests.decode.test_dialogue import KEYS, exchange, named


def last_of(found: Sequence[Span], size: int) -> list[Span | None]:
    """The last span that holds each byte of the line."""
    held: list[Span | None] = [None] * size
    for span in found:
        for start, stop in span.at if not span.plain and span.role is not Role.LAYER else ():
            held[start:stop] = [span] * (stop - start)
    return held


def test_every_byte_of_a_conversation_has_a_name() -> None:
    said = listen(exchange(), "wrapper", KEYS)
    size = said[-1].stop
    held = last_of(named(said), size)
    assert None not in held
    assert {one.layer for one in held if one is not None} == {"wrapper", "apdu", "ciphered"}


def test_only_values_are_values_and_a_key_is_a_secret() -> None:
    found = named(listen(exchange(), "wrapper", KEYS))
    values = [one for one in found if one.role is Role.VALUE and one.plain]
    assert [one.text for one in values[:4]] == [
        "octet-string 0x07EA030403000000FFFFC400 = 2026-03-04 00:00:00+01:00",
        "unsigned 0",
        "double-long-unsigned 1000000",
        "double-long-unsigned 2000",
    ]
    assert len(values) == 16
    secrets = [one for one in found if one.role is Role.SECRET]
    assert [one.octets for one in secrets] == [DEDICATED]
    assert secrets[0].text == ""
    titles = [one.octets for one in found if one.role is Role.TITLE]
    assert titles == [CLIENT_TITLE, METER_TITLE]


def test_a_password_in_the_clear_is_a_secret_and_a_challenge_is_none() -> None:
    for mechanism, role in ((1, Role.SECRET), (5, Role.CHALLENGE), (None, Role.SECRET)):
        said = Aarq(application_context=1, mechanism=mechanism, calling_authentication_value=b"12345678").encode()
        found = named(listen([Heard(sent=True, after_us=0, octets=wrapper.encode(1, 1, said))], "wrapper"))
        (value,) = [one for one in found if one.octets == b"12345678"]
        assert value.role is role


def test_columns_that_are_asked_for_are_structure_and_what_they_hold_is_not() -> None:
    data = bytes.fromhex("0101 0204 120003 09060100010800FF 0F02 120000 ".replace(" ", ""))
    answer = services.GetResponseNormal(invoke_id_and_priority=0xC1, data=data).encode()
    found = named(listen([Heard(sent=False, after_us=0, octets=wrapper.encode(1, 1, answer))], "wrapper"))
    assert [one.name for one in found if one.role is Role.VALUE] == ["APDU"]
    assert "1.0.1.8.0.255" in next(one.text for one in found if one.octets == bytes.fromhex("0100010800FF"))
