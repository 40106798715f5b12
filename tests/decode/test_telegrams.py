"""The telegrams and pushes that another project published, against the facts it published beside them.

Its JSON is that of its own parser, so each fact is mapped to ours here:

- ``dsmr.header`` - the first line: ``xxx`` the manufacturer, ``z`` the baud character, ``identifier`` the rest.
- ``dsmr.crc`` / ``crcValid`` - the CRC that was sent, as a number, and whether it is right over lines ended by CR LF;
  the files themselves end lines with LF. Where it is wrong, decoding ends with an error and only the parsed telegram is
  compared.
- ``cosem.knownObjects`` and ``unknownObjects`` - ``code(value)(value)``; for it to know an object means to have a name
  for it, so both lists together are our objects. ``dsmr.unknownLines`` are our other lines.
- of pushes, a code is that of the logical name without its last part 255, and a value is scaled: ours is not, so the
  scaler and unit beside it are applied here.
- ``hdlc.headers`` and ``footers`` - addresses as one number, check sequences as numbers, low byte first.
- ``dlms.invokeId`` - the low four bits of the *first* byte of the four.
- ``payloadType`` - how the push is built: of structures (code, value, scaler and unit), of a flat list of pairs, or of
  values whose codes follow from their places. The last one was shortened by hand and ends in the middle of a value,
  with its sums made right again: its parser prints ``null`` for what is not there, we leave it out and say so.
- ``electricity``, ``metadata`` and ``mBus`` - the same objects once more as numbers, in W, Wh, A and V.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from kwartier.decode import Decoded, decode
from kwartier.decode.p1 import Telegram, moment, parse_telegram
from kwartier.decode.text import capture_of
from tests.conftest import SHARED, skip_unless

FOLDER = SHARED / "data" / "telegrams"
P1 = ["dsmr-2.2-kfm-1", "dsmr-4.0-isk-1", "dsmr-4.2-kfm-1", "dsmr-5.0-ene-1", "dsmr-5.0-isk-1"]
PUSHED = ["aidon-example-1", "iskra-1", "kamstrup-example-1"]
UNITS = {27: "W", 29: "var", 33: "A", 35: "V"}
ISKRA_PLACES = {4: "1-0:1.8.0", 5: "1-0:2.8.0", 6: "1-0:3.8.0", 7: "1-0:4.8.0", 8: "1-0:1.7.0", 9: "1-0:2.7.0"}
PHASES = {"l1": 0, "l2": 20, "l3": 40}
METERED = {"timestamp", "equipmentId", "deviceType", "value", "unit", "recordingPeriodMinutes"}


@pytest.fixture(autouse=True)
def _beside_this_checkout() -> None:
    skip_unless(FOLDER.exists(), "../shared/data/telegrams is not beside this checkout")


def facts_of(name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return facts


def capture(name: str) -> bytes:
    return capture_of((FOLDER / f"{name}.txt").read_bytes(), name)


def telegram(name: str) -> Telegram:
    return parse_telegram(capture(name))


def test_no_published_telegram_is_left_out() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(P1 + PUSHED)


# P1


@pytest.mark.parametrize("name", P1)
def test_header_and_crc_are_those_published(name: str) -> None:
    facts, found = facts_of(name), telegram(name)
    header = facts["dsmr"]["header"]
    assert (found.manufacturer, found.baud, found.identification) == (header["xxx"], header["z"], header["identifier"])
    assert found.crc == facts["dsmr"].get("crc", {}).get("value")
    assert found.crc_valid is facts["dsmr"].get("crc", {}).get("valid")
    assert found.crc_valid is facts.get("crcValid")


@pytest.mark.parametrize("name", P1)
def test_every_object_and_every_other_line_is_there_once_and_in_order(name: str) -> None:
    facts, found = facts_of(name), telegram(name)
    ours = [code + "".join(f"({value})" for value in values) for code, values in found.objects]
    theirs = facts["cosem"]["knownObjects"] + facts["cosem"]["unknownObjects"]
    assert sorted(ours) == sorted(theirs)
    assert [one for one in ours if one in facts["cosem"]["knownObjects"]] == facts["cosem"]["knownObjects"]
    assert list(found.other_lines) == facts["dsmr"].get("unknownLines", [])


@pytest.mark.parametrize("name", P1)
def test_decoding_gives_the_objects_exactly_where_the_crc_is_not_wrong(name: str) -> None:
    decoded, found = decode(capture(name)), telegram(name)
    if found.crc_valid is False:
        assert decoded.error is not None
        assert decoded.error.code == "bad-p1-crc"
        assert decoded.as_json()["body"] is None
    else:
        assert decoded.as_json()["body"] == {"objects": [[code, list(values)] for code, values in found.objects]}


def number(text: str) -> Decimal:
    return Decimal(text.split("*", maxsplit=1)[0])


def watts(text: str) -> Decimal:
    return number(text) * 1000


@pytest.mark.parametrize("name", P1)
def test_energies_powers_voltages_and_currents_are_the_published_numbers(name: str) -> None:
    facts = facts_of(name)["electricity"]
    said = {code: values[-1] for code, values in telegram(name).objects}
    expected: dict[str, tuple[Callable[[str], Decimal], Any]] = {}
    for tariff, energies in facts["tariffs"].items():
        expected[f"1-0:1.8.{tariff}"] = watts, energies["received"]
        expected[f"1-0:2.8.{tariff}"] = watts, energies["returned"]
    expected["0-0:96.14.0"] = number, facts["currentTariff"]
    expected["1-0:1.7.0"] = watts, facts["powerReceivedTotal"]
    expected["1-0:2.7.0"] = watts, facts["powerReturnedTotal"]
    rows = (
        ("voltage", 32, number),
        ("current", 31, number),
        ("powerReceived", 21, watts),
        ("powerReturned", 22, watts),
    )
    for kind, first, measure in rows:
        for phase, value in facts.get(kind, {}).items():
            expected[f"1-0:{first + PHASES[phase]}.7.0"] = measure, value
    for code, (measured, value) in expected.items():
        assert measured(said[code]) == Decimal(str(value)), code


@pytest.mark.parametrize("name", P1)
def test_metadata_and_metered_devices_are_those_published(name: str) -> None:
    facts, found = facts_of(name), telegram(name)
    said = dict(found.objects)
    meta = facts["metadata"]
    assert said["0-0:96.1.1"][0] == meta["equipmentId"]
    if "timestamp" in meta:
        when = moment(said["0-0:1.0.0"][0])
        assert when is not None
        # That parser takes the local time for UTC; only the time of day is its fact.
        assert when.strftime("%Y-%m-%dT%H:%M:%S.000Z") == meta["timestamp"]
        assert found.version is not None
        assert str(found.version).rstrip("0") == str(meta["dsmrVersion"]).replace(".", "")
    for code, key in (("0-0:96.7.21", "powerFailures"), ("0-0:96.7.9", "longPowerFailures")):
        if key in meta.get("events", {}):
            assert int(said[code][0]) == meta["events"][key]
    for kind, last in (("voltageSags", "32.0"), ("voltageSwells", "36.0")):
        for phase, count in meta.get("events", {}).get(kind, {}).items():
            assert int(said[f"1-0:{32 + PHASES[phase]}.{last}"][0]) == count
    assert said.get("0-0:96.13.0", ("",))[0] == meta["textMessage"]
    for channel, device in facts["mBus"].items():
        assert set(device) <= METERED
        assert int(said[f"0-{channel}:24.1.0"][0]) == device["deviceType"]
        assert said[f"0-{channel}:96.1.0"][0] == device["equipmentId"]
        if f"0-{channel}:24.2.1" in said:
            when = moment(said[f"0-{channel}:24.2.1"][0])
            assert when is not None
            assert when.strftime("%Y-%m-%dT%H:%M:%S.000Z") == device["timestamp"]
            value, unit = said[f"0-{channel}:24.2.1"][1].split("*")
        else:
            # DSMR 2.2: a small profile on its line, and its value on the line behind it.
            stamp, _, period, _, _, unit = said[f"0-{channel}:24.3.0"]
            assert device["timestamp"] == f"20{stamp[:2]}-{stamp[2:4]}-{stamp[4:6]}T{stamp[6:8]}:00:00.000Z"
            assert int(period) == device["recordingPeriodMinutes"]
            value = found.other_lines[0].strip("()")
        assert Decimal(value) == Decimal(str(device["value"]))
        assert unit == device["unit"]


# Pushes


def pushed(name: str) -> tuple[Decoded, list[Any]]:
    found = decode(capture(name))
    assert found.error is None
    assert found.message is not None
    body = found.message.body
    assert isinstance(body, list)
    return found, body


@pytest.mark.parametrize("name", PUSHED)
def test_frame_addresses_and_check_sequences_are_those_published(name: str) -> None:
    facts, (found, _) = facts_of(name)["hdlc"], pushed(name)
    frames = [layer.fields for layer in found.layers if layer.kind == "hdlc"]
    assert [(one["dst"], one["src"]) for one in frames] == [
        (header["destinationAddress"], header["sourceAddress"]) for header in facts["headers"]
    ]
    assert [one["hcs"] for one in frames] == [header["crc"]["value"] for header in facts["headers"]]
    assert [one["fcs"] for one in frames] == [footer["crc"]["value"] for footer in facts["footers"]]
    assert facts_of(name)["crcValid"] is True
    assert all(part["crc"]["valid"] for part in facts["headers"] + facts["footers"])


@pytest.mark.parametrize("name", PUSHED)
def test_the_message_is_a_data_notification_with_the_published_invoke_id(name: str) -> None:
    found, _ = pushed(name)
    assert found.message is not None
    assert found.message.fields["service"] == "data-notification"
    invoke = found.message.fields["invoke_id_and_priority"]
    assert isinstance(invoke, int)
    assert invoke >> 24 & 0x0F == facts_of(name)["dlms"]["invokeId"]


def code_of(logical_name: str) -> str:
    a, b, c, d, e, f = bytes.fromhex(logical_name[2:])
    return f"{a}-{b}:{c}.{d}.{e}" + ("" if f == 255 else f".{f}")


def scaled(value: int, scaler: int, unit: int) -> str:
    shown = f"{Decimal(value).scaleb(scaler).normalize():f}"
    return f"{shown}*{UNITS[unit]}"


def objects_of(kind: str, body: list[Any]) -> dict[str, Any]:
    """Code -> value as that parser prints it, from the three ways in which meters build a push."""
    if kind == "BasicStructure":
        return {code_of(name): scaled(value, *unit[0]) if unit else value for name, value, *unit in body}
    if kind == "BasicList":
        pairs = body[1:]
        return {code_of(name): value for name, value in zip(pairs[::2], pairs[1::2], strict=True)}
    return {code: body[place] if place < len(body) else "null" for place, code in ISKRA_PLACES.items()}


@pytest.mark.parametrize("name", PUSHED)
def test_every_pushed_value_is_the_published_one(name: str) -> None:
    facts, (_, body) = facts_of(name), pushed(name)
    ours = {f"{code}({value})" for code, value in objects_of(facts["dlms"]["payloadType"], body).items()}
    assert ours == set(facts["cosem"]["knownObjects"] + facts["cosem"]["unknownObjects"])


def test_a_push_that_was_sent_incomplete_says_so_and_makes_nothing_up() -> None:
    found, body = pushed("iskra-1")
    assert found.message is not None
    assert found.message.fields["incomplete"] is True
    assert len(body) == 8
    assert found.remarks
