"""A fleet drawn from a seed: always the same, of two suppliers, with files that an installation can read."""

import csv
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from kwartier.cosem import companion as companions
from kwartier.fleet.ean import check_digit
from kwartier.simulate.fleet import MAX_METERS, SUPPLIERS, SimulatedConnection, draw, write_fleet, write_keys
from tests.conftest import SHARED, skip_unless

NOW = 1_772_766_000.0
START = np.array([1_767_225_600], np.int64)


def drawn(count: int, seed: int = 5, recordings: Path | None = None) -> list[SimulatedConnection]:
    return draw(count, seed=seed, now=lambda: NOW, recordings=recordings)


def facts(connections: Sequence[SimulatedConnection]) -> list[tuple[object, ...]]:
    return [
        (
            one.meter,
            one.ean,
            one.supplier.name,
            one.station.system_title,
            one.station.keys.ek,
            one.station.keys.ak,
            one.kek,
            tuple(int(register[0]) for register in one.household.registers(START)),
            one.station.challenge(),
        )
        for one in connections
    ]


def test_the_same_seed_draws_the_same_fleet_and_a_larger_one_begins_with_it() -> None:
    assert facts(drawn(4)) == facts(drawn(4))
    assert facts(drawn(6))[:4] == facts(drawn(4))
    assert not set(facts(drawn(4))) & set(facts(drawn(4, seed=6)))


def test_no_two_meters_share_a_name_a_title_a_code_or_a_key() -> None:
    connections = drawn(12)
    for part in zip(*facts(connections), strict=True):
        assert len(set(part)) == (2 if part[0] == SUPPLIERS[0].name else len(connections))


def test_codes_cannot_be_those_of_a_real_connection() -> None:
    for one in drawn(6):
        assert len(one.ean) == 18
        assert one.ean.startswith("20")
        assert one.ean[-1] == str(check_digit(one.ean[:-1]))


def test_suppliers_come_by_turns_and_differ_in_companion_and_framing() -> None:
    connections = drawn(4)
    assert [one.supplier for one in connections] == [*SUPPLIERS, *SUPPLIERS]
    assert len({one.companion for one in SUPPLIERS}) == len({one.transport for one in SUPPLIERS}) == len(SUPPLIERS)
    for one in connections:
        assert one.station.transport == one.supplier.transport
        assert one.station.system_title[:3] == one.supplier.letters
        companions.load(one.supplier.companion)


@pytest.mark.parametrize("count", [0, -1, MAX_METERS + 1])
def test_a_fleet_has_bounds(count: int) -> None:
    with pytest.raises(ValueError, match="meters"):
        drawn(count)


def test_its_repr_shows_no_key_and_no_register() -> None:
    for one in drawn(2):
        text = repr(one) + repr(one.station)
        for secret in (one.kek, one.station.keys.ek, one.station.keys.ak):
            assert secret.hex() not in text
            assert repr(secret) not in text
        assert not any(str(int(register[0])) in text for register in one.household.registers(START) if register[0])


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_files_name_every_meter_and_the_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    connections = drawn(3)
    fleet, keys = tmp_path / "fleet.csv", tmp_path / "keys.csv"
    write_fleet(fleet, connections, [5001, 5002, 5003], "127.0.0.1")
    write_keys(keys, connections)
    rows = read(fleet)
    assert [(row["meter"], row["ean"], row["port"]) for row in rows] == [
        (one.meter, one.ean, str(port)) for one, port in zip(connections, (5001, 5002, 5003), strict=True)
    ]
    assert [row["transport"] for row in rows] == ["wrapper", "hdlc", "wrapper"]
    assert [row["system_title"] for row in rows] == [one.station.system_title.hex().upper() for one in connections]
    assert [bytes.fromhex(row["ek"]) for row in read(keys)] == [one.station.keys.ek for one in connections]
    assert {row["origin"] for row in read(keys)} == {"operator"}
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600


def test_recorded_households_are_used_where_they_are_at_hand(tmp_path: Path) -> None:
    folder = SHARED / "data" / "households"
    skip_unless(folder.is_dir(), "../shared/data/households is not here")
    with_recordings, without = drawn(2, recordings=folder), drawn(2)
    for one, other in zip(with_recordings, without, strict=True):
        assert one.household.registers(START)[0] != other.household.registers(START)[0]
    # A folder without them is as good as none.
    assert facts(drawn(2, recordings=tmp_path)) == facts(without)
