"""A small fleet drawn from a seed: what each meter is, its keys, and the two files by which an installation learns of it.

Two suppliers, so that nothing in between may depend on one: they differ in companion, framing and form of address. The same
seed gives the same meters, keys and households, so a fleet that is started again is the same fleet.

EAN codes begin with 20: GS1 keeps these for use inside one organisation, so no real connection has such a code.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from kwartier.cosem import companion as companions
from kwartier.dlms.hdlc import Address
from kwartier.dlms.protection import SessionKeys
from kwartier.fleet.ean import check_digit
from kwartier.simulate.host import Station
from kwartier.simulate.household import Household, recorded, seeded
from kwartier.simulate.meter import SimulatedMeter

TEST_EAN = "20"
EAN_BODY_DIGITS = 15
MAX_METERS = 10_000
KEY_BYTES = 16
CHALLENGE_BYTES = 16
HDLC_ADDRESS = Address(1, 17, 2)
RECORDINGS = ("household_15min_2024.csv", "household_pv_15min_2024-06.csv")
"""Recorded households that are used where their folder is at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """Who made a meter: the letters of its system titles, and how its meters are spoken to."""

    name: str
    letters: bytes
    companion: str
    transport: str


SUPPLIERS = (
    Supplier(name="Noord", letters=b"NRD", companion="smr-5.5", transport="wrapper"),
    Supplier(name="Zuid", letters=b"ZUD", companion="modular-1", transport="hdlc"),
)
"""Invented ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedConnection:
    """One connection with its meter. ``household`` is the truth that a reading is compared with."""

    meter: str
    ean: str
    supplier: Supplier
    station: Station
    household: Household = field(repr=False)
    kek: bytes = field(repr=False)


def draw(count: int, *, seed: int, now: Callable[[], float], recordings: Path | None) -> list[SimulatedConnection]:
    """``count`` connections, the suppliers by turns. ``recordings``: a folder with recorded households, where there is one."""
    if not 0 < count <= MAX_METERS:
        raise ValueError(f"{count} meters are not 1 to {MAX_METERS}")
    return [_connection(number, seed, now, recordings) for number in range(count)]


def _connection(number: int, seed: int, now: Callable[[], float], recordings: Path | None) -> SimulatedConnection:
    random = Random(f"{seed}/{number}")
    supplier = SUPPLIERS[number % len(SUPPLIERS)]
    household = _household(number, random.getrandbits(31), recordings)
    keys = SessionKeys(ek=random.randbytes(KEY_BYTES), ak=random.randbytes(KEY_BYTES))
    body = TEST_EAN + f"{random.randrange(10**EAN_BODY_DIGITS):0{EAN_BODY_DIGITS}d}"
    name = f"{supplier.name.lower()}-{number + 1:04d}"
    title = supplier.letters + random.randbytes(5)
    meter = SimulatedMeter(companions.load(supplier.companion), household, now=now, name=f"KWT{number:013d}")
    station = Station(
        meter=meter,
        system_title=title,
        keys=keys,
        challenge=lambda: random.randbytes(CHALLENGE_BYTES),
        transport=supplier.transport,
        address=HDLC_ADDRESS,
    )
    return SimulatedConnection(
        meter=name,
        ean=body + str(check_digit(body)),
        supplier=supplier,
        station=station,
        household=household,
        kek=random.randbytes(KEY_BYTES),
    )


def _household(number: int, seed: int, recordings: Path | None) -> Household:
    path = None if recordings is None else recordings / RECORDINGS[number // len(SUPPLIERS) % len(RECORDINGS)]
    return recorded(path, seed) if path is not None and path.is_file() else seeded(seed)


def write_fleet(path: Path, connections: Sequence[SimulatedConnection], ports: Sequence[int], host: str) -> None:
    """Write ``fleet.csv`` for meters that listen at ``ports`` of ``host``."""
    names = "meter ean host port system_title companion transport logical_device physical_address address_bytes cell"
    with path.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(names.split())
        for one, port in zip(connections, ports, strict=True):
            hdlc = one.supplier.transport == "hdlc"
            address = (HDLC_ADDRESS.upper, HDLC_ADDRESS.lower, HDLC_ADDRESS.size) if hdlc else (1, "", "")
            title = one.station.system_title.hex().upper()
            supplier = one.supplier
            where = (host, port, title, supplier.companion, supplier.transport)
            rows.writerow([one.meter, one.ean, *where, *address, f"cell-{supplier.name.lower()}"])


def write_keys(path: Path, connections: Sequence[SimulatedConnection]) -> None:
    """Write ``keys.csv``: readable by its owner only, since these are keys, if only of meters that are not there."""
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["meter", "kek", "ak", "ek", "origin"])
        for one in connections:
            keys = one.station.keys
            rows.writerow([one.meter, one.kek.hex(), keys.ak.hex(), keys.ek.hex(), "operator"])
