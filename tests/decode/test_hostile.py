"""Whatever the bytes are, decoding ends in a result or a typed error, within named bounds."""

import json
import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from kwartier.decode import Decoded, Keys, decode
from kwartier.decode.frames import MAX_RUN
from kwartier.decode.show import lines
from kwartier.dlms import wrapper
from kwartier.dlms.hdlc import Frame, Kind
from kwartier.errors import InputError, KwartierError
from tests.decode.building import (
    AK,
    CLIENT,
    DEDICATED,
    EK,
    METER,
    METER_TITLE,
    blocks,
    captures,
    protect,
    push,
)

ALL = Keys(ek=EK, ak=AK, dedicated=DEDICATED, system_title=METER_TITLE)
LOOSE = Keys(ek=EK, dedicated=DEDICATED, system_title=METER_TITLE, unverified=True)
STARTS = [
    b"",
    b"/",
    b"\x7e\xa0",
    b"\x68\x10\x10\x68",
    b"\x00\x01\x00\x01\x00\x10",
    b"\xdb\x08" + METER_TITLE,
    b"\xe0\x81",
]
STARTS += [
    b"\xe6\xe7\x00",
    b"\x0f",
    b"\xc4\x01\xc1\x00",
    b"\xc4\x02",
    b"\x60",
    b"\x61",
    b"\x02",
    b"\x01",
    b"\x13",
    b"\x21",
]
SEED = 20260304
MUTATIONS = 400


def holds_together(data: bytes, keys: Keys) -> Decoded:
    """Decode, show and print: no exception, and no value beside an error."""
    found = decode(data, keys)
    json.dumps(found.as_json())
    for text in lines(found):
        assert text.isprintable()
    if found.error is not None:
        assert found.as_json()["body"] is None
        assert found.as_json()["message"] is None
        assert isinstance(found.error, KwartierError)
        assert not isinstance(found.error, InputError)
    for layer in found.layers:
        assert 0 <= layer.offset <= len(data)
    return found


@given(st.sampled_from(STARTS), st.binary(max_size=300), st.sampled_from([Keys(), ALL, LOOSE]))
@example(b"", b"\x00", Keys())
@example(b"\x7e", b"\x7e\x7e", Keys())
@settings(max_examples=400)
def test_any_bytes_are_a_result_or_a_typed_error(start: bytes, rest: bytes, keys: Keys) -> None:
    if start + rest:
        holds_together(start + rest, keys)


def test_every_beginning_of_every_capture_is_a_result_or_a_typed_error() -> None:
    for data in captures().values():
        for size in range(1, len(data)):
            holds_together(data[:size], ALL)


def test_captures_with_bytes_changed_removed_and_put_in_never_crash() -> None:
    dice = random.Random(SEED)
    for data in captures().values():
        for _ in range(MUTATIONS):
            changed = bytearray(data)
            for _ in range(dice.randint(1, 4)):
                place = dice.randrange(len(changed))
                match dice.randrange(3):
                    case 0:
                        changed[place] = dice.randrange(256)
                    case 1:
                        del changed[place]
                    case _:
                        changed.insert(place, dice.randrange(256))
            holds_together(bytes(changed), dice.choice((ALL, LOOSE)))


def test_layers_within_layers_end_at_a_named_bound() -> None:
    apdu = push()
    for _ in range(30):
        apdu = protect(apdu)
    found = holds_together(apdu, ALL)
    assert found.error is not None
    assert found.error.code == "too-deep"
    found = holds_together(b"\xe6\xe7\x00" * 1000 + push(), ALL)
    assert found.error is not None
    assert found.error.code == "too-deep"


def test_blocks_within_blocks_end_at_a_named_bound() -> None:
    apdu = push()
    for _ in range(30):
        (apdu,) = blocks(apdu, 10_000)
    found = holds_together(apdu, ALL)
    assert found.error is not None
    assert found.error.code == "too-deep"


def test_more_frames_than_any_capture_holds_are_refused() -> None:
    one = Frame(destination=METER, source=CLIENT, control=Kind.RR | 0x10).encode()
    for frame, code in ((one, "too-many-blocks"), (wrapper.encode(1, 16, b"\x00"), "too-many-blocks")):
        found = decode(frame * (MAX_RUN + 1))
        assert found.error is not None
        assert found.error.code == code


def test_a_text_of_a_meter_never_reaches_the_terminal_as_control_characters() -> None:
    for text in (b"\x1b[2J", b"\x9b2J", b"a\nb", b"\x07"):
        shown = list(lines(decode(b"\x0a" + bytes((len(text),)) + text)))
        assert all(line.isprintable() for line in shown)
        assert any("\\" in line for line in shown)
    telegram = b"/KWA5 \x1b[2J\r\n1-0:1.8.1(\x1b[31m)\r\n\x1b]0;\r\n!\r\n"
    shown = list(lines(decode(telegram)))
    assert len(shown) >= 4
    assert all(line.isprintable() for line in shown)
