"""Captures put together with the package's own encoders, under keys that are only for tests.

``captures()`` is what ``tests/vectors/captures.toml`` was written from: a test holds the two against each other, so
that a codec that changes on both sides at once does not go unnoticed.
"""

from kwartier.decode.p1 import crc16
from kwartier.dlms import axdr, mbus, services, wrapper
from kwartier.dlms.association import Aare, Aarq
from kwartier.dlms.gbt import Block
from kwartier.dlms.hdlc import Address, Frame, Kind, Parameters
from kwartier.dlms.hdlc_segments import LLC_COMMAND, LLC_RESPONSE, cut
from kwartier.dlms.protection import (
    AUTHENTICATED,
    ENCRYPTED,
    CounterRange,
    Family,
    Protection,
    SessionKeys,
)
from kwartier.dlms.suite import Gcm

EK = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
AK = bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
DEDICATED = bytes.fromhex("E0E1E2E3E4E5E6E7E8E9EAEBECEDEEEF")
CLIENT_TITLE = bytes.fromhex("4B57540000000001")
METER_TITLE = bytes.fromhex("4B464D1020000001")
CLIENT = Address(1)
METER = Address(1, 17, 2)
START = bytes.fromhex("07EA0304030F0000FFFFC400")
ROWS = 96


def reading(rows: int = ROWS) -> bytes:
    """A quarter profile as a meter answers it: stamp, status, two registers."""
    items = [
        axdr.structure(
            axdr.octets(START[:5] + bytes((row // 4 % 24, row % 4 * 15, 0)) + START[8:]),
            axdr.u8(0),
            axdr.u32(1_000_000 + 25 * row),
            axdr.u32(2_000 + row),
        )
        for row in range(rows)
    ]
    return axdr.encode(axdr.array(*items))


def get_response(rows: int = ROWS) -> bytes:
    return services.GetResponseNormal(invoke_id_and_priority=0xC1, data=reading(rows)).encode()


def push() -> bytes:
    body = axdr.encode(axdr.structure(axdr.octets(b"\x00\x00\x60\x01\x00\xff"), axdr.text("KWA1"), axdr.u32(4711)))
    return services.DataNotification(long_invoke_id_and_priority=7, date_time=START, body=body).encode()


def protect(
    apdu: bytes,
    *,
    counter: int = 0x0123_4567,
    control: int = AUTHENTICATED | ENCRYPTED,
    general: bool = True,
    title: bytes = METER_TITLE,
    dedicated: bool = False,
) -> bytes:
    protection = Protection(
        control=control,
        own_title=title,
        peer_title=CLIENT_TITLE,
        keys=SessionKeys(ek=EK, ak=AK),
        counters=CounterRange(counter, counter + 1),
        general=general,
    )
    if dedicated:
        protection.use_dedicated(DEDICATED)
        protection.family = Family.DEDICATED
    return protection.protect(apdu)


def encrypted_only(apdu: bytes, *, counter: int = 9, control: int = ENCRYPTED) -> bytes:
    """General-glo-ciphering without a tag, as some pushing meters send it; the session has no way to build such."""
    body = Gcm(EK).keystream(METER_TITLE + counter.to_bytes(4, "big"), apdu)
    content = bytes((control,)) + counter.to_bytes(4, "big") + body
    return b"\xdb\x08" + METER_TITLE + bytes((len(content),)) + content


def frames(apdu: bytes, *, size: int = 2000, kind: Kind = Kind.I, command: bool = False, first: int = 0) -> list[Frame]:
    """``apdu`` as HDLC frames between client and meter."""
    pieces = cut((LLC_COMMAND if command else LLC_RESPONSE) + apdu, size)
    return [
        Frame(
            destination=METER if command else CLIENT,
            source=CLIENT if command else METER,
            control=kind | 0x10 | ((first + number) % 8 << 1 if kind is Kind.I else 0),
            information=piece,
            segmented=more,
        )
        for number, (piece, more) in enumerate(pieces)
    ]


def line(*sent: Frame) -> bytes:
    return b"".join(frame.encode() for frame in sent)


def blocks(apdu: bytes, size: int = 30) -> list[bytes]:
    pieces = cut(apdu, size)
    return [
        Block(last=not more, streaming=more, window=1, number=number, acknowledged=0, data=piece).encode()
        for number, (piece, more) in enumerate(pieces, 1)
    ]


def bus(apdu: bytes, size: int = mbus.MAX_DATA) -> bytes:
    return b"".join(segment.encode() for segment in mbus.cut(apdu, source=1, destination=103, size=size))


def telegram(*objects: str, version: str = "50", end: str = "\r\n", crc: bool = True) -> bytes:
    given = (f"1-3:0.2.8({version})", *objects)
    covered = "".join(text + end for text in ("/KWA5 test", "", *given)).encode("latin-1") + b"!"
    return covered + (f"{crc16(covered):04X}{end}" if crc else end).encode()


def aarq() -> bytes:
    proposed = services.InitiateRequest(conformance=0x00401D, max_pdu=0xFFFF, dedicated_key=DEDICATED).encode()
    return Aarq(
        application_context=3,
        calling_title=CLIENT_TITLE,
        mechanism=5,
        calling_authentication_value=b"CLIENT01",
        user_information=protect(proposed, counter=1, general=False, title=CLIENT_TITLE),
    ).encode()


def aare() -> bytes:
    settled = services.InitiateResponse(conformance=0x00401D, max_pdu=1024).encode()
    return Aare(
        result=0,
        diagnostic=14,
        application_context=3,
        responding_title=METER_TITLE,
        mechanism=5,
        responding_authentication_value=bytes(range(8)),
        user_information=protect(settled, counter=1, general=False),
    ).encode()


def conversation() -> bytes:
    """SNRM, UA, AARQ, AARE, and a GET under the dedicated key that is answered in two segments."""
    request = services.GetRequestNormal(
        invoke_id_and_priority=0xC1, class_id=7, obis=bytes.fromhex("0100630100FF"), attribute=2
    ).encode()
    wanted = Parameters(max_info_tx=1024, max_info_rx=2030, window_tx=1, window_rx=3)
    return line(
        Frame(destination=METER, source=CLIENT, control=Kind.SNRM | 0x10),
        Frame(destination=CLIENT, source=METER, control=Kind.UA | 0x10, information=wanted.encode()),
        *frames(aarq(), command=True),
        *frames(aare()),
        *frames(protect(request, general=False, title=CLIENT_TITLE, dedicated=True), command=True, first=1),
        *frames(protect(get_response(4), general=False, dedicated=True), size=100, first=1),
        Frame(destination=METER, source=CLIENT, control=Kind.RR | 0x10 | 3 << 5),
        Frame(destination=METER, source=CLIENT, control=Kind.DISC | 0x10),
        Frame(destination=CLIENT, source=METER, control=Kind.DM | 0x10),
    )


def captures() -> dict[str, bytes]:
    """The captures of the vector file, by name."""
    meter_says = telegram("0-0:1.0.0(260304120000W)", "1-0:1.8.1(000004.426*kWh)", "1-0:1.7.0(00.345*kW)")
    block_frames = [frame for block in blocks(protect(push())) for frame in frames(block, kind=Kind.UI)]
    return {
        "HDLC, UI frame with a data-notification": line(*frames(push(), kind=Kind.UI)),
        "HDLC, I frames, a get-response in three segments": line(*frames(get_response(12), size=128)),
        "HDLC, an association under suite 0 and a GET under its dedicated key": conversation(),
        "wrapper, general-glo-ciphering with tag": wrapper.encode(1, 16, protect(get_response(2))),
        "wired M-Bus, general-glo-ciphering in three segments": bus(protect(push()), 30),
        "general block transfer, one block a HDLC frame": line(*block_frames),
        "encrypted only, no tag": encrypted_only(push()),
        "P1 telegram, DSMR 5.0": meter_says,
        "P1 telegram inside general-glo-ciphering": protect(meter_says),
        "bare COSEM data": reading(2),
    }
