"""A meter that nobody of this project wrote: every byte of data, protection and check sequence is made by gurux_dlms.

``python -m tests.foreign.gurux_meter CONFIG`` listens on a free loopback port, prints it, and serves one line after another
until it is ended. ``CONFIG`` is JSON: see :class:`Config`. The public client may read the invocation counter and nothing else.
"""

import json
import socket
import sys
from dataclasses import dataclass, field
from typing import Any

from tests.foreign import gurux_codec as codec
from tests.foreign.gurux_hdlc import HdlcServer
from tests.foreign.truth import Row, moment, rows, stamp

PUBLIC_CLIENT = 16
CLOCK = bytes((0, 0, 1, 0, 0, 255))
STATUS = bytes((0, 0, 96, 10, 2, 255))
IMPORT = bytes((1, 0, 1, 8, 0, 255))
EXPORT = bytes((1, 0, 2, 8, 0, 255))
PROFILE = bytes((1, 0, 99, 1, 0, 255))
COUNTER = bytes((0, 0, 43, 1, 0, 255))
COLUMNS = ((8, CLOCK, 2), (1, STATUS, 2), (3, IMPORT, 2), (3, EXPORT, 2))
GET, SET, ACTION = 0xC0, 0xC1, 0xC3
GLO = {0xC4: 0xCC, 0xC7: 0xCF, 0xC5: 0xCD}
BLOCK_OVERHEAD = 48
CONFORMANCE = bytes.fromhex("00101D")
"""Get, set, action, selective access, blocks with get."""
OBJECT_UNDEFINED, DENIED = 4, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the meter is. ``first`` and ``count`` are those of :func:`tests.foreign.truth.rows`."""

    title: str
    ek: str
    ak: str
    first: int
    count: int
    transport: str = "wrapper"
    general: bool = False
    """Answer with general-glo-ciphering, whatever is asked with."""
    titled: bool = True
    """Put the system title into general-glo-ciphering; else leave it empty."""
    expects: int = 0
    """The highest client counter that it has seen already."""
    clear_release: bool = False
    """Answer a clear RLRQ, and refuse a protected one."""
    columns: tuple[int, ...] = (0, 1, 2, 3)
    """The order of its capture objects."""
    shows: int = 0
    """What its clock shows until somebody sets it (UTC seconds); it stands still. 0: a minute after the last row, for ever."""


@dataclass(slots=True)
class Meter:
    """The objects and what outlives an association."""

    config: Config
    data: list[Row]
    own: int = 0
    peer: int = 0
    reads: list[int] = field(default_factory=list)
    shown: bytes = b""

    def __post_init__(self) -> None:
        self.shown = stamp(self.config.shows or self.data[-1].time + 60)

    def counter(self) -> int:
        """The meter's next invocation counter."""
        self.own += 1
        return self.own


class Association:
    """One line to the meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._cipher: Any = None
        self._request: Any = None
        self._challenge = b""
        self._long = b""
        self._block = 0

    def answer(self, client: int, apdu: bytes) -> bytes:
        """What the meter says to one APDU."""
        if apdu[0] == 0x60:
            return self._associate(client, apdu)
        if apdu[0] == 0x62:
            return self._release(apdu)
        if self._request is None:
            return bytes.fromhex("D80101")
        if not self._request.ciphered:
            return self._serve(apdu, public=True)
        plain, counter = self._cipher.decrypt(apdu)
        if counter <= self._meter.peer:
            return bytes.fromhex("D80106") + (self._meter.peer + 1).to_bytes(4, "big")
        self._meter.peer = counter
        return self._protect(self._serve(plain, public=False), general=apdu[0] == codec.GENERAL_GLO)

    def _protect(self, plain: bytes, *, general: bool) -> bytes:
        config = self._meter.config
        if not (general or config.general):
            return bytes(self._cipher.encrypt(GLO[plain[0]], plain, self._meter.counter()))
        ciphered = bytes(self._cipher.encrypt(codec.GENERAL_GLO, plain, self._meter.counter()))
        return ciphered if config.titled else ciphered[:1] + b"\x00" + ciphered[2 + ciphered[1] :]

    # Associating.

    def _associate(self, client: int, apdu: bytes) -> bytes:
        config = self._meter.config
        self._cipher = codec.Cipher(bytes.fromhex(config.title), bytes.fromhex(config.ek), bytes.fromhex(config.ak))
        self._request = None
        try:
            request = self._cipher.aarq(apdu)
        except Exception:  # noqa: BLE001 - gurux raises whatever it meets in what it could not decipher
            return _aare(3, 1, 13)
        if client == PUBLIC_CLIENT:
            self._request = request
            return _aare(1, 0, 0, information=_initiate_response())
        if request.mechanism != 5 or not request.ciphered:
            return _aare(3, 1, 14)
        if request.counter <= self._meter.peer:
            return _aare(3, 1, 13)
        self._meter.peer = request.counter
        self._request = request
        self._challenge = codec.challenge()
        information = self._cipher.encrypt(0x28, _initiate_response(), self._meter.counter())
        return _aare(3, 0, 14, title=bytes.fromhex(config.title), challenge=self._challenge, information=information)

    def _release(self, apdu: bytes) -> bytes:
        protected = len(apdu) > 5
        if self._meter.config.clear_release and protected:
            return bytes.fromhex("D80101")
        if not protected or not self._request.ciphered:
            return bytes.fromhex("6303800100")
        information = self._cipher.encrypt(0x28, _initiate_response(), self._meter.counter())
        return _tlv(0x63, b"\x80\x01\x00" + _tlv(0xBE, _tlv(0x04, information)))

    # Serving.

    def _serve(self, plain: bytes, *, public: bool) -> bytes:
        if plain[0] == ACTION:
            return self._prove(plain)
        if plain[0] == SET:
            return bytes((0xC5, 1, plain[2], self._set(plain[3:12], plain[12], plain[13:])))
        if plain[0] == GET and plain[1] == 1:
            class_id, name, attribute = int.from_bytes(plain[3:5], "big"), plain[5:11], plain[11]
            access = codec.decode_range(plain[14:]) if plain[12] else None
            value = self._value(class_id, name, attribute, access, public=public)
            return self._response(plain[2], value)
        if plain[0] == GET and plain[1] == 2:
            return self._next(plain[2])
        return bytes.fromhex("D80202")

    def _set(self, attribute: bytes, access: int, value: bytes) -> int:
        if not self._meter.config.shows or access or attribute != b"\x00\x08" + CLOCK + b"\x02":
            return DENIED
        self._meter.shown = codec.decode_octets(value)
        return 0

    def _prove(self, plain: bytes) -> bytes:
        proof = plain[15:32]
        expected = self._cipher.proof(self._challenge, int.from_bytes(proof[1:5], "big"), self._request.title)
        if expected != proof:
            return bytes((0xC7, 1, plain[2], DENIED, 0))
        config = self._meter.config
        mine = self._cipher.proof(self._request.challenge, self._meter.counter(), bytes.fromhex(config.title))
        return bytes((0xC7, 1, plain[2], 0, 1, 0)) + codec.encode(codec.OCTETS, bytearray(mine))

    def _response(self, invoke: int, value: bytes | int) -> bytes:
        if isinstance(value, int):
            return bytes((0xC4, 1, invoke, 1, value))
        if len(value) + BLOCK_OVERHEAD <= self._request.max_pdu:
            return bytes((0xC4, 1, invoke, 0)) + value
        self._long, self._block = value, 0
        return self._next(invoke)

    def _next(self, invoke: int) -> bytes:
        size = self._request.max_pdu - BLOCK_OVERHEAD
        piece, self._long = self._long[:size], self._long[size:]
        self._block += 1
        head = bytes((0xC4, 2, invoke, not self._long)) + self._block.to_bytes(4, "big") + b"\x00"
        return head + codec.count(len(piece)) + piece

    def _value(
        self, class_id: int, name: bytes, attribute: int, access: codec.Range | None, *, public: bool
    ) -> bytes | int:
        meter = self._meter
        if (class_id, name, attribute) == (1, COUNTER, 2):
            return codec.encode(codec.UINT32, meter.peer)
        if public:
            return DENIED
        if (class_id, name) == (7, PROFILE):
            return self._profile(attribute, access)
        if (class_id, name, attribute) == (8, CLOCK, 2):
            return codec.encode(codec.OCTETS, bytearray(meter.shown))
        if class_id == 3 and name in (IMPORT, EXPORT) and attribute == 3:
            return bytes((codec.STRUCTURE, 2)) + codec.encode(codec.INT8, 0) + codec.encode(codec.ENUM, 30)
        return OBJECT_UNDEFINED

    def _profile(self, attribute: int, access: codec.Range | None) -> bytes | int:
        order = self._meter.config.columns
        if attribute == 2:
            return self._buffer(access)
        if attribute == 3:
            return bytes((codec.ARRAY, len(order))) + b"".join(_capture_object(place) for place in order)
        simple = {4: (codec.UINT32, 900), 5: (codec.ENUM, 1), 7: (codec.UINT32, len(self._meter.data))}
        simple[8] = (codec.UINT32, 960)
        return codec.encode(*simple[attribute]) if attribute in simple else OBJECT_UNDEFINED

    def _buffer(self, access: codec.Range | None) -> bytes:
        order = list(self._meter.config.columns)
        data = self._meter.data
        if access is not None:
            first, last = moment(access.start), moment(access.end)
            data = [row for row in data if first <= row.time <= last]
            order = [place for place in order if not access.columns or COLUMNS[place] in access.columns]
        self._meter.reads.append(len(data))
        return bytes((codec.ARRAY,)) + codec.count(len(data)) + b"".join(_row(row, order) for row in data)


def _row(row: Row, order: list[int]) -> bytes:
    values = (
        (codec.OCTETS, bytearray(stamp(row.time))),
        (codec.UINT8, row.status),
        (codec.UINT32, row.import_wh),
        (codec.UINT32, row.export_wh),
    )
    return bytes((codec.STRUCTURE, len(order))) + b"".join(codec.encode(*values[place]) for place in order)


def _capture_object(place: int) -> bytes:
    class_id, name, attribute = COLUMNS[place]
    members = ((codec.UINT16, class_id), (codec.OCTETS, bytearray(name)), (codec.INT8, attribute), (codec.UINT16, 0))
    return bytes((codec.STRUCTURE, 4)) + b"".join(codec.encode(*member) for member in members)


def _tlv(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + codec.count(len(content)) + content


def _initiate_response() -> bytes:
    return bytes.fromhex("0800065F1F0400") + CONFORMANCE + bytes.fromhex("FFFF0007")


def _aare(
    context: int, result: int, diagnostic: int, *, title: bytes = b"", challenge: bytes = b"", information: bytes = b""
) -> bytes:
    body = _tlv(0xA1, _tlv(0x06, bytes.fromhex("608574050801") + bytes((context,))))
    body += _tlv(0xA2, _tlv(0x02, bytes((result,)))) + _tlv(0xA3, _tlv(0xA1, _tlv(0x02, bytes((diagnostic,)))))
    if title:
        body += _tlv(0xA4, _tlv(0x04, title))
    if challenge:
        body += bytes.fromhex("88020780") + _tlv(0x89, bytes.fromhex("60857405080205"))
        body += _tlv(0xAA, _tlv(0x80, challenge))
    if information:
        body += _tlv(0xBE, _tlv(0x04, information))
    return _tlv(0x61, body)


class WrapperServer:
    """The wrapper, as far as a meter needs it."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def serve(self, association: Association) -> None:
        """Answer until the client closes the line."""
        held = b""
        while data := self._line.recv(1 << 16):
            held += data
            while len(held) >= 8 and len(held) >= 8 + int.from_bytes(held[6:8], "big"):
                client, server = int.from_bytes(held[2:4], "big"), int.from_bytes(held[4:6], "big")
                stop = 8 + int.from_bytes(held[6:8], "big")
                answer = association.answer(client, held[8:stop])
                held = held[stop:]
                head = b"".join(number.to_bytes(2, "big") for number in (1, server, client, len(answer)))
                self._line.sendall(head + answer)


def main(text: str) -> None:
    """Serve until ended."""
    values = json.loads(text)
    config = Config(**{**values, "columns": tuple(values.get("columns", (0, 1, 2, 3)))})
    meter = Meter(config, rows(config.first, config.count), peer=config.expects)
    with socket.create_server(("127.0.0.1", 0)) as server:
        sys.stdout.write(f"{server.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            line, _ = server.accept()
            with line:
                framing = HdlcServer(line) if config.transport == "hdlc" else WrapperServer(line)
                framing.serve(Association(meter))


if __name__ == "__main__":
    main(sys.argv[1])
