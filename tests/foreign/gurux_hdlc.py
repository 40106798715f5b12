"""HDLC as a plain meter speaks it, with gurux's check sequences: one frame a turn, answers in segments of 128 bytes."""

import socket
from typing import Protocol

from tests.foreign.gurux_codec import check_sequence

FLAG = 0x7E
SNRM, DISC, UA, DM = 0x93, 0x53, 0x73, 0x1F
LLC_RESPONSE = bytes.fromhex("E6E700")
INFO_BYTES = 128
PARAMETERS = bytes.fromhex("818012 050180 060180 070400000001 080400000001")


class Answers(Protocol):
    """Whoever answers APDUs."""

    def answer(self, client: int, apdu: bytes) -> bytes:
        """What the meter says."""
        ...


class HdlcServer:
    """One line of a meter that has a window of one in both directions."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._held = b""
        self._send = self._receive = 0
        self._segments: list[bytes] = []
        self._request = b""

    def serve(self, association: Answers) -> None:
        """Answer until the client closes the line."""
        while data := self._line.recv(1 << 16):
            self._held += data
            while (frame := self._frame()) is not None:
                self._on_frame(frame, association)

    def _frame(self) -> bytes | None:
        """The next whole frame without its flags, its check sequence right."""
        start = self._held.find(FLAG)
        while start >= 0 and self._held[start + 1 : start + 2] == b"\x7e":
            start += 1
        if start < 0 or len(self._held) < start + 3:
            return None
        length = int.from_bytes(self._held[start + 1 : start + 3], "big") & 0x07FF
        if len(self._held) < start + length + 2:
            return None
        frame, self._held = self._held[start + 1 : start + 1 + length], self._held[start + 1 + length :]
        if check_sequence(frame[:-2]) != frame[-2:]:
            raise ValueError("a client that sends wrong check sequences")
        return frame

    def _on_frame(self, frame: bytes, association: Answers) -> None:
        at = 2
        addresses = []
        for _ in range(2):
            stop = at
            while not frame[stop] & 1:
                stop += 1
            addresses.append(frame[at : stop + 1])
            at = stop + 1
        server, client = addresses
        control, information = frame[at], frame[at + 3 : -2]
        if control == SNRM:
            self._send = self._receive = 0
            self._emit(client, server, UA, PARAMETERS)
        elif control == DISC:
            self._emit(client, server, UA)
        elif control & 1 == 0:
            self._receive = (self._receive + 1) % 8
            self._request += information
            if frame[0] & 0x08:
                self._emit(client, server, self._receive << 5 | 0x11)
                return
            apdu, self._request = self._request[3:], b""
            answer = LLC_RESPONSE + association.answer(client[0] >> 1, apdu)
            self._segments = [answer[place : place + INFO_BYTES] for place in range(0, len(answer), INFO_BYTES)]
            self._information(client, server)
        elif control & 0x0F == 1:
            self._information(client, server)

    def _information(self, client: bytes, server: bytes) -> None:
        if not self._segments:
            self._emit(client, server, self._receive << 5 | 0x11)
            return
        piece = self._segments.pop(0)
        control = self._receive << 5 | 0x10 | self._send << 1
        self._send = (self._send + 1) % 8
        self._emit(client, server, control, piece, segmented=bool(self._segments))

    def _emit(
        self, client: bytes, server: bytes, control: int, information: bytes = b"", *, segmented: bool = False
    ) -> None:
        length = 2 + len(client) + len(server) + 3 + (len(information) + 2 if information else 0)
        body = (0xA000 | segmented << 11 | length).to_bytes(2, "big") + client + server + bytes((control,))
        body += check_sequence(body)
        if information:
            body += information
            body += check_sequence(body)
        self._line.sendall(bytes((FLAG,)) + body + bytes((FLAG,)))
