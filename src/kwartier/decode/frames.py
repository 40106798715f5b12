"""What carries an APDU: HDLC frames, the wrapper and wired M-Bus, one piece after the other.

Each function walks a stretch that begins with its kind of frame and gives, frame by frame, the layer to show and the
APDU that this frame completes, if it does. The frames themselves are read by :mod:`kwartier.dlms`; here is only where
the next one begins and who sent it. A capture is looked at once and nothing is asked for again, so the first thing that
is wrong ends it: the layer is shown with the check that failed, and the error is raised behind it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from kwartier.decode.layers import Fields, hexed
from kwartier.decode.stretch import Stretch, joined
from kwartier.dlms import hdlc_segments, mbus, wrapper
from kwartier.dlms.hdlc import (
    FLAG,
    FORMAT_MASK,
    FORMAT_TYPE,
    LENGTH_MASK,
    MIN_FRAME,
    Frame,
    Kind,
    Parameters,
    parse_frame,
)
from kwartier.errors import KwartierError, WireError

MAX_APDU = 1 << 20
"""No APDU of a capture is longer, from however many pieces it is put together."""
MAX_RUN = 10_000
"""Frames of one capture."""
HCS_BYTES = 2
SEQUENCE_NUMBERS = 8

CHECKS = {"bad-hcs": "HCS", "bad-fcs": "FCS", "bad-mbus-sum": "sum"}
"""The check that failed -> what people call it."""

Party = tuple[int, int]
"""Who speaks to whom: source and destination."""
_NAMES = {int(kind): kind.name for kind in Kind}


@dataclass(slots=True, kw_only=True)
class Piece:
    """One frame: ``start`` and ``stop`` in the stretch, and the APDU that it completes; ``checked``: its sums held."""

    kind: str
    start: int
    stop: int
    fields: Fields
    party: Party | None = None
    apdu: Stretch | None = field(default=None, repr=False)
    checked: bool = False


def located(error: KwartierError, where: str) -> KwartierError:
    """The same error, its detail saying in which frame or layer of the capture it was found."""
    return type(error)(error.code, f"{where}: {error.detail}", retry=error.retry)


def _failed(error: WireError, where: str) -> KwartierError:
    """The error of a frame, told by the name of the check where one failed."""
    check = CHECKS.get(error.code)
    return located(error, where) if check is None else WireError(error.code, f"the {check} of the {where} is wrong")


def _bad(kind: str, start: int, stop: int, error: KwartierError) -> Piece:
    return Piece(kind=kind, start=start, stop=stop, fields={"error": error.code})


# HDLC


def frame_length(data: bytes, at: int) -> int:
    """The length of the frame whose format stands at ``at``; 0 where no frame of type 3 begins."""
    form = int.from_bytes(data[at : at + 2], "big")
    length = form & LENGTH_MASK
    return length if form & FORMAT_MASK == FORMAT_TYPE and length >= MIN_FRAME else 0


def hdlc(stretch: Stretch, held: "Segments | None" = None) -> Iterator[Piece]:
    """HDLC frames in a row; between two of them stand one or two flags. A single frame may lack its flags.

    ``held``: what earlier frames have begun; what these leave unfinished then waits for more.
    """
    data, at = stretch.data, 0
    segments = Segments() if held is None else held
    for _ in range(MAX_RUN):
        start = at
        while at < len(data) and data[at] == FLAG:
            at += 1
        if at == len(data):
            if not start:
                raise WireError("truncated", f"{len(data)} flags, and no frame between them")
            break
        length = frame_length(data, at)
        stop = at + length
        try:
            frame = _frame(data, at, length)
            piece = _hdlc_piece(frame, start, stop, data[at:stop])
            piece.apdu = segments.feed(frame, stretch.cut(stop - 2 - len(frame.information), stop - 2))
        except WireError as error:
            yield _bad("hdlc", start, min(stop, len(data)), error)
            raise _failed(error, f"HDLC frame at offset {stretch.offset(start)}") from None
        piece.checked = piece.apdu is not None
        at = stop
        if at < len(data) and data[at] == FLAG:
            piece.stop = stop + 1
            # The flag that ends this frame may begin the next: it is left for it unless that one has its own.
            at = stop + 1 if frame_length(data, stop + 1) == 0 else stop
        yield piece
    else:
        raise WireError("too-many-blocks", f"more than {MAX_RUN} frames in one capture")
    if held is None:
        segments.end()


def _frame(data: bytes, at: int, length: int) -> Frame:
    if not length:
        raise WireError("bad-hdlc-frame", f"{hexed(data[at : at + 2])} where the format of a frame of type 3 belongs")
    if at + length > len(data):
        # A header that is damaged must not pass for a frame that is only cut short.
        head = data[at:]
        try:
            parse_frame(head)
        except WireError as error:
            if error.code == "bad-hcs":
                raise
        raise WireError("truncated", f"the frame says that it has {length} bytes, and {len(head)} are there")
    return parse_frame(data[at : at + length])


def _hdlc_piece(frame: Frame, start: int, stop: int, body: bytes) -> Piece:
    header_end = 3 + frame.destination.size + frame.source.size
    fields: Fields = {
        "frame": _NAMES.get(frame.kind, f"unknown (0x{frame.kind:02X})"),
        "src": frame.source.number,
        "dst": frame.destination.number,
        "control": frame.control,
        "poll_final": frame.poll_final,
        "segmented": frame.segmented,
    }
    for name, address in (("src", frame.source), ("dst", frame.destination)):
        if address.lower is not None:
            fields[f"{name}_logical"], fields[f"{name}_physical"] = address.upper, address.lower
    if frame.kind == Kind.I:
        fields["send_number"] = frame.send_number
    if frame.kind in (Kind.I, Kind.RR, Kind.RNR):
        fields["receive_number"] = frame.receive_number
    if frame.kind in (Kind.SNRM, Kind.UA):
        agreed = Parameters.decode(frame.information)
        fields["max_info_tx"], fields["max_info_rx"] = agreed.max_info_tx, agreed.max_info_rx
        fields["window_tx"], fields["window_rx"] = agreed.window_tx, agreed.window_rx
    fields["hcs"] = int.from_bytes(body[header_end : header_end + HCS_BYTES], "little")
    if frame.information:
        fields["fcs"] = int.from_bytes(body[-2:], "little")
    fields["info"] = hexed(frame.information)
    party = (frame.source.number, frame.destination.number)
    return Piece(kind="hdlc", start=start, stop=stop, fields=fields, party=party)


class Segments:
    """APDUs from the information fields of each direction."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[Party, tuple[hdlc_segments.Assembler, list[Stretch], int]] = {}

    def feed(self, frame: Frame, information: Stretch) -> Stretch | None:
        """The APDU without its LLC bytes, once its last segment is here."""
        if frame.kind not in (Kind.I, Kind.UI) or not frame.information:
            return None
        party = (frame.source.number, frame.destination.number)
        held = self._open.pop(party, None)
        if held is None:
            llc = _llc_of(frame.information)
            held = (hdlc_segments.Assembler(llc), [], frame.send_number)
        elif frame.kind == Kind.I and frame.send_number != (held[2] + 1) % SEQUENCE_NUMBERS:
            if frame.send_number == held[2] and frame.information == held[1][-1].data:
                self._open[party] = held
                return None
            raise WireError("lost-block", f"segment {frame.send_number} after segment {held[2]} of one APDU")
        assembler, parts, _ = held
        parts.append(information)
        whole = assembler.feed(frame.information, segmented=frame.segmented, max_apdu=MAX_APDU)
        if whole is None:
            self._open[party] = (assembler, parts, frame.send_number)
            return None
        together = joined(parts)
        return together.cut(len(together) - len(whole))

    def end(self) -> None:
        """The capture ends: raise where an APDU is not whole."""
        for _, parts, _ in self._open.values():
            raise WireError(
                "truncated", f"the last HDLC segment of the APDU at offset {parts[0].offset(0)} is not in the capture"
            )


def _llc_of(information: bytes) -> bytes:
    """The LLC bytes that this direction uses; those of a command where it is neither, which is then found wrong."""
    command = information.startswith(hdlc_segments.LLC_COMMAND)
    return hdlc_segments.LLC_COMMAND if command else hdlc_segments.LLC_RESPONSE


# Wrapper


def wrapped(stretch: Stretch) -> Iterator[Piece]:
    """APDUs behind wrapper headers in a row."""
    data, at = stretch.data, 0
    for _ in range(MAX_RUN):
        if at == len(data):
            return
        here = stretch.offset(at)
        if len(data) - at < wrapper.HEADER_BYTES:
            raise WireError("truncated", f"{len(data) - at} bytes at offset {here} where a wrapper header belongs")
        version, source, destination, length = wrapper.HEADER.unpack_from(data, at)
        body = at + wrapper.HEADER_BYTES
        if version != wrapper.VERSION:
            raise WireError("bad-wrapper", f"wrapper version {version} at offset {here}, {wrapper.VERSION} expected")
        fields: Fields = {"version": version, "src": source, "dst": destination, "apdu_length": length}
        piece = Piece(kind="wrapper", start=at, stop=min(body + length, len(data)), fields=fields)
        piece.party = (source, destination)
        if body + length > len(data):
            piece.fields["error"] = "truncated"
            yield piece
            raise WireError(
                "truncated", f"the wrapper at offset {here} announces {length} bytes, {len(data) - body} are there"
            )
        piece.apdu = stretch.cut(body, body + length)
        yield piece
        at = body + length
    raise WireError("too-many-blocks", f"more than {MAX_RUN} wrapped messages in one capture")


# Wired M-Bus


def is_mbus(data: bytes) -> bool:
    """Whether a long frame begins here."""
    return len(data) > mbus.HEADER_BYTES and data[0] == data[3] == mbus.START


def segments(stretch: Stretch) -> Iterator[Piece]:
    """Wired M-Bus frames in a row, each with a segment of an APDU."""
    data, at = stretch.data, 0
    assembler = mbus.Assembler()
    parts: list[Stretch] = []
    for _ in range(MAX_RUN):
        if at == len(data):
            break
        stop = at + mbus.HEADER_BYTES + data[min(at + 1, len(data) - 1)] + mbus.TRAILER_BYTES
        try:
            if stop > len(data) and is_mbus(data[at : at + mbus.HEADER_BYTES + 1]):
                raise WireError(
                    "truncated", f"the frame says that it has {stop - at} bytes, and {len(data) - at} are there"
                )
            segment = mbus.parse_segment(data[at:stop])
            whole = assembler.feed(segment)
        except WireError as error:
            yield _bad("mbus", at, min(stop, len(data)), error)
            raise _failed(error, f"M-Bus frame at offset {stretch.offset(at)}") from None
        parts.append(stretch.cut(at + mbus.HEADER_BYTES + mbus.FIELD_BYTES, stop - mbus.TRAILER_BYTES))
        fields: Fields = {
            "control": segment.control,
            "address": segment.address,
            "ci": segment.number | (mbus.LAST_SEGMENT if segment.last else 0),
            "segment": segment.number,
            "last_segment": segment.last,
            "src": segment.source,
            "dst": segment.destination,
            "sum": data[stop - mbus.TRAILER_BYTES],
            "data": hexed(segment.data),
        }
        piece = Piece(kind="mbus", start=at, stop=stop, fields=fields, party=(segment.source, segment.destination))
        if whole is not None:
            piece.apdu, piece.checked, parts = joined(parts), True, []
        yield piece
        at = stop
    else:
        raise WireError("too-many-blocks", f"more than {MAX_RUN} frames in one capture")
    if parts:
        raise WireError("truncated", f"the last M-Bus segment of the APDU at offset {parts[0].offset(0)} is not there")
