"""A line that was listened to: frames in order, each decoded with what came before it, and no bytes that end it."""

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kwartier.decode import Keys, decode
from kwartier.decode.dialogue import MAX_FRAMES, Heard, Said, cut, listen
from kwartier.decode.sheet import Span
from kwartier.decode.spans import spans
from kwartier.decode.stretch import Stretch
from kwartier.dlms import services, wrapper
from kwartier.dlms.hdlc import Address, Frame, Kind
from kwartier.dlms.hdlc_segments import LLC_COMMAND, LLC_RESPONSE
from tests.decode.building import (
    AK,
    CLIENT_TITLE,
    DEDICATED,
    EK,
    METER_TITLE,
    aare,
    aarq,
    captures,
    conversation,
    get_response,
    protect,
)

KEYS: Final = Keys(ek=EK, ak=AK)
GET: Final = services.GetRequestNormal(
    invoke_id_and_priority=0xC1, class_id=7, obis=bytes.fromhex("0100630100FF"), attribute=2
).encode()


def exchange(source: int = 1, destination: int = 1) -> list[Heard]:
    """An association and a GET over the wrapper, as most meters have it: both sides have the same number."""
    asked = protect(GET, general=False, title=CLIENT_TITLE, dedicated=True)
    answered = protect(get_response(4), general=False, dedicated=True)
    there = [wrapper.encode(source, destination, apdu) for apdu in (aarq(), asked)]
    back = [wrapper.encode(destination, source, apdu) for apdu in (aare(), answered)]
    return [
        Heard(sent=sent, after_us=1_000 * place, octets=octets)
        for place, (sent, octets) in enumerate([(True, there[0]), (False, back[0]), (True, there[1]), (False, back[1])])
    ]


def heard(said: Sequence[Said]) -> list[tuple[bool, list[str], str]]:
    return [
        (
            one.sent,
            [str(message.fields["service"]) for message in one.decoded.messages],
            "" if one.decoded.error is None else one.decoded.error.code,
        )
        for one in said
    ]


WHOLE: Final = [
    (True, ["aarq"], ""),
    (False, ["aare"], ""),
    (True, ["get-request-normal"], ""),
    (False, ["get-response-normal"], ""),
]


def test_both_sides_are_understood_although_their_addresses_are_the_same() -> None:
    said = listen(exchange(), "wrapper", KEYS)
    assert heard(said) == WHOLE
    body = said[-1].decoded.messages[-1].body
    assert isinstance(body, list)
    assert len(body) == 4
    assert all(one.stop == two.start for one, two in pairwise(said))
    assert [one.after_us for one in said] == [0, 1_000, 2_000, 3_000]


def test_a_capture_of_the_same_bytes_is_understood_too() -> None:
    found = decode(b"".join(one.octets for one in exchange()), KEYS)
    assert found.error is None
    assert [message.fields["service"] for message in found.messages] == [name for _, (name,), _ in WHOLE]


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_however_the_bytes_came_in_the_frames_are_the_same(size: int) -> None:
    pieces = [
        Heard(sent=one.sent, after_us=one.after_us + at, octets=one.octets[at : at + size])
        for one in exchange()
        for at in range(0, len(one.octets), size)
    ]
    assert heard(listen(pieces, "wrapper", KEYS)) == WHOLE


def test_what_is_wrong_with_one_frame_is_said_of_that_one() -> None:
    said = exchange()
    broken = bytearray(said[2].octets)
    broken[-1] ^= 1
    said[2] = Heard(sent=True, after_us=2_000, octets=bytes(broken))
    found = heard(listen(said, "wrapper", KEYS))
    assert found[2] == (True, [], "bad-tag")
    assert [found[0], found[1], found[3]] == [WHOLE[0], WHOLE[1], WHOLE[3]]


def test_without_keys_the_protected_messages_stay_closed() -> None:
    said = listen(exchange(), "wrapper")
    assert [names for _, names, _ in heard(said)] == [["aarq"], ["aare"], ["ded-get-request"], ["ded-get-response"]]
    assert all(layer.plain is None for one in said for layer in one.decoded.layers)


def test_titles_that_no_message_names_are_those_by_which_the_two_are_known() -> None:
    sealed = protect(GET, general=False, title=CLIENT_TITLE), protect(get_response(1), general=False)
    pieces = [
        Heard(sent=place == 0, after_us=place, octets=wrapper.encode(1, 1, apdu)) for place, apdu in enumerate(sealed)
    ]
    assert [code for *_, code in heard(listen(pieces, "wrapper", KEYS))] == ["needs-system-title"] * 2
    found = listen(pieces, "wrapper", KEYS, client_title=CLIENT_TITLE, meter_title=METER_TITLE)
    assert heard(found) == WHOLE[2:]


# HDLC.


def segments(apdu: bytes, *, sent: bool, size: int) -> list[bytes]:
    whole = (LLC_COMMAND if sent else LLC_RESPONSE) + apdu
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    return [
        Frame(
            destination=Address(1), source=Address(1), control=Kind.I | 0x10 | number % 8 << 1,
            information=piece, segmented=number + 1 < len(pieces),
        ).encode()
        for number, piece in enumerate(pieces)
    ]  # fmt: skip  # one frame, whose layout does not matter


def test_segments_of_both_sides_at_once_are_put_together_each() -> None:
    there, back = segments(GET, sent=True, size=6), segments(get_response(3), sent=False, size=40)
    pieces = []
    for place in range(max(len(there), len(back))):
        pieces += [Heard(sent=True, after_us=0, octets=there[place])] if place < len(there) else []
        pieces += [Heard(sent=False, after_us=0, octets=back[place])] if place < len(back) else []
    said = listen(pieces, "hdlc")
    assert len(said) == len(pieces)
    assert {one.decoded.error for one in said} == {None}
    assert [names for _, names, _ in heard(said) if names] == [["get-request-normal"], ["get-response-normal"]]


def test_a_conversation_of_the_vectors_is_the_same_frame_by_frame() -> None:
    octets = conversation()
    frames = [octets[start:stop] for start, stop, _ in cut(octets, "hdlc")]
    assert b"".join(frames) == octets
    assert len(frames) == 10
    pieces = [Heard(sent=frame[3:5] == b"\x02\x23", after_us=0, octets=frame) for frame in frames]
    said = listen(pieces, "hdlc", KEYS)
    assert b"".join(one.octets for one in said) == octets
    assert [(sent, *names) for sent, names, code in heard(said) if names or code] == [
        (sent, *names) for sent, names, _ in WHOLE
    ]


def test_flags_that_two_frames_share_and_noise_between_frames_lose_nothing() -> None:
    frame = Frame(destination=Address(1), source=Address(16), control=Kind.DISC | 0x10).encode()
    shared = frame + frame[1:]
    assert [(stop - start, whole) for start, stop, whole in cut(shared, "hdlc")] == [
        (len(frame) - 1, True),
        (len(frame), True),
    ]
    noisy = b"abc" + frame + b"\x7e\x7e" + frame + b"\xa0\x7e\x01"
    pieces = cut(noisy, "hdlc")
    assert [whole for *_, whole in pieces] == [False, True, True, False]
    assert b"".join(noisy[start:stop] for start, stop, _ in pieces) == noisy


def test_behind_a_wrong_wrapper_header_nothing_is_a_frame() -> None:
    good = wrapper.encode(1, 1, GET)
    assert cut(good + b"\x00\x02" + good, "wrapper") == [
        (0, len(good), True),
        (len(good), 2 * len(good) + 2, False),
    ]
    (last,) = listen([Heard(sent=False, after_us=0, octets=good[:-1])], "wrapper")
    assert last.decoded.error is not None
    assert last.decoded.error.code == "truncated"


# Whatever was heard.

GARBAGE = st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=60)), max_size=12)


def named(said: Sequence[Said]) -> list[Span]:
    return [span for one in said for span in spans(one.decoded, Stretch(one.octets, (0,), (one.start,)))]


@settings(max_examples=300, deadline=None)
@given(said=GARBAGE, framing=st.sampled_from(["wrapper", "hdlc"]))
@example(said=[(True, b"\x00\x01\x00\x01\x00\x01\x00\x00")], framing="wrapper")
@example(said=[(True, b"\x7e\xa0\x07\x03\x03\x93\x00\x00\x7e")], framing="hdlc")
@example(said=[(False, b"\x7e" * 40), (True, b"\x7e")], framing="hdlc")
def test_garbage_is_shown_and_never_raises(said: list[tuple[bool, bytes]], framing: str) -> None:
    pieces = [Heard(sent=sent, after_us=place, octets=octets) for place, (sent, octets) in enumerate(said)]
    found = listen(pieces, framing, Keys(ek=EK, ak=AK, dedicated=DEDICATED), first=5)
    for way in (True, False):
        assert b"".join(one.octets for one in found if one.sent == way) == b"".join(
            octets for sent, octets in said if sent == way
        )
    end = 5 + sum(len(octets) for _, octets in said)
    for span in named(found):
        assert all(5 <= start < stop <= end for start, stop in span.at)
        assert sum(stop - start for start, stop in span.at) == len(span.octets)


@pytest.mark.parametrize("seed", range(6))
def test_a_conversation_with_bits_turned_over_never_raises(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        pieces = []
        for one in exchange():
            octets = bytearray(one.octets)
            for _ in range(chance.randrange(3)):
                octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
            pieces.append(Heard(sent=one.sent, after_us=one.after_us, octets=bytes(octets)))
        named(listen(pieces, "wrapper", KEYS))


def test_plain_messages_with_bits_turned_over_never_raise() -> None:
    chance = random.Random(11)
    apdus = [aarq(), aare(), get_response(3), GET, *captures().values()]
    for _ in range(400):
        octets = bytearray(chance.choice(apdus))
        octets[chance.randrange(min(40, len(octets)))] ^= 1 << chance.randrange(8)
        piece = Heard(sent=chance.random() < 0.5, after_us=0, octets=wrapper.encode(1, 1, bytes(octets)))
        named(listen([piece], "wrapper", KEYS))


def test_many_small_frames_are_bounded() -> None:
    empty = wrapper.encode(1, 1, b"\xd8\x01\x02")
    said = listen([Heard(sent=False, after_us=0, octets=empty * (MAX_FRAMES + 500))], "wrapper")
    assert len(said) == MAX_FRAMES + 1
    assert said[-1].decoded.error is not None
