"""Frames: what carries an APDU, put together again, and which check failed when one does."""

import pytest

from kwartier.decode import Decoded, decode
from kwartier.dlms import wrapper
from kwartier.dlms.hdlc import Frame, Kind, Parameters
from tests.decode.building import (
    CLIENT,
    METER,
    blocks,
    bus,
    frames,
    get_response,
    line,
    protect,
    push,
)


def code_of(found: Decoded) -> str | None:
    """The code of the error, with nothing else said."""
    if found.error is None:
        return None
    assert found.as_json()["message"] is None
    assert found.as_json()["body"] is None
    return found.error.code


def changed(data: bytes, place: int) -> bytes:
    return data[:place] + bytes((data[place] ^ 0x10,)) + data[place + 1 :]


# HDLC


def test_each_frame_of_a_connection_is_a_layer_with_its_numbers() -> None:
    agreed = Parameters(max_info_tx=1024, max_info_rx=2030, window_tx=1, window_rx=7)
    found = decode(
        line(
            Frame(destination=METER, source=CLIENT, control=Kind.SNRM | 0x10),
            Frame(destination=CLIENT, source=METER, control=Kind.UA | 0x10, information=agreed.encode()),
            Frame(destination=METER, source=CLIENT, control=Kind.RR | 0x10 | 3 << 5),
            Frame(destination=METER, source=CLIENT, control=Kind.DISC | 0x10),
            Frame(destination=CLIENT, source=METER, control=Kind.DM | 0x10),
        )
    )
    assert code_of(found) is None
    snrm, ua, rr, disc, dm = (layer.fields for layer in found.layers)
    assert [one["frame"] for one in (snrm, ua, rr, disc, dm)] == ["SNRM", "UA", "RR", "DISC", "DM"]
    assert (snrm["control"], ua["control"], rr["control"]) == (0x93, 0x73, 0x71)
    assert (snrm["src"], snrm["dst"]) == (1, METER.number)
    assert (ua["src_logical"], ua["src_physical"]) == (1, 17)
    assert [ua[name] for name in ("max_info_tx", "max_info_rx", "window_tx", "window_rx")] == [1024, 2030, 1, 7]
    assert [snrm[name] for name in ("max_info_tx", "max_info_rx", "window_tx", "window_rx")] == [128, 128, 1, 1]
    assert ua["info"] == agreed.encode().hex().upper()
    assert rr["receive_number"] == 3
    assert found.as_json()["message"] is None


def test_frames_that_share_a_flag_and_frames_that_do_not_are_the_same_frames() -> None:
    sent = frames(get_response(12), size=128)
    apart = line(*sent)
    shared = apart.replace(b"\x7e\x7e", b"\x7e")
    assert len(shared) < len(apart)
    assert decode(shared).as_json()["body"] == decode(apart).as_json()["body"] is not None


def test_a_single_frame_may_lack_its_flags() -> None:
    (frame,) = frames(push())
    assert decode(frame.encode()[1:-1]).as_json()["body"] == decode(frame.encode()).as_json()["body"] is not None


@pytest.mark.parametrize("kind", [Kind.I, Kind.UI])
def test_segments_are_put_together_and_offsets_are_those_of_the_capture(kind: Kind) -> None:
    sent = line(*frames(get_response(12), size=128, kind=kind))
    found = decode(sent)
    assert code_of(found) is None
    assert found.message is not None
    assert isinstance(found.message.body, list)
    assert len(found.message.body) == 12
    apdu = found.layers[-1]
    assert (apdu.kind, apdu.length) == ("apdu", len(get_response(12)))
    assert sent[apdu.offset : apdu.offset + 3] == get_response(12)[:3]
    data = found.message.data
    assert data is not None
    # Behind the second frame's header, and not where it would be if the first went on.
    assert sent[data.offset(200)] == data.data[200]
    assert data.offset(200) > apdu.offset + 4 + 200


def test_a_repeated_segment_is_taken_once_and_a_lost_one_is_an_error() -> None:
    first, second, third = frames(get_response(12), size=128)
    whole = decode(line(first, second, third)).as_json()["body"]
    assert decode(line(first, second, second, third)).as_json()["body"] == whole
    assert code_of(decode(line(first, third))) == "lost-block"
    assert code_of(decode(line(first, second))) == "truncated"


def test_both_directions_are_put_together_apart() -> None:
    asked = frames(get_response(2), size=50, command=True)
    told = frames(get_response(3), size=50)
    found = decode(line(*(frame for pair in zip(asked, told, strict=False) for frame in pair), *told[len(asked) :]))
    assert code_of(found) is None
    assert sorted(len(one.body) for one in found.messages if isinstance(one.body, list)) == [2, 3]


def test_which_check_sequence_is_wrong_is_told() -> None:
    (frame,) = frames(push())
    good = frame.encode()
    assert code_of(decode(changed(good, 5))) == "bad-hcs"
    assert code_of(decode(changed(good, 30))) == "bad-fcs"
    assert code_of(decode(changed(good, len(good) - 2))) == "bad-fcs"
    assert code_of(decode(changed(good, 1))) == "bad-hdlc-frame"
    bad = decode(line(frame) + changed(good, 30))
    assert code_of(bad) == "bad-fcs"
    assert bad.error is not None
    assert bad.error.detail == f"the FCS of the HDLC frame at offset {len(good)} is wrong"
    assert bad.layers[-1].fields == {"error": "bad-fcs"}


def test_a_frame_that_is_cut_short_is_no_damaged_one_unless_its_header_is() -> None:
    (frame,) = frames(push())
    good = frame.encode()
    assert code_of(decode(good[:30])) == "truncated"
    assert code_of(decode(changed(good, 2)[:30])) == "bad-hcs"


def test_flags_alone_are_no_frame() -> None:
    assert code_of(decode(b"\x7e")) == "truncated"
    assert code_of(decode(b"\x7e" * 100)) == "truncated"


def test_other_llc_bytes_than_those_of_dlms_are_refused() -> None:
    odd = Frame(destination=CLIENT, source=METER, control=Kind.UI, information=b"\xaa\xaa\x00" + push())
    assert code_of(decode(odd.encode())) == "bad-llc"


def test_information_with_its_llc_bytes_is_recognised_without_a_frame() -> None:
    assert decode(b"\xe6\xe7\x00" + push()).as_json()["body"] == decode(push()).as_json()["body"] is not None


# Wrapper


def test_wrapped_messages_in_a_row_are_messages_in_a_row() -> None:
    found = decode(wrapper.encode(1, 16, get_response(1)) + wrapper.encode(1, 16, get_response(2)))
    assert code_of(found) is None
    header = found.layers[0].fields
    assert (header["src"], header["dst"], header["apdu_length"]) == (1, 16, len(get_response(1)))
    assert [len(one.body) for one in found.messages if isinstance(one.body, list)] == [1, 2]
    assert found.layers[2].offset == 8 + len(get_response(1))


def test_a_wrapper_that_says_more_or_less_than_is_there_is_an_error() -> None:
    good = wrapper.encode(1, 16, push())
    assert code_of(decode(good[:-1])) == "truncated"
    assert code_of(decode(good[:6])) == "truncated"
    assert code_of(decode(good + b"\x00\x02\x00\x00\x00\x00\x00\x00")) == "bad-wrapper"


# M-Bus


def test_bus_segments_are_put_together() -> None:
    found = decode(bus(push(), 30))
    assert code_of(found) is None
    numbers = [
        (one.fields["segment"], one.fields["ci"], one.fields["src"], one.fields["dst"]) for one in found.layers[:2]
    ]
    assert numbers == [(0, 0x00, 1, 103), (1, 0x11, 1, 103)]
    assert found.as_json()["body"] == decode(push()).as_json()["body"]


def test_a_bus_frame_that_is_damaged_lost_or_cut_is_an_error() -> None:
    sent = bus(push(), 30)
    first = sent[: sent[1] + 6]
    assert code_of(decode(changed(sent, 20))) == "bad-mbus-sum"
    assert code_of(decode(sent[len(first) :])) == "lost-block"
    assert code_of(decode(first)) == "truncated"
    assert code_of(decode(sent[:-3])) == "truncated"
    assert code_of(decode(sent + b"\x00")) == "bad-mbus-frame"


# General block transfer


def test_blocks_are_put_together_over_frames_and_bare() -> None:
    pieces = blocks(push())
    assert len(pieces) > 1
    over_frames = line(*(frame for piece in pieces for frame in frames(piece, kind=Kind.UI)))
    whole = decode(push()).as_json()["body"]
    assert decode(over_frames).as_json()["body"] == whole
    assert decode(b"".join(pieces)).as_json()["body"] == whole
    assert decode(b"".join(wrapper.encode(1, 16, piece) for piece in pieces)).as_json()["body"] == whole


def test_a_lost_a_repeated_and_a_missing_block_give_no_value() -> None:
    first, second, *_ = pieces = blocks(protect(push()), 20)
    assert len(pieces) > 3
    for wrong in ([first, *pieces[2:]], [first, second, second, *pieces[2:]], pieces[:-1], pieces[1:], [second, first]):
        assert code_of(decode(b"".join(wrong))) == "lost-block"


def test_an_acknowledgement_is_a_block_without_a_message() -> None:
    found = decode(bytes.fromhex("E0 81 0001 0003 00"))
    assert code_of(found) is None
    assert found.layers[0].fields["acknowledged"] == 3
    assert found.as_json()["message"] is None


def test_a_block_cut_short_or_followed_by_something_else_is_an_error() -> None:
    (whole,) = blocks(push(), 1000)
    assert code_of(decode(whole[:-1])) == "truncated"
    assert code_of(decode(whole + b"\x00")) == "trailing-bytes"
