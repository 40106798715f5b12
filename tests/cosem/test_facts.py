"""The companions against the facts of the domain (DOMAIN 3.2), written down once more and independently of the TOML."""

import pytest

from kwartier.cosem import companion as companions
from kwartier.cosem.companion import CosemObject, ProfileOf
from kwartier.dlms.obis import obis

DSMR, SMR50, SMR55, MODULAR = "dsmr-4.2.2", "smr-5.0", "smr-5.5", "modular-1"
ALL = (DSMR, SMR50, SMR55, MODULAR)
CLOCK = (8, "0-0:1.0.0", 2)
IMPORT, EXPORT = (3, "1-0:1.8.0", 2), (3, "1-0:2.8.0", 2)
TARIFFS = [(3, f"1-0:{energy}.8.{tariff}", 2) for energy in (1, 2) for tariff in (1, 2)]


def gas(channels: range, register: str) -> list[tuple[int, str, int]]:
    """Value and capture time of each channel's master value, which is an extended register."""
    return [(4, f"0-{n}:{register}", attribute) for n in channels for attribute in (2, 5)]


def amr(code: str) -> tuple[int, str, int]:
    return (1, code, 2)


def key(one: CosemObject) -> tuple[int, bytes, int]:
    return (one.class_id, one.obis, one.attribute)


PROFILES = [
    (ALL, "1-0:99.1.0", 960, 900, [CLOCK, amr("0-0:96.10.2"), IMPORT, EXPORT]),
    ((DSMR,), "1-0:99.2.0", 40, 86400, [CLOCK, amr("0-0:96.10.2"), *TARIFFS, *gas(range(1, 5), "24.2.1")]),
    ((SMR50, SMR55, MODULAR), "1-0:99.2.0", 40, 86400, [CLOCK, amr("0-0:96.10.4"), *TARIFFS]),
    ((DSMR,), "0-0:98.1.0", 13, 0, [CLOCK, *TARIFFS, *gas(range(1, 5), "24.2.1")]),
    ((SMR50, SMR55, MODULAR), "1-0:98.1.0", 13, 0, [CLOCK, amr("0-0:96.10.6"), *TARIFFS]),
    ((DSMR,), "0-1:24.3.0", 240, 3600, [CLOCK, amr("0-1:96.10.3"), *gas(range(1, 2), "24.2.1")]),
    ((SMR50, SMR55, MODULAR), "0-1:24.3.0", 240, 3600, [CLOCK, amr("0-1:96.10.3"), *gas(range(1, 2), "24.2.2")]),
    ((SMR50, SMR55, MODULAR), "0-1:24.3.1", 40, 86400, [CLOCK, amr("0-1:96.10.5"), *gas(range(1, 2), "24.2.2")]),
    ((SMR50, SMR55, MODULAR), "0-1:24.3.2", 13, 0, [CLOCK, amr("0-1:96.10.7"), *gas(range(1, 2), "24.2.2")]),
]
DEPTHS = [
    ((SMR50, SMR55), "1-0:99.1.1", 960),
    ((SMR50, SMR55), "1-0:99.1.2", 1440),
    ((SMR50, SMR55), "0-1:94.31.6", 960),
]
LOGS = {
    "0-0:99.98.0": (100, ALL),
    "0-0:99.98.1": (30, ALL),
    "0-0:99.98.3": (30, ALL),
    "0-0:99.98.4": (2190, ALL),
    "0-0:99.98.5": (100, (SMR50, SMR55)),
    "0-0:99.98.6": (3000, (SMR55, MODULAR)),
    "0-0:99.98.7": (3000, (SMR55,)),
    "0-0:99.98.8": (40, (SMR55,)),
}
OBJECTS = [
    (ALL, 1, "0-1:94.31.0"),
    (ALL, 1, "0-1:94.31.3"),
    (ALL, 18, "0-0:44.0.0"),
    (ALL, 1, "1-0:0.2.0"),
    (ALL, 1, "1-0:0.2.8"),
    (ALL, 40, "0-1:25.9.0"),
    ((SMR50, SMR55, MODULAR), 1, "1-1:0.2.0"),
    ((SMR50, SMR55, MODULAR), 1, "1-2:0.2.0"),
    ((SMR50, SMR55, MODULAR), 1, "1-4:0.2.0"),
    ((SMR55, MODULAR), 40, "0-3:25.9.0"),
    ((SMR55, MODULAR), 1, "0-1:94.31.12"),
    ((SMR55, MODULAR), 47, "0-2:25.6.0"),
]
EVENTS = {*range(1, 7), *range(10, 19), *range(20, 23), *range(40, 50), *range(71, 77), 255}


def profile_at(name: str, code: str) -> ProfileOf | None:
    found = [one for one in companions.load(name).profiles.values() if one.obis == obis(code)]
    return found[0] if found else None


@pytest.mark.parametrize(("who", "code", "rows", "period_s", "columns"), PROFILES, ids=lambda one: str(one)[:40])
def test_a_profile_has_its_depth_its_period_and_its_columns(
    who: tuple[str, ...], code: str, rows: int, period_s: int, columns: list[tuple[int, str, int]]
) -> None:
    for name in who:
        profile = profile_at(name, code)
        assert profile is not None, name
        assert (profile.rows, profile.period_s) == (rows, period_s)
        assert [key(one) for one in profile.columns] == [(c, obis(text), a) for c, text, a in columns]


@pytest.mark.parametrize(("who", "code", "rows"), DEPTHS)
def test_profiles_that_are_only_recognised_have_their_depth(who: tuple[str, ...], code: str, rows: int) -> None:
    for name in ALL:
        profile = profile_at(name, code)
        assert (profile is not None) == (name in who)
        assert profile is None or profile.rows == rows


def test_ten_days_of_quarters_stay_in_a_meter() -> None:
    for name in ALL:
        quarter = companions.load(name).quarter
        assert quarter.rows * quarter.period_s == 10 * 86400


def test_registers_count_in_wh() -> None:
    for name in ALL:
        channels = companions.load(name).quarter.channels
        assert [(one.name, one.unit, one.scaler) for one in channels] == [("import_wh", 30, 0), ("export_wh", 30, 0)]


def test_the_amr_status_bits() -> None:
    expected = (
        "critical-error",
        "clock-invalid",
        "data-not-valid",
        "daylight-saving",
        "not-used",
        "clock-adjusted",
        "recovered-value",
        "power-down",
    )
    for name in ALL:
        assert dict(companions.load(name).status_bits) == dict(enumerate(expected))


@pytest.mark.parametrize("code", LOGS)
def test_event_logs_and_their_sizes(code: str) -> None:
    rows, who = LOGS[code]
    for name in ALL:
        found = [one.rows for one in companions.load(name).event_logs.values() if one.obis == obis(code)]
        assert found == ([rows] if name in who else []), name


def test_no_event_log_but_those() -> None:
    for name in ALL:
        assert {one.obis for one in companions.load(name).event_logs.values()} <= {obis(code) for code in LOGS}


@pytest.mark.parametrize("name", ALL)
def test_event_codes(name: str) -> None:
    events = companions.load(name).events
    expected = set(EVENTS)
    if name != DSMR:
        expected |= set(range(77, 93))
    if name in (SMR55, MODULAR):
        expected.add(99)
    assert set(events) == expected
    for code, words in {
        1: "power failure",
        21: "module removed",
        22: "module inserted",
        46: "failed login",
        47: "configuration change",
        71: "metrological",
        75: "interval data",
        255: "cleared",
    }.items():
        assert words in events[code]


def _bits(name: str, code: str) -> set[int] | None:
    found = [set(one.bits) for one in companions.load(name).alarms.values() if one.obis == obis(code)]
    return found[0] if found else None


def test_alarm_registers_and_their_bits() -> None:
    first = {0, 1, 2, 3, 4, *range(8, 14), *range(16, 28)}
    for name in ALL:
        phase_outages = {28, 29, 30, 31} if name in (SMR55, MODULAR) else set()
        assert _bits(name, "0-0:97.98.0") == first | phase_outages
        assert _bits(name, "0-0:97.98.1") == ({*range(6), *range(8, 14)} if name == SMR55 else None)
        assert _bits(name, "0-0:97.98.2") == ({0, 1} if name in (SMR55, MODULAR) else None)
        bits = next(iter(companions.load(name).alarms.values())).bits
        assert (bits[0], bits[4], bits[13]) == ("clock-invalid", "config-changed", "fraud-attempt")


@pytest.mark.parametrize(("who", "class_id", "code"), OBJECTS)
def test_objects_of_their_versions(who: tuple[str, ...], class_id: int, code: str) -> None:
    for name in ALL:
        found = [one.class_id for one in companions.load(name).objects.values() if one.obis == obis(code)]
        assert found == ([class_id] if name in who else []), name


def test_associations_and_security() -> None:
    for name in ALL:
        made = companions.load(name)
        assert dict(made.associations) == {"public": 16, "management": 1, "pre-established": 102}
        assert (made.security.suite, made.security.mechanism) == (0, 5)
        assert made.recovery_pause_s == 20
        assert made.clock.obis == obis("0-0:1.0.0")


def test_what_nobody_found_in_a_public_source_says_so() -> None:
    """The place of the invocation counter is from memory; only the modular meter is assumed as a whole."""
    for name in ALL:
        made = companions.load(name)
        assert made.assumption == (name == MODULAR)
        assert made.invocation_counter.source == "memory"
        assert made.quarter.source == "found"
    gas_hourly = companions.load(DSMR).profiles["gas-hourly"]
    assert gas_hourly.source == "memory"
