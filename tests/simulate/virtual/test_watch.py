"""The watch at the meters sees a counter that comes again, and the weather does what it is said to do."""

import random

import pytest

from kwartier.dlms.wrapper import encode
from kwartier.simulate.virtual.trace import Trace
from kwartier.simulate.virtual.watch import Ear, Watch
from kwartier.simulate.virtual.weather import FAIR, Climate, Storm

GLO_GET = 0xC8


def ciphered(counter: int, body: bytes) -> bytes:
    return bytes((GLO_GET, 5 + len(body), 0x30)) + counter.to_bytes(4, "big") + body


def test_an_apdu_is_heard_whole_however_it_is_cut() -> None:
    octets = b"".join(encode(1, 2, ciphered(number, bytes(30))) for number in range(3))
    for size in (1, 7, 8, 9, len(octets)):
        ear, heard = Ear("wrapper"), list[bytes]()
        for at in range(0, len(octets), size):
            heard += ear.apdus(octets[at : at + size])
        assert heard == [ciphered(number, bytes(30)) for number in range(3)]


@pytest.mark.parametrize(
    ("line", "meter", "body", "is_reuse"),
    [(1, 5, b"same" * 4, False), (2, 5, b"same" * 4, True), (1, 5, b"else" * 4, True), (2, 6, b"else" * 4, False)],
)
def test_a_counter_that_comes_again_is_seen(line: int, meter: int, body: bytes, is_reuse: bool) -> None:
    watch = Watch()
    watch.hear(1, 5, ciphered(17, b"same" * 4))
    watch.hear(line, meter, ciphered(17, body))
    assert watch.reused == ([(meter, 17)] if is_reuse else [])


def test_noise_is_left_to_the_meter() -> None:
    watch = Watch()
    for apdu in (b"", b"\x60", b"\x60\x05\x00", bytes((GLO_GET, 200)), b"\xff" * 40):
        watch.hear(1, 1, apdu)
    assert watch.counters == 0


def test_each_thing_happens_once_at_least_and_in_fair_weather_not_at_all() -> None:
    rare = Climate(cuts=1e-9, flips=1e-9, silences=1e-9)
    storm = Storm(random.Random(1), rare)
    assert storm.opens_after_s("meter", 1) is None
    assert storm.opens_after_s("meter", 1) is not None
    assert storm.carry(bytes(300), to_meter=True).octets is None
    spoilt = storm.carry(bytes(300), to_meter=False).octets
    assert spoilt is not None
    assert sum(octet.bit_count() for octet in spoilt) == 1
    assert storm.carry(bytes(300), to_meter=False).octets == bytes(300)
    assert dict(storm.happened) == {"line-silent": 1, "line-cut": 1, "bit-flipped": 1}
    calm = Storm(random.Random(1), FAIR)
    assert all(calm.carry(bytes(300), to_meter=False).octets == bytes(300) for _ in range(1000))
    assert not calm.happened


def test_a_trace_tells_two_courses_apart() -> None:
    shown: list[str] = []
    one, two = Trace(lambda: 1.0, shown.append), Trace(lambda: 1.0)
    for trace in (one, two):
        trace.note("night", "begins")
    assert one.digest == two.digest
    two.note("night", "ends")
    assert one.digest != two.digest
    assert shown == ["       1.000 night      begins"]
