"""What a hostile meter may do, case by case: its name, and how it lies. Used whole, over both framings."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count, repeat
from random import Random

from kwartier.dlms import registry, services
from kwartier.dlms.association import Aare
from kwartier.dlms.cursor import encode_length
from kwartier.dlms.gbt import Block
from kwartier.dlms.hdlc import Address, Frame, Kind
from kwartier.dlms.session import MAX_NOTIFICATIONS
from tests.collect.peers import End, Said, Spoil, Twist, TwistedSession
from tests.dlms.pairs import CLIENT_CHALLENGE, CLOCK

MANY = 6000
"""More of anything than any bound lets through."""
GARBAGE = Random(20_260_304).randbytes(4096)
EXCEPTION = bytes.fromhex("D80202")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to be hostile."""

    name: str
    twist: Twist | None = None
    spoil: Spoil | None = None
    only: str = ""
    """The one transport in which this can be said."""
    harmless: bool = False
    """The protocol copes with it: the right values may come of it, and no others."""

    def __str__(self) -> str:
        return self.name


# Lies in the place of an answer, protected as they should be.


def invoke_of(session: TwistedSession) -> int:
    """The invoke-id of the request: client and meter count the same requests."""
    session.asked += 1
    return 0xC0 | session.asked & 0x0F


def of_requests(lie: Callable[[TwistedSession, int, bytes], Iterable[bytes]]) -> Twist:
    """Lie about every GET; be honest while associating and taking leave."""

    def twist(session: TwistedSession, request: bytes, honest: bytes) -> Iterable[bytes]:
        if request[:1] != b"\xc8":  # glo-get-request
            return (honest,)
        return lie(session, invoke_of(session), honest)

    return twist


def protected(lie: Callable[[int], Iterable[registry.Apdu]]) -> Twist:
    """These messages, protected, instead of the answer to a GET."""
    return of_requests(lambda session, invoke, _: [session.protect(registry.build(one)) for one in lie(invoke)])


def blocks(size: int) -> Twist:
    """Block after block, to each of which the client must ask for the next."""

    def lie(session: TwistedSession, _invoke: int, _honest: bytes) -> Iterable[bytes]:
        block = services.GetResponseBlock(
            invoke_id_and_priority=0xC1, last_block=False, block_number=session.asked, raw=bytes(size), result=None
        )
        return (session.protect(registry.build(block)),)

    return of_requests(lie)


def transfer(size: int, *, streaming: bool, first: int = 1) -> Twist:
    """A general block transfer without an end."""

    def lie(_session: TwistedSession, _invoke: int, _honest: bytes) -> Iterable[bytes]:
        return [
            Block(last=False, streaming=streaming, window=63, number=number, acknowledged=0, data=bytes(size)).encode()
            for number in range(first, first + MANY)
        ]

    return of_requests(lie)


def pushed(size: int) -> Twist:
    """Pushed messages without an end, before the answer."""
    value = b"\x09" + encode_length(size) + bytes(size)
    push = services.EventNotification(time=None, class_id=1, obis=CLOCK, attribute=2, value=value)
    return protected(lambda _: repeat(push, MANY // 10))


def answer(invoke: int, data: bytes = b"\x11\x01") -> services.GetResponseNormal:
    return services.GetResponseNormal(invoke_id_and_priority=invoke, data=data, result=None)


def replayed_later(session: TwistedSession, _invoke: int, honest: bytes) -> Iterable[bytes]:
    """The answer to the first request, again for the second: its counter is spent."""
    session.first_answer = session.first_answer or honest
    return (session.first_answer,)


def reflecting(_session: TwistedSession, request: bytes, honest: bytes) -> Iterable[bytes]:
    """The challenge of the client, sent back as the meter's own."""
    if request[:1] != b"\x60":
        return (honest,)
    aare = registry.parse(honest)
    assert isinstance(aare, Aare)
    return (honest.replace(aare.responding_authentication_value or b"?", CLIENT_CHALLENGE),)


def proving_nothing(session: TwistedSession, request: bytes, honest: bytes) -> Iterable[bytes]:
    """Pass 4 with the result of success and no proof in it."""
    if request[:1] != b"\xcb":  # glo-action-request
        return (honest,)
    nothing = services.ActionResponseNormal(invoke_id_and_priority=0xC1, result=0, value=None, value_result=None)
    return (session.protect(registry.build(nothing)),)


def lying_list(session: TwistedSession, invoke: int, _honest: bytes) -> Iterable[bytes]:
    """A list that says it has two thousand million results."""
    return (session.protect(bytes((0xC4, 3, invoke)) + b"\x84\x7f\xff\xff\xff"),)


def lying_block(session: TwistedSession, invoke: int, _honest: bytes) -> Iterable[bytes]:
    """A block that says it has two thousand million bytes."""
    return (session.protect(bytes((0xC4, 2, invoke, 0, 0, 0, 0, 1, 0)) + b"\x84\x7f\xff\xff\xff"),)


AARE = bytes.fromhex("6129A109060760857405080103A203020100A305A103020100BE10040E0800065F1F040000501F01F40007")

LIES = (
    Case(name="blocks without an end", twist=blocks(40)),
    Case(name="blocks of one byte without an end", twist=blocks(1)),
    Case(name="empty blocks without an end", twist=blocks(0)),
    Case(name="a streamed transfer without an end", twist=transfer(40, streaming=True)),
    Case(name="a transfer of one byte a block without an end", twist=transfer(1, streaming=True)),
    Case(name="a transfer that wants each block acknowledged, without an end", twist=transfer(40, streaming=False)),
    Case(name="a transfer that begins with its second block", twist=transfer(40, streaming=True, first=2)),
    Case(name="small pushed messages without an end", twist=pushed(1)),
    Case(name="long pushed messages without an end", twist=pushed(900)),
    Case(name="a list with a lying count", twist=of_requests(lying_list)),
    Case(name="a block with a lying length", twist=of_requests(lying_block)),
    Case(
        name="a plain answer in a protected association",
        twist=of_requests(lambda _s, i, _h: (registry.build(answer(i)),)),
    ),
    Case(name="another invoke-id", twist=protected(lambda invoke: (answer(invoke ^ 1),))),
    Case(
        name="an answer of another kind",
        twist=protected(lambda i: (services.SetResponseNormal(invoke_id_and_priority=i, result=0),)),
    ),
    Case(name="the answer twice", twist=of_requests(lambda _s, _i, honest: (honest, honest))),
    Case(name="the first answer for ever", twist=of_requests(replayed_later)),
    Case(
        name="a late answer after the right one",
        twist=protected(lambda invoke: (answer(invoke, b"\x09\x0c" + bytes(12)), answer(invoke))),
    ),
    Case(name="a stray AARE", twist=of_requests(lambda _s, _i, honest: (AARE, honest))),
    Case(name="a stray AARE behind its protection", twist=of_requests(lambda s, _i, _h: (s.protect(AARE),))),
    Case(name="a flipped tag", twist=of_requests(lambda _s, _i, honest: (honest[:-1] + bytes((honest[-1] ^ 1,)),))),
    Case(name="an empty APDU", twist=of_requests(lambda _s, _i, _h: (b"\xe0",))),
    Case(name="an unknown APDU", twist=of_requests(lambda _s, _i, _h: (b"\x77" + bytes(40),))),
    Case(name="the challenge reflected", twist=reflecting),
    Case(name="no proof of the keys", twist=proving_nothing),
    Case(name="exceptions to everything", twist=of_requests(lambda _s, _i, _h: (EXCEPTION,))),
    Case(
        name="an answer longer than the request can bring",
        twist=protected(lambda invoke: (answer(invoke, bytes(60_000)),)),
    ),
)


# Lies on the line itself.


def at(turn: int, spoil: Callable[[bytes], Iterator[Said]]) -> Spoil:
    """Honest up to answer ``turn``, then this."""

    def spoiled(number: int, data: bytes) -> Iterator[Said]:
        if number < turn:
            yield 0.0, data
        else:
            yield from spoil(data)

    return spoiled


def silence(_data: bytes) -> Iterator[Said]:
    return iter(())


def hanging_up(_data: bytes) -> Iterator[Said]:
    yield 0.0, End.EOF


def garbage(_data: bytes) -> Iterator[Said]:
    yield 0.0, GARBAGE


def for_ever(piece: bytes, pause_s: float = 0.0) -> Callable[[bytes], Iterator[Said]]:
    return lambda _: repeat((pause_s, piece))


def byte_by_byte(pause_s: float) -> Callable[[bytes], Iterator[Said]]:
    return lambda data: ((pause_s, data[place : place + 1]) for place in range(len(data)))


def short_by_byte(data: bytes) -> Iterator[Said]:
    return byte_by_byte(0.0)(data) if len(data) < 1000 else iter([(0.0, data)])


def in_halves(data: bytes) -> Iterator[Said]:
    yield 0.0, data[: len(data) // 2]


def doubled(data: bytes) -> Iterator[Said]:
    yield 0.0, data + data


def reset_after(places: int) -> Callable[[bytes], Iterator[Said]]:
    def spoil(data: bytes) -> Iterator[Said]:
        yield 0.0, data[:places]
        yield 0.0, End.RESET

    return spoil


def header(version: int, source: int, destination: int, length: int) -> Callable[[bytes], Iterator[Said]]:
    head = b"".join(number.to_bytes(2, "big") for number in (version, source, destination, length))
    return lambda data: iter([(0.0, head + data[8:])])


def frame(control: int, information: bytes = b"", *, client: int = 1, segmented: bool = False) -> bytes:
    return Frame(
        destination=Address(client), source=Address(1), control=control, information=information, segmented=segmented
    ).encode()


def numbered(information: bytes) -> Callable[[bytes], Iterator[Said]]:
    """Segments in their right order, none the last."""
    return lambda _: (
        (0.0, frame(number % 8 << 1 | FINAL | 2 << 5, information, segmented=True)) for number in count(1)
    )


BAD_FRAME = bytearray(frame(0x10, bytes(100)))
BAD_FRAME[-3] ^= 1
FINAL = 0x10
LINES = (
    *(Case(name=f"silence from answer {turn} on", spoil=at(turn, silence)) for turn in range(4)),
    *(Case(name=f"the line closed at answer {turn}", spoil=at(turn, hanging_up)) for turn in range(4)),
    *(Case(name=f"garbage at answer {turn}", spoil=at(turn, garbage)) for turn in range(4)),
    *(Case(name=f"half of answer {turn}", spoil=at(turn, in_halves)) for turn in range(4)),
    Case(name="a byte a second", spoil=at(0, byte_by_byte(1.0))),
    Case(name="a byte a second later on", spoil=at(2, byte_by_byte(1.0))),
    Case(name="short answers a byte at a time", spoil=at(0, short_by_byte), harmless=True),
    Case(name="every answer twice", spoil=at(0, doubled), harmless=True),
    Case(name="zeros for ever", spoil=at(1, for_ever(bytes(1000)))),
    Case(name="a zero a second for ever", spoil=at(1, for_ever(b"\x00", 1.0))),
    Case(name="flags for ever", spoil=at(1, for_ever(b"\x7e" * 1000))),
    Case(name="ones for ever", spoil=at(1, for_ever(b"\xff" * 1000))),
    Case(name="wrapper headers without an APDU for ever", spoil=at(1, for_ever(bytes.fromhex("0001000100010000") * 200))),
    Case(name="another version of the wrapper", only="wrapper", spoil=at(1, header(2, 1, 1, 20))),
    Case(name="from another port", only="wrapper", spoil=at(1, header(1, 2, 1, 20))),
    Case(name="to another port", only="wrapper", spoil=at(1, header(1, 1, 2, 20))),
    Case(name="a lying length", only="wrapper", spoil=at(1, header(1, 1, 1, 0xFFFF))),
    Case(name="a length that never comes", only="wrapper", spoil=at(1, header(1, 1, 1, 900))),
    Case(name="not ready, for ever", only="hdlc", spoil=at(2, for_ever(frame(Kind.RNR | FINAL | 2 << 5), 0.1))),
    Case(name="ready and silent, for ever", only="hdlc", spoil=at(2, for_ever(frame(Kind.RR | FINAL | 2 << 5), 0.1))),
    Case(name="not ready, as fast as it can", only="hdlc", spoil=at(2, for_ever(frame(Kind.RNR | FINAL | 2 << 5) * 50))),
    Case(name="frames for others for ever", only="hdlc", spoil=at(1, for_ever(frame(FINAL, bytes(50), client=9) * 20))),
    Case(name="bad frames for ever", only="hdlc", spoil=at(1, for_ever(bytes(BAD_FRAME) * 20))),
    Case(name="beginnings of frames for ever", only="hdlc", spoil=at(1, for_ever(b"\x7e\xa0\x07" * 300))),
    Case(name="noise that begins frames", only="hdlc", spoil=at(1, for_ever(b"\x7e\xa7\xff\x03\x03\x10" * 150))),
    Case(name="a frame that never ends", only="hdlc", spoil=at(2, lambda data: iter([(0.0, data[:9])]))),
    Case(name="acknowledging what was never sent", only="hdlc", spoil=at(2, for_ever(frame(Kind.RR | FINAL | 6 << 5)))),
    Case(name="numbers out of sequence", only="hdlc", spoil=at(2, for_ever(frame(FINAL | 5 << 1 | 2 << 5, bytes(20)), 0.01))),
    Case(name="a rejected frame", only="hdlc", spoil=at(2, for_ever(frame(Kind.FRMR | FINAL, bytes(3))))),
    Case(name="disconnected in mid-session", only="hdlc", spoil=at(2, for_ever(frame(Kind.DM | FINAL)))),
    Case(name="connected again and again", only="hdlc", spoil=at(1, for_ever(frame(Kind.UA | FINAL) * 20))),
    Case(name="segments of one byte without an end", only="hdlc", spoil=at(2, numbered(b"\x00"))),
    Case(name="empty segments without an end", only="hdlc", spoil=at(2, numbered(b""))),
    Case(name="long segments without an end", only="hdlc", spoil=at(2, numbered(bytes(500)))),
    Case(name="no LLC bytes", only="hdlc", spoil=at(2, for_ever(frame(FINAL | 1 << 1 | 2 << 5, b"no LLC bytes at all")))),
    Case(name="unnumbered pieces for ever", only="hdlc", spoil=at(1, for_ever(frame(Kind.UI, bytes(900), segmented=True)))),
    Case(name="pushed frames for ever", only="hdlc", spoil=at(2, for_ever(frame(Kind.UI, b"\xe6\xe7\x00\x0f" + bytes(9)) * 9))),
)  # fmt: skip  # a case a line, as in a table
CASES = (*LIES, *LINES)
assert MAX_NOTIFICATIONS < MANY // 10
