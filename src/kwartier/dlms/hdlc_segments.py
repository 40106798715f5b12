"""An APDU as the information fields of HDLC frames, and back (Green Book 8.4.1.4.2: LLC header; 8.4.5.4.4: segmentation).

Three LLC bytes stand before the APDU, so in its first segment only. The bound on the number of segments keeps a peer from
making us work by sending its bytes one a frame.
"""

from kwartier.errors import WireError

LLC_COMMAND = b"\xe6\xe6\x00"
LLC_RESPONSE = b"\xe6\xe7\x00"
FREE_SEGMENTS = 16
SMALLEST_SEGMENT_BYTES = 16
"""An APDU may come in ``FREE_SEGMENTS`` frames and one more per this many bytes of it."""


def cut(data: bytes, size: int) -> list[tuple[bytes, bool]]:
    """``data`` in pieces of at most ``size`` bytes, each with whether another follows."""
    if len(data) <= size:
        return [(data, False)]
    return [(data[at : at + size], at + size < len(data)) for at in range(0, len(data), size)]


class Assembler:
    """Puts segments together and takes the LLC bytes ``llc`` off what they make."""

    __slots__ = ("_held", "_llc", "_parts")

    def __init__(self, llc: bytes) -> None:
        self._llc = llc
        self._parts: list[bytes] = []
        self._held = 0

    def __bool__(self) -> bool:
        """Whether the beginning of an APDU is held."""
        return bool(self._parts)

    def clear(self) -> None:
        """Forget what is held."""
        self._parts.clear()
        self._held = 0

    def feed(self, information: bytes, *, segmented: bool, max_apdu: int) -> bytes | None:
        """The APDU, of at most ``max_apdu`` bytes, once its last segment is here."""
        parts, llc = self._parts, self._llc
        parts.append(information)
        self._held += len(information)
        if self._held > max_apdu + len(llc):
            raise WireError(
                "apdu-too-long", f"HDLC segments of more than {max_apdu} bytes where no more can be legitimate"
            )
        if len(parts) > FREE_SEGMENTS + self._held // SMALLEST_SEGMENT_BYTES:
            raise WireError("hdlc-babble", f"{len(parts)} HDLC segments for {self._held} bytes")
        if segmented:
            return None
        whole = b"".join(parts)
        self.clear()
        if not whole.startswith(llc):
            raise WireError("bad-llc", f"LLC bytes {whole[:3].hex()} where {llc.hex()} was expected")
        return whole[len(llc) :]
