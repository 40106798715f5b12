"""Meters and their connections: imported from a file, listed, looked up."""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update

from kwartier import clock, rowfile
from kwartier.cosem import companion
from kwartier.database import reading, writing
from kwartier.dlms.handshake import HLS_GMAC
from kwartier.dlms.protection import POLICIES
from kwartier.dlms.suite import SUITES
from kwartier.errors import InputError
from kwartier.fleet.ean import read_ean
from kwartier.model import Meter
from kwartier.rowfile import Column
from kwartier.tables import connections, layouts, meters

BATCH = 500
MAX_WORDS = 64
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")
_CAPACITY = re.compile(r"[13]x\d{1,3}A")
TRANSPORTS = ("wrapper", "hdlc")
MECHANISMS = ("0", "1", "5")
MAX_ADDRESS_BYTE = 0x7F
"""The highest number that one byte of an HDLC address holds."""


def _host(text: str) -> rowfile.Value:
    """A name or an address; an IPv6 address may stand in brackets, which are not part of it."""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in inner:
        try:
            return str(ipaddress.IPv6Address(inner))
        except ValueError:
            raise ValueError("is no host name or address; the port has a column of its own") from None
    if inner != text or not _HOST.fullmatch(text):
        raise ValueError("is no host name or address")
    return text


def _capacity(text: str) -> rowfile.Value:
    if not _CAPACITY.fullmatch(text):
        raise ValueError("is no capacity such as 3x25A")
    return text


def _timezone(text: str) -> rowfile.Value:
    try:
        clock.zone(text)
    except InputError:
        raise ValueError("is no time zone such as Europe/Amsterdam") from None
    return text


def _number_of(*choices: str) -> Callable[[str], rowfile.Value]:
    check = rowfile.one_of(*choices)
    return lambda text: int(str(check(text)))


def columns(companions: Sequence[str]) -> tuple[Column, ...]:
    """``fleet.csv``; ``companions`` are the names that may stand in its column."""
    return (
        Column(name="meter", read=rowfile.name),
        Column(name="ean", read=read_ean),
        Column(name="host", read=_host),
        Column(name="port", read=rowfile.whole(1, 65535)),
        Column(name="system_title", read=rowfile.hexadecimal(8)),
        Column(name="companion", read=rowfile.one_of(*companions)),
        Column(name="transport", read=rowfile.one_of(*TRANSPORTS), default="wrapper"),
        Column(name="client", read=rowfile.whole(1, 0xFFFF), default=1),
        Column(name="logical_device", read=rowfile.whole(1, 0x3FFF), default=1),
        Column(name="physical_address", read=rowfile.whole(0, 0x3FFF), default=None),
        Column(name="address_bytes", read=_number_of("1", "2", "4"), default=None),
        Column(name="suite", read=_number_of(*(str(one) for one in SUITES)), default=0),
        Column(name="mechanism", read=_number_of(*MECHANISMS), default=5),
        Column(name="policy", read=rowfile.one_of(*POLICIES), default="authenticated+encrypted"),
        *(
            Column(name=name, read=rowfile.words(MAX_WORDS), default="")
            for name in ("dso", "grid_area", "brp", "supplier", "transformer")
        ),
        Column(name="capacity", read=_capacity, default=""),
        Column(name="cell", read=rowfile.words(MAX_WORDS), default=""),
        Column(name="timezone", read=_timezone, default="Europe/Amsterdam"),
    )


_METER_COLUMNS = [column.name for column in meters.columns]
_CONNECTION_COLUMNS = [column.name for column in connections.columns]
_STATED = [name for name in _CONNECTION_COLUMNS if name not in ("ean", "known_at")]


def _misfit(row: rowfile.Row) -> tuple[str, str] | None:
    """Cells that are good one by one and can never make a visit together: the column and the reason."""
    if row["mechanism"] == HLS_GMAC and row["policy"] == "none":
        return "policy", f"'none' does not go with mechanism {HLS_GMAC}, which needs protected messages"
    if row["transport"] != "hdlc":
        return None
    if _above_a_byte(row["client"]):
        return "client", f"is above {MAX_ADDRESS_BYTE}, and over hdlc a client has one byte"
    size, physical = row["address_bytes"], row["physical_address"]
    if size == 1 and physical is not None:
        return "physical_address", "has no place in an address of one byte"
    if size in (2, 4) and physical is None:
        return "physical_address", f"empty, and an address of {size} bytes needs it"
    if size == 4 or (size is None and physical is not None):
        return None
    name = next((one for one in ("logical_device", "physical_address") if _above_a_byte(row[one])), None)
    form = "two bytes" if size == 2 else "one byte"
    return None if name is None else (name, f"is above {MAX_ADDRESS_BYTE} and does not fit an address of {form}")


def _above_a_byte(value: rowfile.Value) -> bool:
    return isinstance(value, int) and value > MAX_ADDRESS_BYTE


def _agreement() -> rowfile.Check:
    """A row makes sense, and meters of one connection say the same of it: which of two is right cannot be guessed."""
    stated: dict[str, tuple[int, rowfile.Row]] = {}

    def check(line: int, row: rowfile.Row) -> tuple[str, str] | None:
        misfit = _misfit(row)
        if misfit is not None:
            return misfit
        first, before = stated.setdefault(str(row["ean"]), (line, row))
        differing = (name for name in _STATED if row[name] != before[name])
        name = next(differing, None)
        return None if name is None else (name, f"line {first} has another one for the same ean")

    return check


def _store_connections(connection: Connection, eans: Mapping[str, rowfile.Row]) -> None:
    """Insert the connections that are new and update those that are known."""
    there = set(connection.execute(select(connections.c.ean).where(connections.c.ean.in_(eans))).scalars())
    fresh = [values for ean, values in eans.items() if ean not in there]
    if fresh:
        connection.execute(insert(connections), fresh)
    if there:
        known = [{**eans[ean], "known_ean": ean} for ean in sorted(there)]
        connection.execute(update(connections).where(connections.c.ean == bindparam("known_ean")), known)


def _forget_layouts(connection: Connection, batch: Sequence[rowfile.Row]) -> None:
    """Another device under a known name, or another companion: what the old one said of its profile is not believed."""
    stated = {str(row["meter"]): (row["system_title"], row["companion"]) for row in batch}
    query = select(meters.c.meter, meters.c.system_title, meters.c.companion).where(meters.c.meter.in_(stated))
    changed = [row.meter for row in connection.execute(query) if (row.system_title, row.companion) != stated[row.meter]]
    connection.execute(delete(layouts).where(layouts.c.meter.in_(changed)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did."""

    new: int
    updated: int
    refused: int


class Registry:
    """The fleet in one database. ``companion_folder`` holds an installation's own companions, where it has some."""

    __slots__ = ("_companion_folder", "_engine")

    def __init__(self, engine: Engine, companion_folder: Path | None = None) -> None:
        self._engine = engine
        self._companion_folder = companion_folder

    def import_file(self, path: Path, *, at: int, skip_bad: bool = False, refused: Path | None = None) -> Imported:
        """Take in ``fleet.csv`` (or Parquet): all of it, or with ``skip_bad`` the good rows. ``at``: UTC seconds."""
        known = companion.companions(self._companion_folder)
        rows = rowfile.read(path, columns(known), unique="meter", check=_agreement(), skip_bad=skip_bad)
        good = sorted((row for _, row in rows.good), key=lambda row: str(row["meter"]))
        updated = 0
        with writing(self._engine) as connection:
            for first in range(0, len(good), BATCH):
                batch = [{**row, "known_at": at} for row in good[first : first + BATCH]]
                eans = {str(row["ean"]): {name: row[name] for name in _CONNECTION_COLUMNS} for row in batch}
                _store_connections(connection, eans)
                names = [row["meter"] for row in batch]
                present = connection.execute(select(meters.c.meter).where(meters.c.meter.in_(names))).scalars().all()
                updated += len(present)
                _forget_layouts(connection, batch)
                connection.execute(delete(meters).where(meters.c.meter.in_(present)))
                connection.execute(insert(meters), [{name: row[name] for name in _METER_COLUMNS} for row in batch])
            if rows.bad and refused is not None:
                rowfile.write_refused(refused, rows.bad, beside=path)
        return Imported(new=len(good) - updated, updated=updated, refused=len(rows.bad))

    def meter(self, name: str) -> Meter:
        """The meter ``name``; ``InputError`` unknown-meter."""
        unknown = InputError("unknown-meter", f"there is no meter {name[: rowfile.MAX_NAME]!r} in the fleet")
        if not rowfile.is_name(name):
            raise unknown
        with reading(self._engine) as connection:
            row = (
                connection.execute(
                    select(meters, connections)
                    .join(connections, connections.c.ean == meters.c.ean)
                    .where(meters.c.meter == name)
                )
                .mappings()
                .one_or_none()
            )
        if row is None:
            raise unknown
        fields = {field: row[field] for field in Meter.__dataclass_fields__}
        return Meter(**fields)

    def list(self) -> "list[tuple[str, str, str, str]]":
        """Name, EAN, address and companion of every meter, by name."""
        query = select(meters.c.meter, meters.c.ean, meters.c.host, meters.c.port, meters.c.companion)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(meters.c.meter)).all()
        return [(row.meter, row.ean, f"{row.host}:{row.port}", row.companion) for row in rows]
