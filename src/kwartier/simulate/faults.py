"""What may go wrong in a simulated fleet: a closed list of faults, and a table that says how often each happens.

Which meter has which fault follows from the seed, the rate and lists of names, and from nothing else. The form of the table
is told in ``faults.toml``, which is also the mix that a fleet has unless it is told otherwise.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from kwartier.errors import InputError
from kwartier.simulate.chance import fraction

LINE_FAULTS = (
    "unreachable",
    "cell-outage",
    "slow",
    "mid-block-drop",
    "half-open",
    "garbage",
    "wrong-key",
    "replayed-counter",
    "lowered-counter",
    "hostile",
)
VALUE_FAULTS = ("clock-jump", "reset", "rollover", "exchanged-meter", "null-clocks", "missing-quarters")
NEVER_READ = frozenset(LINE_FAULTS) - {"slow"}
"""Faults that keep everything from being read when they hit every attempt."""
MAX_ATTEMPTS = 2
MAX_FILE_BYTES = 1 << 24
NONE = "none"
DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row of the table. ``attempts``: how many visits of a day it hits; 0: all of them."""

    name: str
    rate: float = 0.0
    attempts: int = 0
    meters: frozenset[str] = frozenset()

    def hits(self, attempt: int) -> bool:
        """Whether the visit ``attempt`` (from 1) of a day meets it."""
        return self.attempts == 0 or attempt <= self.attempts

    @property
    def is_for_the_night(self) -> bool:
        """Whether nothing at all can be had of a meter that has it."""
        return self.attempts == 0 and self.name in NEVER_READ


class FaultTable:
    """The faults of one fleet."""

    __slots__ = ("_named", "faults")

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        self._named = {name: one for one in reversed(self.faults) for name in one.meters}

    def of(self, seed: int, meter: str, number: int, cell: str) -> Fault | None:
        """The fault that a meter has, if it has one."""
        if not self.faults:
            return None
        named = self._named.get(meter)
        if named is not None:
            return named
        drawn = fraction(seed, "fault", number)
        for one in self.faults:
            if one.name == "cell-outage":
                if one.rate and fraction(seed, "cell", cell) < one.rate:
                    return one
                continue
            if drawn < one.rate:
                return one
            drawn -= one.rate
        return None

    def table(self) -> dict[str, dict[str, object]]:
        """As it stands in a file."""
        return {
            one.name: {"rate": one.rate, "attempts": one.attempts, "meters": sorted(one.meters)} for one in self.faults
        }


def load(given: str) -> FaultTable:
    """``none``, ``default`` or the name of a TOML file. Raises ``InputError`` bad-faults."""
    if given == NONE:
        return FaultTable(())
    try:
        if given == DEFAULT:
            data = files("kwartier.simulate").joinpath("faults.toml").read_bytes()
        else:
            with Path(given).open("rb") as file:
                data = file.read(MAX_FILE_BYTES)
        return of_table(tomllib.loads(data.decode("utf-8")), given)
    except OSError as error:
        raise InputError("bad-faults", f"{given}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError("bad-faults", f"{given}: {error}") from None


def of_table(table: Mapping[str, object], where: str) -> FaultTable:
    """The faults that a table in the form of ``faults.toml`` says. Raises ``InputError`` bad-faults."""
    return FaultTable([_fault(name, row, where) for name, row in table.items()])


def _fault(name: str, row: object, where: str) -> Fault:
    if name not in LINE_FAULTS and name not in VALUE_FAULTS:
        known = ", ".join((*LINE_FAULTS, *VALUE_FAULTS))
        raise InputError("bad-faults", f"{where}: '{name[:40]}' is no fault; known are {known}")
    if not isinstance(row, Mapping) or set(row) - {"rate", "attempts", "meters"}:
        raise InputError("bad-faults", f"{where}: {name}: a fault has rate, attempts and meters, and nothing else")
    rate, attempts, meters = row.get("rate", 0.0), row.get("attempts", 0), row.get("meters", [])
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise InputError("bad-faults", f"{where}: {name}.rate is no number from 0 to 1")
    if isinstance(attempts, bool) or not isinstance(attempts, int) or not 0 <= attempts <= MAX_ATTEMPTS:
        raise InputError("bad-faults", f"{where}: {name}.attempts is no whole number from 0 to {MAX_ATTEMPTS}")
    if not isinstance(meters, list) or not all(isinstance(one, str) for one in meters):
        raise InputError("bad-faults", f"{where}: {name}.meters is no list of names")
    return Fault(name=name, rate=float(rate), attempts=attempts, meters=frozenset(meters))
