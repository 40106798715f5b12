"""One meter's counters as a visit sees them."""

import pytest
from sqlalchemy import Engine

from kwartier.errors import SecurityError
from kwartier.keys.counters import MAX_RECOVERY_JUMP, CounterKey, Counters
from kwartier.keys.source import MeterCounters

OWN = bytes.fromhex("4B57540000000001")
METER = bytes.fromhex("4B414D0000000002")


def source(engine: Engine, *, meter_title: bytes = METER, fingerprint: str = "f" * 32) -> MeterCounters:
    return MeterCounters(
        Counters(engine), ek_fingerprint=fingerprint, own_title=OWN, meter_title=meter_title, wall=lambda: 1000.5
    )


def test_two_meters_with_one_encryption_key_share_our_counter(engine: Engine) -> None:
    first, second = source(engine), source(engine, meter_title=bytes(8))
    assert first.reserve(5).take() == 1
    assert second.reserve(5).take() == 6


def test_what_the_meter_counted_belongs_to_its_own_title(engine: Engine) -> None:
    first, second = source(engine), source(engine, meter_title=bytes(8))
    first.accepted(77)
    assert (first.peer_counter, second.peer_counter) == (77, -1)


def test_a_recovery_leaves_a_finding_that_says_how_far_it_went(engine: Engine) -> None:
    finding = source(engine).raise_to(101)
    assert finding is not None
    assert (finding.code, finding.start, finding.end) == ("counter-recovered", 1000, 1000)
    assert "100 behind" in finding.reason
    assert source(engine).reserve(1).take() == 101


def test_a_counter_that_is_ahead_already_leaves_none(engine: Engine) -> None:
    source(engine).reserve(200)
    assert source(engine).raise_to(50) is None


def test_nobody_may_push_the_counter_further_than_the_bound(engine: Engine) -> None:
    with pytest.raises(SecurityError) as caught:
        source(engine).raise_to(MAX_RECOVERY_JUMP + 2)
    assert caught.value.code == "counter-jump"
    assert Counters(engine).next_of(CounterKey(ek_fingerprint="f" * 32, title=OWN.hex())) == 1
