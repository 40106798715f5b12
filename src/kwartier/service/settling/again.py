"""A version made again from what it was made from; where that is lawfully gone, the version as it was frozen, and a note.

Versions outlive their inputs: readings are erased or reach the end of their retention, while sums stay. A version is made again
from the inputs that it names, never from an older state of a table; that it comes out bit for bit is held against its digest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from kwartier.errors import StateError
from kwartier.service.settling.versions import Version, Versions
from kwartier.settle.frozen import digest
from kwartier.settle.tables import Settled

EQUAL = "made again from its inputs, and equal to the watt-hour"
GONE = "as it was published: readings that it was made from are lawfully gone, so it cannot be made again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A version's sums, whether they were made again, and a sentence about that."""

    version: Version
    settled: Settled
    is_made_again: bool
    note: str


def again(versions: Versions, day: date, number: int, make: Callable[[Version], Settled | None]) -> Again:
    """A version, made again by ``make``, which gives None where inputs of it are gone.

    Raises ``InputError`` no-such-version; ``StateError`` settlement-altered, settlement-differs.
    """
    version = versions.version(day, number)
    kept = versions.settled(day, number)
    made = make(version)
    if made is None:
        return Again(version=version, settled=kept, is_made_again=False, note=GONE)
    if digest(made) != version.digest:
        raise StateError("settlement-differs", f"version {number} of {day}")
    return Again(version=version, settled=made, is_made_again=True, note=EQUAL)
