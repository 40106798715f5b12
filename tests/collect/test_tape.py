"""A tape has every byte of a visit and nothing else, is bounded, and is not there where nobody asked for it."""

import inspect
from collections.abc import Callable
from datetime import datetime

import pytest

from kwartier.collect import line as line_module
from kwartier.collect.tape import MAX_BYTES, MAX_EVENTS, MAX_LINES, Recorded, Tape, Way
from kwartier.collect.visit import Credentials, Visit, Visitor
from kwartier.dlms import axdr
from kwartier.errors import SecurityError
from tests.collect.peers import Meter
from tests.collect.real import DEADLINE_S, EPOCH, SMR, Counters, jump, listening, registered, the_clock
from tests.collect.test_visit import Recovering
from tests.dlms.pairs import AK, CLOCK, EK, KEYS, METER_TITLE, OWN_TITLE, Objects

LONG = axdr.encode(axdr.octets(bytes(range(256)) * 40))


def taped(
    meters: Callable[[], Meter], *, transport: str = "wrapper", on: bool = True
) -> tuple[Visit[object], Recorded]:
    tape = Tape("t1")

    async def main() -> Visit[object]:
        async with listening(meters) as port:
            visitor: Visitor[object] = Visitor(
                registered(port, transport),
                SMR,
                Credentials(own_title=OWN_TITLE, keys=KEYS, counters=Counters()),
                deadline_s=DEADLINE_S,
                wall=lambda: EPOCH,
                challenge=bytes,
                tape=tape if on else None,
            )
            return await visitor.visit(the_clock)

    done = jump(main)
    return done, tape.recorded(transport=transport, own_title=OWN_TITLE, meter_title=METER_TITLE)


@pytest.mark.parametrize("transport", ["wrapper", "hdlc"])
def test_every_byte_that_was_counted_is_on_the_tape(transport: str) -> None:
    done, found = taped(lambda: Meter(transport, Objects()), transport=transport)
    assert done.outcome == "done"
    bytes_of = {way: sum(len(one.octets) for one in found.events if one.way is way) for way in Way}
    assert bytes_of == {Way.SENT: done.traffic.bytes_sent, Way.RECEIVED: done.traffic.bytes_received}
    assert found.size == done.traffic.bytes_sent + done.traffic.bytes_received
    assert not found.cut
    after = [one.after_us for one in found.events]
    assert after == sorted(after)
    assert after[0] >= 0


def test_what_was_protected_on_the_line_is_protected_on_the_tape() -> None:
    done, found = taped(lambda: Meter("wrapper", Objects()))
    assert isinstance(done.result, bytes)
    everything = found.packed() + b"".join(one.octets for one in found.events)
    for secret in (EK, AK, done.result):
        assert secret not in everything
        assert secret.hex().encode() not in everything


def test_each_line_of_a_visit_that_recovers_is_told_apart() -> None:
    done, found = taped(Recovering(highest=900, tells=900))
    assert (done.outcome, done.attempts) == ("done", 2)
    assert {one.line for one in found.events} == {0, 1, 2}


def test_a_visit_that_is_not_traced_leaves_nothing() -> None:
    done, found = taped(lambda: Meter("wrapper", Objects()), on=False)
    assert (done.outcome, found.events) == ("done", ())


def test_an_untraced_line_pays_one_comparison_for_each_piece_of_bytes() -> None:
    """Where a tape is written to stands behind "if there is one": nothing is copied or built for a visit without."""
    lines = inspect.getsource(line_module.Conversation).splitlines()
    written = [place for place, text in enumerate(lines) if "self._tape." in text]
    assert len(written) == 3
    assert all(lines[place - 1].strip() == "if self._tape is not None:" for place in written)


def test_a_tape_is_cut_at_its_bounds_and_says_so() -> None:
    tape = Tape("t1")
    tape.received(b"before any line")
    tape.another_line(lambda: 5.0)
    tape.received(bytes(MAX_BYTES - 1))
    tape.sent(b"abc")
    tape.sent(b"more")
    found = tape.recorded(transport="hdlc", own_title=OWN_TITLE, meter_title=METER_TITLE)
    assert (found.size, found.cut, found.events[-1].octets) == (MAX_BYTES, True, b"a")

    many = Tape("t2")
    many.another_line(lambda: 0.0)
    for _ in range(MAX_EVENTS + 1):
        many.sent(b"x")
    found = many.recorded(transport="hdlc", own_title=OWN_TITLE, meter_title=METER_TITLE)
    assert (len(found.events), found.cut) == (MAX_EVENTS, True)

    lines = Tape("t3")
    for _ in range(MAX_LINES + 1):
        lines.another_line(lambda: 0.0)
        lines.sent(b"x")
    found = lines.recorded(transport="hdlc", own_title=OWN_TITLE, meter_title=METER_TITLE)
    assert (len(found.events), found.cut) == (MAX_LINES, True)


def test_a_tape_comes_back_as_it_was_packed_and_shows_no_byte() -> None:
    _, found = taped(lambda: Meter("wrapper", Objects(LONG)))
    assert Recorded.unpacked(found.packed()) == found
    assert found.events[0].octets.hex() not in repr(found).lower()
    assert "octets" not in repr(found.events[0])
    assert isinstance(EPOCH, datetime)
    assert CLOCK.hex() not in repr(Tape("t1"))


@pytest.mark.parametrize(
    "octets", [b"", b"[]", b'{"format": 1}', b'{"format": 2}', b'{"format": 1, "events": 3}', b"\xff"]
)
def test_what_is_no_tape_is_refused(octets: bytes) -> None:
    with pytest.raises(SecurityError) as caught:
        Recorded.unpacked(octets)
    assert caught.value.code == "sealed-file"
