"""``fleet.csv``: its columns, and which cells can never make a visit together."""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence

from kwartier import clock, rowfile
from kwartier.dlms.handshake import HLS_GMAC
from kwartier.dlms.protection import POLICIES
from kwartier.dlms.suite import SUITES
from kwartier.errors import InputError
from kwartier.fleet.ean import read_ean
from kwartier.rowfile import Column, Value

MAX_WORDS = 64
VALID_FROM = "valid_from"
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


def columns(companions: Sequence[str], dso: str = "") -> tuple[Column, ...]:
    """``fleet.csv``; ``companions`` are the names that may stand in its column, ``dso`` the only grid operator, if one is."""
    words = rowfile.words(MAX_WORDS)
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
        Column(name="dso", read=rowfile.one_of(dso) if dso else words, default=dso),
        *(Column(name=name, read=words, default="") for name in ("grid_area", "brp", "supplier", "transformer")),
        Column(name="capacity", read=_capacity, default=""),
        Column(name="cell", read=words, default=""),
        Column(name="timezone", read=_timezone, default="Europe/Amsterdam"),
        Column(name=VALID_FROM, read=rowfile.day, default=None),
    )


def misfit(row: Mapping[str, Value]) -> rowfile.Problem | None:
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
