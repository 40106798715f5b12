"""The wrapper of the TCP-UDP/IP profile: eight bytes before each APDU (Green Book 7.3.3).

Version, source port, destination port, length: four numbers of two bytes. There is no check sequence and no resynchronising:
a header that is wrong means that the two sides have lost each other, and the line is given up.
"""

import struct

from kwartier.dlms.link import LinkState
from kwartier.errors import StateError, WireError

VERSION = 1
HEADER = struct.Struct(">HHHH")
HEADER_BYTES = HEADER.size
MAX_APDU = 0xFFFF
"""The length field has two bytes."""
PROGRESS_BYTES = 1024
"""So many bytes of an APDU that comes in pieces are news: a slow line is no silence, and a trickle is."""


def encode(source: int, destination: int, apdu: bytes) -> bytes:
    """``apdu`` behind its header."""
    if len(apdu) > MAX_APDU:
        raise StateError("unbuildable", f"an APDU of {len(apdu)} bytes, the wrapper carries {MAX_APDU}")
    return HEADER.pack(VERSION, source, destination, len(apdu)) + apdu


class WrapperLink:
    """The link of a TCP connection. It is up as long as the connection is, and has no timer of its own.

    A client gives both ports. A server gives its own as ``source`` and None as ``destination``: it answers whom it is
    addressed by, and ``client_address`` says who that was.
    """

    __slots__ = (
        "_gathered",
        "_held",
        "_need",
        "_out",
        "_peer",
        "bad_frames",
        "deadline",
        "max_apdu",
        "progress",
        "source",
        "state",
    )

    def __init__(self, *, source: int, destination: int | None) -> None:
        self.source = source
        self.state = LinkState.DOWN if destination is not None else LinkState.UP
        self.deadline: float | None = None
        self.bad_frames = 0
        self.progress = 0
        self.max_apdu = MAX_APDU
        self._peer = destination
        self._gathered = 0
        self._held = bytearray()
        self._need = HEADER_BYTES
        self._out: list[bytes] = []

    @property
    def client_address(self) -> int:
        """The port of the client; -1 while a server has not heard one."""
        return -1 if self._peer is None else self._peer

    def connect(self, now: float) -> None:
        """TCP is the link: nothing to say."""
        self.state = LinkState.UP

    def send(self, apdu: bytes, now: float) -> None:
        """Queue one APDU."""
        if self.state is not LinkState.UP or self._peer is None:
            raise StateError("link-not-up", "an APDU was sent on a link that is not up")
        self._out.append(encode(self.source, self._peer, apdu))

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """The APDUs that ``data`` completes, in order."""
        held = self._held
        if held:
            # Pieces of one APDU are only gathered, so that a peer who sends byte by byte costs no more than its bytes.
            held += data
            self._gathered += len(data)
            self.progress = self._gathered // PROGRESS_BYTES
            if len(held) < self._need:
                return []
            data = bytes(held)
            held.clear()
        apdus: list[bytes] = []
        at = 0
        self._need = HEADER_BYTES
        while len(data) - at >= HEADER_BYTES:
            version, source, destination, length = HEADER.unpack_from(data, at)
            self._check(version, source, destination, length)
            stop = at + HEADER_BYTES + length
            if stop > len(data):
                self._need = stop - at
                break
            apdus.append(data[at + HEADER_BYTES : stop])
            at = stop
        if at < len(data):
            held += data[at:]
        return apdus

    def _check(self, version: int, source: int, destination: int, length: int) -> None:
        if version != VERSION:
            raise WireError("bad-wrapper", f"wrapper version {version}, {VERSION} expected")
        if destination != self.source or (self._peer is not None and source != self._peer):
            raise WireError(
                "wrong-address", f"an APDU from port {source} to port {destination} is not for this association"
            )
        if length > self.max_apdu:
            raise WireError(
                "apdu-too-long", f"an APDU of {length} bytes where at most {self.max_apdu} can be legitimate"
            )
        self._peer = source

    def data_to_send(self) -> bytes:
        """What is queued, once."""
        out, self._out = self._out, []
        return out[0] if len(out) == 1 else b"".join(out)

    def disconnect(self, now: float) -> None:
        """Closing the connection is up to whoever holds it."""
        self.state = LinkState.CLOSED

    def handle_timer(self, now: float) -> None:
        """There is no timer."""
