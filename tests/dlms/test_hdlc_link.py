"""The HDLC procedure: two links back to back, over lines that lose and damage frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.dlms.events import Answer
from kwartier.dlms.hdlc import Address, Frame, FrameReader, Kind, Parameters
from kwartier.dlms.hdlc_link import MAX_IDLE_FRAMES, POLL_PAUSE_S, HdlcLink
from kwartier.dlms.hdlc_segments import SMALLEST_SEGMENT_BYTES
from kwartier.dlms.link import LinkState
from kwartier.errors import KwartierError, LinkLost, WireError
from tests.dlms.pairs import make_pair
from tests.dlms.test_session import GET_CLOCK, GET_PROFILE, ask, associate

ADDRESSES = [Address(1), Address(1, 17, 2), Address(1, 17, 4), Address(1, 0x3FFF, 4)]


def pair(
    address: Address = ADDRESSES[0],
    client: Parameters | None = None,
    server: Parameters | None = None,
    *,
    up: bool = True,
) -> tuple[HdlcLink, HdlcLink]:
    client = client or Parameters(max_info_tx=128, max_info_rx=128, window_tx=7, window_rx=7)
    ours = HdlcLink(client=True, client_address=1, server_address=address, proposed=client)
    theirs = HdlcLink(client=False, client_address=None, server_address=address, proposed=server or client)
    if up:
        ours.connect(0.0)
        theirs.receive(ours.data_to_send(), 0.0)
        ours.receive(theirs.data_to_send(), 0.0)
        assert ours.state is theirs.state is LinkState.UP
    return ours, theirs


def carry(ours: HdlcLink, theirs: HdlcLink, answer: bytes = b"") -> tuple[list[bytes], list[bytes]]:
    """Carry bytes until both are silent, the meter answering what it is asked: what each side received."""
    got_ours: list[bytes] = []
    got_theirs: list[bytes] = []
    for _ in range(5000):
        up = ours.data_to_send()
        requests = theirs.receive(up, 0.0)
        got_theirs += requests
        if requests and answer:
            theirs.send(answer, 0.0)
        down = theirs.data_to_send()
        got_ours += ours.receive(down, 0.0)
        if not up and not down:
            return got_ours, got_theirs
    raise AssertionError("the two never stop talking")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("step", [0, 1])
def test_a_whole_session_over_hdlc(address: Address, step: int) -> None:
    links = pair(address, up=False)
    session = make_pair(links=links, step=step, max_pdu=512)
    assert associate(session)
    for operation in (GET_CLOCK, GET_PROFILE):
        answer = ask(session, operation)
        assert isinstance(answer, Answer)
        assert answer.value == session.objects.values[operation.class_id, operation.obis, 2]
    session.client.release(session.now)
    session.run()
    assert links[0].state is LinkState.CLOSED
    assert links[1].state is LinkState.DOWN


parameters = st.builds(
    Parameters,
    # What has to come in more segments than one per so many bytes is taken for babble.
    max_info_tx=st.integers(SMALLEST_SEGMENT_BYTES, 300),
    max_info_rx=st.integers(SMALLEST_SEGMENT_BYTES, 300),
    window_tx=st.integers(1, 7),
    window_rx=st.integers(1, 7),
)


@given(parameters, parameters, st.binary(min_size=1, max_size=900), st.binary(min_size=1, max_size=900))
def test_any_negotiation_carries_any_apdu_both_ways(
    client: Parameters, server: Parameters, request: bytes, answer: bytes
) -> None:
    ours, theirs = pair(client=client, server=server)
    for _ in range(2):
        ours.send(request, 0.0)
        assert carry(ours, theirs, answer) == ([answer], [request])


@given(st.integers(1, 7), st.integers(1, 7), st.lists(st.integers(0, 60), max_size=6), st.booleans())
def test_lost_and_damaged_frames_are_sent_again(up: int, down: int, victims: list[int], damage: bool) -> None:
    """Of all frames in both directions, lose (or damage) those with the chosen running numbers."""
    client = Parameters(max_info_tx=20, max_info_rx=20, window_tx=up, window_rx=down)
    ours, theirs = pair(client=client)
    counted = 0
    now = 0.0

    def line(data: bytes) -> bytes:
        nonlocal counted
        out = b""
        for frame in FrameReader().feed(data):
            assert isinstance(frame, Frame)
            octets = frame.encode()
            if counted in victims:
                octets = octets[:-3] + bytes((octets[-3] ^ 0x55,)) + octets[-2:] if damage else b""
            counted += 1
            out += octets
        return out

    request, answer = bytes(range(100)), bytes(range(150, 250))
    ours.send(request, now)
    received: list[bytes] = []
    answers: list[bytes] = []
    for _ in range(60):
        moved = False
        for _ in range(200):
            sent = ours.data_to_send()
            got = theirs.receive(line(sent), now)
            received += got
            if got:
                theirs.send(answer, now)
            back = theirs.data_to_send()
            answers += ours.receive(line(back), now)
            if not sent and not back:
                break
            moved = True
        if answers or ours.deadline is None:
            break
        now = ours.deadline
        try:
            ours.handle_timer(now)
        except LinkLost:
            assert len(victims) > 3
            assert not moved
            return
    assert (received, answers) == ([request], [answer])


def test_a_busy_meter_is_asked_again_by_the_timer_and_not_in_a_loop() -> None:
    ours, theirs = pair()
    ours.send(b"request", 0.0)
    assert theirs.receive(ours.data_to_send(), 0.0) == [b"request"]
    ours.receive(theirs.data_to_send(), 0.0)  # RR: nothing to say yet
    assert ours.data_to_send() == b""
    assert ours.deadline == POLL_PAUSE_S
    theirs.send(b"answer", 0.4)
    assert theirs.data_to_send() == b""  # it is not the meter's turn
    ours.handle_timer(0.5)
    theirs.receive(ours.data_to_send(), 0.5)
    assert ours.receive(theirs.data_to_send(), 0.5) == [b"answer"]
    assert ours.deadline is None


def test_silence_ends_after_the_retries() -> None:
    ours, _ = pair(up=False)
    ours.connect(0.0)
    for attempt in range(1, 4):
        ours.data_to_send()
        ours.handle_timer(5.0 * attempt)
        assert ours.data_to_send()
    with pytest.raises(LinkLost, match="4 tries"):
        ours.handle_timer(20.0)


def test_a_meter_that_refuses_or_has_forgotten_the_connection_is_a_lost_link() -> None:
    refused, _ = pair(up=False)
    refused.connect(0.0)
    dm = Frame(destination=Address(1), source=Address(1), control=Kind.DM | 0x10).encode()
    with pytest.raises(LinkLost) as caught:
        refused.receive(dm, 0.0)
    assert caught.value.code == "hdlc-refused"
    ours, theirs = pair()
    theirs.state = LinkState.DOWN
    ours.send(b"request", 0.0)
    with pytest.raises(LinkLost) as caught:
        carry(ours, theirs)
    assert caught.value.code == "hdlc-disconnected"


def test_frames_for_others_and_bad_frames_are_counted_and_passed_over() -> None:
    ours, theirs = pair()
    stranger = Frame(destination=Address(2), source=Address(1), control=0x10, information=b"\xe6\xe7\x00other").encode()
    broken = bytearray(Frame(destination=Address(1), source=Address(1), control=0x10, information=b"abc").encode())
    broken[9] ^= 1
    ours.send(b"request", 0.0)
    theirs.receive(ours.data_to_send(), 0.0)
    theirs.send(b"answer", 0.0)
    assert ours.receive(stranger + bytes(broken) + theirs.data_to_send(), 0.0) == [b"answer"]
    assert (ours.strange_frames, ours.bad_frames) == (1, 1)


def test_a_frame_that_never_ends_is_dropped_at_the_inter_octet_deadline() -> None:
    ours, theirs = pair()
    ours.send(b"request", 0.0)
    theirs.receive(ours.data_to_send(), 0.0)
    theirs.send(b"answer", 0.0)
    whole = theirs.data_to_send()
    assert ours.receive(whole[:-4], 0.5) == []
    assert ours.deadline == 1.5
    ours.handle_timer(1.5)
    assert ours.bad_frames == 1
    ours.handle_timer(5.0)
    theirs.receive(ours.data_to_send(), 5.0)
    assert ours.receive(theirs.data_to_send(), 5.0) == [b"answer"]


def test_pushed_frames_arrive_unnumbered() -> None:
    ours, _ = pair()
    push = Frame(destination=Address(1), source=Address(1), control=Kind.UI | 0x10, information=b"\xe6\xe7\x00\x0fpush")
    assert ours.receive(push.encode(), 0.0) == [b"\x0fpush"]


def hostile(ours: HdlcLink, frame: Frame, times: int, code: str) -> None:
    with pytest.raises(KwartierError) as caught:
        for _ in range(times):
            ours.receive(frame.encode(), 0.0)
    assert caught.value.code == code


def test_a_babbling_or_lying_peer_is_stopped() -> None:
    nothing = Frame(destination=Address(1), source=Address(1), control=Kind.RR)
    hostile(pair()[0], nothing, MAX_IDLE_FRAMES + 2, "hdlc-babble")
    hostile(pair()[0], Frame(destination=Address(1), source=Address(1), control=Kind.RR | 5 << 5), 1, "hdlc-sequence")
    rejected = Frame(destination=Address(1), source=Address(1), control=Kind.FRMR | 0x10, information=b"\x10\x00\x01")
    hostile(pair()[0], rejected, 1, "hdlc-rejected")
    without_llc = Frame(destination=Address(1), source=Address(1), control=0x10, information=b"no llc")
    hostile(pair()[0], without_llc, 1, "bad-llc")


def test_segments_beyond_what_can_be_legitimate_are_refused() -> None:
    ours, theirs = pair()
    ours.max_apdu = 200
    theirs.send(bytes(500), 0.0)
    ours.send(b"request", 0.0)
    with pytest.raises(WireError) as caught:
        carry(ours, theirs)
    assert caught.value.code == "apdu-too-long"
