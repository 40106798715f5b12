"""Fleets as files and as stations: what an installation is told of a fleet, and the meters themselves.

:func:`draw` makes a handful of meters that are all there, each for a port of its own; :mod:`kwartier.simulate.running` keeps
any number of them at a few ports. Both are told by the same files.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kwartier.disk import PRIVATE_FILE
from kwartier.dlms.hdlc import Address
from kwartier.dlms.protection import SessionKeys
from kwartier.simulate.chance import octets
from kwartier.simulate.host import Station
from kwartier.simulate.household import Household
from kwartier.simulate.meter import SimulatedMeter
from kwartier.simulate.world import (
    CAPACITIES,
    MAX_METERS,
    SUPPLIERS,
    TIMEZONE,
    Supplier,
    Who,
    World,
    companion_of,
)

__all__ = ("MAX_METERS", "SUPPLIERS", "SimulatedConnection", "Supplier", "draw", "write_fleet", "write_keys")

CHALLENGE_BYTES = 16
HDLC_ADDRESS = Address(1, 17, 2)
INSTALLED = "2025-06-01"
FLEET_COLUMNS = (
    "meter,ean,host,port,system_title,companion,transport,logical_device,physical_address,address_bytes,"
    "grid_area,brp,supplier,transformer,capacity,cell,timezone"
)
MODULE_COLUMNS = "meter,kind,type,supplier,serial,hardware,firmware,installed"
KEY_COLUMNS = "meter,kek,ak,ek,origin"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedConnection:
    """One connection with its meter. ``household`` is the truth that a reading is compared with."""

    meter: str
    ean: str
    supplier: Supplier
    station: Station
    household: Household = field(repr=False)
    kek: bytes = field(repr=False)
    who: Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one meter is to be found; over the wrapper, only the upper part of ``address`` counts."""

    host: str
    port: int
    address: Address


def draw(count: int, *, seed: int, now: Callable[[], float], recordings: Path | None) -> list[SimulatedConnection]:
    """``count`` connections, the suppliers by turns. ``recordings``: a folder with recorded households, where there is one."""
    world = World(seed=seed, count=count, recordings=recordings)
    return [_connection(world, index, now) for index in range(count)]


def _connection(world: World, index: int, now: Callable[[], float]) -> SimulatedConnection:
    who, household = world.who(index), world.household(index)
    meter = SimulatedMeter(companion_of(who.supplier), household, now=now, name=device_name(who))
    station = Station(
        meter=meter,
        system_title=who.system_title,
        keys=SessionKeys(ek=who.ek, ak=who.ak),
        challenge=challenges(who),
        transport=who.supplier.transport,
        address=HDLC_ADDRESS,
    )
    return SimulatedConnection(
        meter=who.meter,
        ean=who.ean,
        supplier=who.supplier,
        station=station,
        household=household,
        kek=who.kek,
        who=who,
    )


def device_name(who: Who) -> str:
    """The logical device name of a meter: sixteen characters."""
    return f"KWT{who.number:013d}"


def challenges(who: Who) -> Callable[[], bytes]:
    """Challenges that never repeat and follow from the meter's key, as long as nobody starts it anew."""
    given = 0

    def challenge() -> bytes:
        nonlocal given
        given += 1
        return octets(CHALLENGE_BYTES, who.ek.hex(), given)

    return challenge


# The files. Nothing in them needs quoting, and a hundred thousand lines take a second or two.


def fleet_lines(places: Iterable[tuple[Who, Place]], timezone: str = TIMEZONE) -> Iterator[str]:
    """``fleet.csv``, line by line. ``timezone``: where all of them stand."""
    yield FLEET_COLUMNS
    for who, place in places:
        supplier, address, number = who.supplier, place.address, who.number
        over_hdlc = supplier.transport == "hdlc" and address.lower is not None
        lower, size = (address.lower, address.size) if over_hdlc else ("", "")
        yield (
            f"{who.meter},{who.ean},{place.host},{place.port},{who.system_title.hex().upper()},{supplier.companion},"
            f"{supplier.transport},{address.upper},{lower},{size},"
            f"{who.grid_area},{who.brp},{who.energy_supplier},{who.transformer},"
            f"{CAPACITIES[number % len(CAPACITIES)]},{who.cell},{timezone}"
        )


def module_lines(fleet: Iterable[Who]) -> Iterator[str]:
    """``modules.csv``: a metering and a communication module each, not always of one supplier."""
    yield MODULE_COLUMNS
    for who in fleet:
        talks, measures = who.supplier, SUPPLIERS[who.number // len(SUPPLIERS) % len(SUPPLIERS)]
        yield f"{who.meter},metering,MM-1,{measures.name},M{who.number:09d},1.0,1.2.0,{INSTALLED}"
        yield f"{who.meter},communication,CM-1,{talks.name},C{who.number:09d},1.1,2.0.3,{INSTALLED}"


def key_lines(fleet: Iterable[Who], origin: str) -> Iterator[str]:
    """``keys.csv``."""
    yield KEY_COLUMNS
    for who in fleet:
        yield f"{who.meter},{who.kek.hex()},{who.ak.hex()},{who.ek.hex()},{origin}"


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """The lines in a file that appears whole, readable by its owner only: some hold keys, if only of meters not there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE), "w", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in lines)
    draft.rename(path)


def write_fleet(path: Path, connections: Sequence[SimulatedConnection], ports: Sequence[int], host: str) -> None:
    """Write ``fleet.csv`` for meters that listen at ``ports`` of ``host``."""
    write_lines(
        path,
        fleet_lines(
            (one.who, Place(host=host, port=port, address=_address(one.supplier)))
            for one, port in zip(connections, ports, strict=True)
        ),
    )


def _address(supplier: Supplier) -> Address:
    return HDLC_ADDRESS if supplier.transport == "hdlc" else Address(1)


def write_keys(path: Path, connections: Sequence[SimulatedConnection]) -> None:
    """Write ``keys.csv``."""
    write_lines(path, key_lines((one.who for one in connections), "operator"))
