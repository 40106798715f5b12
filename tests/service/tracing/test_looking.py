"""Who may see what of a trace: the structure for maintenance, values for complaint and customer, keys for nobody."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import pytest

from kwartier.collect.tape import Event, Recorded, Way
from kwartier.collect.traces import Trace
from kwartier.decode import NO_KEYS, Keys
from kwartier.decode.sheet import Role
from kwartier.dlms import wrapper
from kwartier.dlms.association import Aarq
from kwartier.errors import Denied, InputError, KwartierError
from kwartier.keys.keyring import Keyring
from kwartier.service.home import Home
from kwartier.service.tracing import looking, naming
from kwartier.service.tracing import view as view_module
from kwartier.service.tracing.view import MASK, NOTHING, View, seen
from kwartier.who.actor import Actor
from tests.decode.building import AK, CLIENT_TITLE, DEDICATED, EK, METER_TITLE, frames, get_response
from tests.decode.test_dialogue import exchange
from tests.service.tracing.conftest import NOW, REASON, Traced, wall
from tests.somebody import TESTER

DESK: Final = Actor(name="os:desk", roles=frozenset({"customer-desk"}), via="os")
FITTER: Final = Actor(name="os:fitter", roles=frozenset({"maintenance"}), via="os")
SOMEBODY: Final = Trace(
    id="t", meter="m", ean="e", requested_at=0, requested_by="os:eva", reason="", until=0, visit="v", expires_at=9
)


@contextmanager
def refuses(leaf: type[KwartierError], code: str) -> Iterator[None]:
    with pytest.raises(leaf) as caught:
        yield
    assert caught.value.code == code


def told(home: Home) -> list[dict[str, object]]:
    log = home.log.opened()
    return [json.loads(one) for one in log.records(0, log.size)]


def keys_of(home: Home, traced: Traced) -> tuple[bytes, bytes]:
    held = home.keyring.keys_of(traced.meter.meter)
    assert held is not None
    return held.session.ek, held.session.ak


def registers(traced: Traced) -> list[int]:
    return [int(one) for column in traced.readings.registers.values() for one in column]


def test_for_maintenance_the_structure_is_shown_and_nothing_is_deciphered(
    home: Home, traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(self: Keyring, meter: str) -> None:
        raise AssertionError("the keys stay where they are")

    monkeypatch.setattr(Keyring, "keys_of", locked)
    view = looking.look(home, traced.trace, actor=FITTER, purpose="maintenance", wall=wall).view()
    assert view.masked
    assert {one.plain for one in view.frames} == {""}
    assert not any(one.plain for one in view.fields)
    services = [name for frame in view.frames for name in frame.services]
    assert services[:2] == ["aarq", "aare"]
    assert {"glo-get-request", "glo-get-response"} <= set(services)
    shown = {one.role for one in view.fields if one.text is not None}
    assert shown == {Role.LAYER, Role.STRUCTURE, Role.TITLE, Role.COUNTER, Role.CHALLENGE}
    assert {one.role for one in view.fields if one.role not in shown} >= {Role.SEALED, Role.TAG}
    recorded = home.traces.recorded(home.traces.of(traced.trace, at=NOW))
    size = sum(len(frame.octets) // 2 for frame in view.frames)
    assert size == recorded.size
    sealed = max(recorded.events, key=lambda one: len(one.octets)).octets
    middle = sealed[len(sealed) // 2 :][:16].hex().upper()
    assert middle not in json.dumps(view.as_json())


def test_for_a_complaint_the_values_are_shown(home: Home, traced: Traced) -> None:
    view = looking.look(home, traced.trace, actor=DESK, purpose="complaint", reason=REASON, wall=wall).view()
    assert not view.masked
    assert {frame.error for frame in view.frames} == {""}
    texts = {one.text for one in view.fields if one.role is Role.VALUE and one.plain}
    imports = traced.readings.registers["import_wh"]
    assert f"double-long-unsigned {int(imports[5])}" in texts
    assert len(texts) > len(imports)
    for frame in view.frames:
        assert len(frame.octets) == 2 * (frame.stop - frame.start)
        assert len(frame.plain) in (0, len(frame.octets))
    text = json.dumps(view.as_json())
    for key in keys_of(home, traced):
        assert key.hex().upper() not in text


def test_a_byte_can_be_asked_what_it_is(home: Home, traced: Traced) -> None:
    view = looking.look(home, traced.trace, actor=DESK, purpose="complaint", wall=wall).view()
    (value,) = [
        one
        for one in view.fields
        if one.text == f"double-long-unsigned {int(traced.readings.registers['import_wh'][5])}"
    ]
    chain = [(one.layer, one.name) for one in view.what(value.at[0][0])]
    assert chain[0] == ("frame", "frame")
    assert chain[1][0] == traced.meter.transport
    assert ("ciphered", "ciphertext") in chain
    assert chain[-1] == ("data", "double-long-unsigned")
    assert view.what(view.frames[-1].stop) == []
    for frame in view.frames:
        for offset in range(frame.start, frame.stop):
            assert view.what(offset)[-1].role is not Role.LAYER, offset


@pytest.mark.parametrize(
    ("actor", "purpose", "code"),
    [
        (FITTER, "complaint", "wrong-role"),
        (DESK, "maintenance", "wrong-role"),
        (TESTER, "settlement", "wrong-source"),
        (TESTER, "validation", "wrong-source"),
        (TESTER, "statistics", "wrong-source"),
        (TESTER, "", "no-purpose"),
        (TESTER, "curiosity", "unknown-purpose"),
        (Actor(name="os:mine", roles=frozenset({"customer"}), via="os"), "customer", "not-own-connection"),
    ],
)
def test_who_has_no_business_with_it_sees_nothing_and_that_is_written_down(
    home: Home, traced: Traced, actor: Actor, purpose: str, code: str
) -> None:
    before = len(told(home))
    with refuses(Denied, code):
        looking.look(home, traced.trace, actor=actor, purpose=purpose, wall=wall).view()
    (record,) = told(home)[before:]
    assert (record["kind"], record["actor"], record["rule"], record["source"]) == ("denied", actor.name, code, "trace")


def test_every_look_is_a_record_that_names_nobody(home: Home, traced: Traced) -> None:
    before = len(told(home))
    for actor, purpose in ((FITTER, "maintenance"), (DESK, "complaint")):
        looking.look(home, traced.trace, actor=actor, purpose=purpose, reason=REASON, wall=wall).view()
    masked, open_ = told(home)[before:]
    assert (masked["kind"], masked["purpose"], masked["resolution"]) == ("trace", "maintenance", "none")
    assert (open_["kind"], open_["purpose"], open_["resolution"]) == ("trace", "complaint", "quarter")
    for record in (masked, open_):
        text = json.dumps(record)
        assert record["persons"]
        for word in (traced.meter.ean, traced.meter.meter, traced.meter.host, REASON):
            assert word not in text


def test_what_is_not_there_is_said(home: Home, traced: Traced) -> None:
    with refuses(InputError, "unknown-trace"):
        looking.look(home, "none", actor=TESTER, purpose="maintenance", wall=wall).view()
    waiting = naming.request(home, traced.meter.meter, actor=TESTER, reason=REASON, days=1, wall=wall)
    with refuses(InputError, "unknown-trace"):
        looking.look(home, waiting.id, actor=TESTER, purpose="maintenance", wall=wall).view()


def test_under_keys_that_were_replaced_the_trace_does_not_open_and_does_not_break(
    home: Home, traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "_keys", lambda *_: Keys(ek=EK, ak=AK))
    view = looking.look(home, traced.trace, actor=DESK, purpose="complaint", wall=wall).view()
    assert {frame.error for frame in view.frames} >= {"bad-tag"}
    assert not any(frame.plain for frame in view.frames)


def test_keys_are_in_no_repr(home: Home, traced: Traced) -> None:
    found = looking.look(home, traced.trace, actor=DESK, purpose="complaint", wall=wall)
    assert found.keys.ek is not None
    said = repr(found) + repr(found.keys) + repr(found.recorded)
    for key in keys_of(home, traced):
        assert key.hex() not in said.lower()
        assert repr(key) not in said


# Lines that protect nothing, and what is hidden from everybody.


def recorded(pieces: Sequence[tuple[bool, bytes]], transport: str = "wrapper") -> Recorded:
    events = tuple(
        Event(line=0, way=Way.SENT if sent else Way.RECEIVED, after_us=place, octets=octets)
        for place, (sent, octets) in enumerate(pieces)
    )
    return Recorded(transport=transport, own_title=CLIENT_TITLE, meter_title=METER_TITLE, events=events, cut=False)


def of_plain(transport: str, *, masked: bool) -> View:
    apdu = get_response(2)
    octets = wrapper.encode(1, 1, apdu) if transport == "wrapper" else b"".join(one.encode() for one in frames(apdu))
    return seen(SOMEBODY, recorded([(False, octets)], transport), NO_KEYS, masked=masked)


@pytest.mark.parametrize("transport", ["wrapper", "hdlc"])
def test_values_that_nothing_protected_are_masked_as_well(transport: str) -> None:
    masked, open_ = of_plain(transport, masked=True), of_plain(transport, masked=False)
    (shown,), (whole,) = masked.frames, open_.frames
    for value in ("07EA0304030000", "000F4240", "000F4259", "000007D0", "000007D1"):
        assert value in whole.octets
        assert value not in shown.octets
    for row in ("0102", "0204090C", "11**", "06**"):
        assert row in shown.octets, "types and lengths are structure"
    assert MASK not in whole.octets
    # A check sequence over values would tell a value of two bytes.
    sums = [one for one in masked.fields if one.role is Role.SUM]
    assert [one.text for one in sums] == [None] * (transport == "hdlc")
    texts = " ".join(one.text for one in masked.fields if one.text is not None)
    assert "1000000" not in texts
    assert "2026" not in texts


def test_what_is_not_recognised_is_masked() -> None:
    noise = b"\x00\x07 any bytes"
    view = seen(SOMEBODY, recorded([(False, noise)]), NO_KEYS, masked=True)
    assert [frame.octets for frame in view.frames] == [MASK * len(noise)]
    assert [frame.error for frame in view.frames] == ["truncated"]
    odd = wrapper.encode(1, 1, b"\xc4\x01\xc1\x00\x99 a type that does not exist")
    (frame,) = seen(SOMEBODY, recorded([(False, odd)]), NO_KEYS, masked=True).frames
    assert frame.octets == odd[:12].hex().upper() + MASK * (len(odd) - 12)


def test_a_dedicated_key_is_shown_to_nobody() -> None:
    pieces = [(one.sent, one.octets) for one in exchange()]
    view = seen(SOMEBODY, recorded(pieces), Keys(ek=EK, ak=AK), masked=False)
    assert {frame.error for frame in view.frames} == {""}
    assert DEDICATED.hex().upper() not in json.dumps(view.as_json())
    (key,) = [one for one in view.fields if one.role is Role.SECRET]
    assert key.masked
    plain = "".join(frame.plain or NOTHING * (frame.stop - frame.start) for frame in view.frames)
    (start, stop), *_ = key.at
    assert plain[2 * start : 2 * stop] == MASK * 16


def test_a_trace_of_garbage_is_shown(home: Home) -> None:
    pieces = [(place % 2 == 0, bytes((place * 37 + k * k) % 256 for k in range(200))) for place in range(40)]
    for transport in ("wrapper", "hdlc"):
        for masked in (True, False):
            view = seen(SOMEBODY, recorded(pieces, transport), Keys(ek=EK, ak=AK), masked=masked)
            assert sum(len(frame.octets) for frame in view.frames) == 2 * 200 * 40


def test_of_more_frames_than_are_looked_into_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_module, "MAX_FIELDS", 20)
    password = Aarq(application_context=1, mechanism=1, calling_authentication_value=b"12345678").encode()
    pieces = [(True, wrapper.encode(1, 1, apdu)) for apdu in (b"\xd8\x01\x02", b"\xd8\x01\x02", password)]
    *_, last = seen(SOMEBODY, recorded(pieces), NO_KEYS, masked=False).frames
    assert last.octets == MASK * (last.stop - last.start)


def test_a_password_that_was_sent_in_the_clear_is_shown_to_nobody() -> None:
    apdu = Aarq(application_context=1, mechanism=1, calling_authentication_value=b"12345678").encode()
    view = seen(SOMEBODY, recorded([(True, wrapper.encode(1, 1, apdu))]), NO_KEYS, masked=False)
    assert b"12345678".hex().upper() not in json.dumps(view.as_json())
    assert "12345678" not in [one.text for one in view.fields]
