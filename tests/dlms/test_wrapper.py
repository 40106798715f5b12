"""The wrapper: eight bytes before each APDU, checked before anything is held."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.dlms import wrapper
from kwartier.dlms.link import LinkState
from kwartier.dlms.wrapper import WrapperLink
from kwartier.errors import StateError, WireError

# Green Book 7.3.3.2: version 1, from client 16 to the management logical device 1, five bytes of APDU.
GREEN_BOOK_HEADER = bytes.fromhex("0001 0010 0001 0005")


def client(source: int = 16, destination: int = 1) -> WrapperLink:
    link = WrapperLink(source=source, destination=destination)
    link.connect(0.0)
    return link


def refusal(link: WrapperLink, data: bytes) -> str:
    with pytest.raises(WireError) as caught:
        link.receive(data, 0.0)
    return caught.value.code


def test_the_header_is_version_source_destination_and_length() -> None:
    link = client()
    link.send(b"hello", 0.0)
    assert link.data_to_send() == GREEN_BOOK_HEADER + b"hello"
    assert link.data_to_send() == b""


def test_a_client_is_down_until_it_connects_and_needs_no_timer() -> None:
    link = WrapperLink(source=16, destination=1)
    with pytest.raises(StateError):
        link.send(b"early", 0.0)
    link.connect(0.0)
    assert (link.state, link.deadline) == (LinkState.UP, None)
    link.disconnect(0.0)
    assert link.state is LinkState.CLOSED
    with pytest.raises(StateError):
        link.send(b"late", 0.0)


@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(1, 40))
def test_apdus_arrive_whole_however_the_line_cuts_them(apdus: list[bytes], step: int) -> None:
    stream = b"".join(wrapper.encode(1, 16, apdu) for apdu in apdus)
    assert client().receive(stream, 0.0) == apdus
    link = client()
    pieces = [link.receive(stream[at : at + step], 0.0) for at in range(0, len(stream), step)]
    assert [apdu for piece in pieces for apdu in piece] == apdus


@given(st.binary(max_size=200))
def test_any_bytes_give_apdus_or_a_wire_error_whole_and_one_by_one(data: bytes) -> None:
    def outcome(step: int) -> tuple[list[bytes], str]:
        link, got = client(source=1, destination=0), list[bytes]()
        try:
            for at in range(0, len(data), step):
                got += link.receive(data[at : at + step], 0.0)
        except WireError as error:
            return [], error.code
        return got, ""

    assert outcome(1) == outcome(len(data) or 1)


@pytest.mark.parametrize("version", [0, 2, 0x0100, 0x7EA0])
def test_another_version_is_no_wrapper(version: int) -> None:
    assert refusal(client(), version.to_bytes(2, "big") + GREEN_BOOK_HEADER[2:] + b"hello") == "bad-wrapper"


@pytest.mark.parametrize(("source", "destination"), [(2, 16), (1, 17), (16, 1)])
def test_an_answer_between_other_ports_is_refused(source: int, destination: int) -> None:
    assert refusal(client(), wrapper.encode(source, destination, b"hello")) == "wrong-address"


def test_a_server_answers_whom_it_heard_and_keeps_to_it() -> None:
    server = WrapperLink(source=1, destination=None)
    assert server.client_address == -1
    with pytest.raises(StateError):
        server.send(b"to nobody", 0.0)
    assert server.receive(wrapper.encode(16, 1, b"hello"), 0.0) == [b"hello"]
    assert server.client_address == 16
    server.send(b"answer", 0.0)
    assert server.data_to_send() == wrapper.encode(1, 16, b"answer")
    assert refusal(server, wrapper.encode(2, 1, b"hello")) == "wrong-address"


def test_a_length_beyond_what_is_legitimate_is_refused_by_its_header() -> None:
    link = client()
    link.max_apdu = 100
    assert link.receive(wrapper.encode(1, 16, bytes(100)), 0.0) == [bytes(100)]
    assert refusal(link, wrapper.encode(1, 16, bytes(101))[:8]) == "apdu-too-long"


def test_the_longest_apdu_fits_and_a_longer_one_is_our_own_mistake() -> None:
    assert client().receive(wrapper.encode(1, 16, bytes(wrapper.MAX_APDU)), 0.0) == [bytes(wrapper.MAX_APDU)]
    with pytest.raises(StateError):
        wrapper.encode(1, 16, bytes(wrapper.MAX_APDU + 1))


def test_a_lying_length_is_not_allocated() -> None:
    link = client()
    header = wrapper.encode(1, 16, bytes(wrapper.MAX_APDU))[:8]
    tracemalloc.start()
    link.receive(header, 0.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4096


def test_a_long_apdu_on_a_slow_line_is_progress_and_a_trickle_is_not() -> None:
    data = wrapper.encode(1, 16, bytes(4 * wrapper.PROGRESS_BYTES))
    slow, trickle = client(), client()
    seen = []
    for at in range(0, len(data), wrapper.PROGRESS_BYTES):
        slow.receive(data[at : at + wrapper.PROGRESS_BYTES], 0.0)
        seen.append(slow.progress)
    assert seen == [0, 1, 2, 3, 3]
    for at in range(wrapper.PROGRESS_BYTES):
        trickle.receive(data[at : at + 1], 0.0)
    assert trickle.progress == 0
