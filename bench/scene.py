"""What every client in the comparison is given: one meter, one local day, and keys for as many associations as are wanted.

The meter has one association for each foreign client and a row of them for ours, each with keys and counters of its own: a
batch of sessions is then what a batch of a night is, so many keys and so many counters, behind one address.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import NamedTuple

from kwartier.cosem import companion as companions
from kwartier.cosem import layout as layouts
from kwartier.cosem.access import CaptureObject
from kwartier.cosem.companion import Companion
from kwartier.cosem.layout import Asking, Layout
from kwartier.cosem.reading import read_quarters
from kwartier.dlms.events import Get
from kwartier.dlms.protection import SessionKeys
from kwartier.model import Meter

HOST = "127.0.0.1"
COMPANION = "smr-5.5"
TIMEZONE = "Europe/Amsterdam"
DAY = date(2026, 3, 4)
NEXT_DAY = date(2026, 3, 5)
NOW_S = datetime(2026, 3, 6, 3, 0, tzinfo=UTC).timestamp()
"""What the meter's clock shows: the day is over and in the buffer."""
METER_TITLE = b"NRD\x00\x00\x00\x00\x01"
LOGICAL_DEVICE = 1
GURUX_CLIENT = 2
DLMS_COSEM_CLIENT = 3
FIRST_OWN_CLIENT = 1000
"""The first client address of ours; the batch takes one after the other."""
HOUSEHOLD_SEED = 7


class Row(NamedTuple):
    """One row as every client must give it back."""

    utc: int
    status: int
    import_wh: int
    export_wh: int


Rows = tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who reads, at which client address, with which keys."""

    client: int
    title: bytes
    keys: SessionKeys


def identity(client: int) -> Identity:
    """The title and keys of the association at ``client``: made up, and the same in both processes."""
    drawn = hashlib.sha512(f"bench {client}".encode()).digest()
    reader = min(client, FIRST_OWN_CLIENT)  # an installation has one title for all its meters
    return Identity(
        client=client, title=b"KWT\x00" + reader.to_bytes(4, "big"), keys=SessionKeys(ek=drawn[:16], ak=drawn[16:32])
    )


@cache
def companion() -> Companion:
    """What kind of meter it is."""
    return companions.load(COMPANION)


def meter(client: int, port: int) -> Meter:
    """The meter as our fleet would know it."""
    return Meter(
        meter=f"bench-{client}",
        ean="",
        host=HOST,
        port=port,
        system_title=METER_TITLE,
        companion=COMPANION,
        client=client,
        timezone=TIMEZONE,
    )


@cache
def layout() -> Layout:
    """The profile as the meter has it and the way to ask that it answers to, known from an earlier visit."""
    return layouts.of_companion(companion()).asked(Asking("range", columns=False, deviation=True))


def columns() -> tuple[CaptureObject, ...]:
    """The columns of the profile."""
    return layout().columns


def question() -> bytes:
    """The selective access by which our client asks for the day."""
    asked = next(
        read_quarters(
            companion(), meter="bench", start=DAY, end=NEXT_DAY, timezone=TIMEZONE, now=lambda: NOW_S, known=layout()
        )
    )
    if not isinstance(asked, Get) or asked.access is None:
        raise RuntimeError("the day is not asked for by range")
    return asked.access
