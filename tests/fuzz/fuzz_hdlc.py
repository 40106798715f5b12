"""Any bytes as a line of HDLC: the same frames however it is cut; and what a link of either role makes of them.

Check sequences are put right in every second input, so that the bytes behind them are reached.
"""

from kwartier.dlms.hdlc import Address, BadFrame, Frame, FrameReader, Parameters, check_sequence, parse_frame
from kwartier.dlms.hdlc_link import HdlcLink
from kwartier.errors import KwartierError

HEADER_BYTES = 5


def one(data: bytes) -> None:
    if not data:
        return
    stream = _framed(data[1:]) if data[0] & 1 else data[1:]
    found = _read(stream, len(stream) or 1)
    assert found == _read(stream, 1)
    for frame in found or []:
        if isinstance(frame, Frame):
            assert parse_frame(frame.encode()[1:-1]) == frame
            _negotiate(frame.information)
    _drive(stream, client=bool(data[0] & 2))


def _framed(data: bytes) -> bytes:
    """``data`` as frames between client 1 and server 1: a length, a control byte and so many bytes of information each."""
    out, at = b"", 0
    while at + 1 < len(data):
        size, control = data[at] & 0x3F, data[at + 1]
        information = data[at + 2 : at + 2 + size]
        length = HEADER_BYTES + 2 + (len(information) + 2 if information else 0)
        header = bytes((0xA0 | data[at] >> 3 & 8, length, 0x03, 0x03, control))
        body = header + check_sequence(header)
        if information:
            body += information
            body += check_sequence(body)
        out += b"\x7e" + body
        at += 2 + size
    return out + b"\x7e"


def _read(data: bytes, step: int) -> list[Frame | BadFrame] | None:
    reader = FrameReader()
    found: list[Frame | BadFrame] = []
    try:
        for at in range(0, len(data), step):
            found += reader.feed(data[at : at + step])
    except KwartierError:
        return None
    return found


def _negotiate(information: bytes) -> None:
    try:
        agreed = Parameters().meet(Parameters.decode(information))
    except KwartierError:
        return
    assert Parameters.decode(agreed.encode()) == agreed


def _drive(stream: bytes, *, client: bool) -> None:
    link = HdlcLink(client=client, client_address=1 if client else None, server_address=Address(1))
    try:
        if client:
            link.connect(0.0)
        link.receive(stream, 0.0)
        for _ in range(8):
            link.data_to_send()
            if link.deadline is None:
                return
            link.handle_timer(link.deadline)
    except KwartierError:
        return
