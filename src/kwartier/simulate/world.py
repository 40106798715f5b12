"""Who the meters of a fleet are, each a pure function of the seed and its number: nothing is drawn ahead and kept.

Two suppliers, so that nothing in between may depend on one: they differ in companion, framing and form of address. The same
seed gives the same meters, keys and households, and a larger fleet begins with a smaller one. EAN codes begin with 20: GS1
keeps these for use inside one organisation, so no real connection has such a code.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from kwartier.cosem import companion as companions
from kwartier.cosem.companion import QUARTER, Companion
from kwartier.fleet.ean import check_digit
from kwartier.simulate.chance import fraction, number, octets
from kwartier.simulate.faults import Fault, FaultTable
from kwartier.simulate.household import DAY_QUARTERS, Household, seeded
from kwartier.simulate.metering.module import UNDISTURBED, Disturbance, MeteringModule
from kwartier.simulate.recording import recorded

TEST_EAN = "20"
SEED_DIGITS = 8
NUMBER_DIGITS = 7
MAX_METERS = 1_000_000
"""Seven digits of an EAN and three bytes of a system title tell meters apart."""
TIMEZONE = "Europe/Amsterdam"
CELL_METERS = 100
TRANSFORMER_METERS = 80
MODULUS_WH = 10_000
MIN_MISSING, MAX_MISSING = 1, 12
MAX_DRIFT_S = 8
MIN_JUMP_S, MAX_JUMP_S = 120, 900
RECORDINGS = ("household_15min_2024.csv", "household_pv_15min_2024-06.csv")
"""Recorded households that are used where their folder is at hand."""
MAX_RECORDED = 64


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
"""Invented ones, as are those below."""
ENERGY_SUPPLIERS = ("Eenvoud Energie", "Polderstroom", "Zonnewende")
RESPONSIBLE = ("BRP-Delta", "BRP-Veluwe")
GRID_AREAS = ("GA-west", "GA-oost")
CAPACITIES = ("3x25A", "3x25A", "3x25A", "3x35A")


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """One meter: what is on file of it, and its keys."""

    number: int
    meter: str
    ean: str
    supplier: Supplier
    system_title: bytes
    ek: bytes = field(repr=False)
    ak: bytes = field(repr=False)
    kek: bytes = field(repr=False)

    @property
    def cell(self) -> str:
        """The radio cell that it is in: cells hold meters of one supplier."""
        return f"cell-{self.supplier.name.lower()}-{self.number // len(SUPPLIERS) // CELL_METERS + 1:04d}"

    @property
    def transformer(self) -> str:
        """The transformer that feeds it."""
        return f"T{self.number // TRANSFORMER_METERS + 1:05d}"

    @property
    def grid_area(self) -> str:
        """The grid area that its connection lies in."""
        return GRID_AREAS[self.number % 7 % len(GRID_AREAS)]

    @property
    def brp(self) -> str:
        """Who is responsible for the balance of its connection."""
        return RESPONSIBLE[self.number % 5 % len(RESPONSIBLE)]

    @property
    def energy_supplier(self) -> str:
        """Who supplies its connection."""
        return ENERGY_SUPPLIERS[self.number % len(ENERGY_SUPPLIERS)]


def meter_name(index: int) -> str:
    """The name of a meter by its number from 0."""
    return f"{SUPPLIERS[index % len(SUPPLIERS)].name.lower()}-{index + 1:06d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A fleet as facts: ``count`` meters of a seed, with their faults. ``recordings``: a folder with recorded households."""

    seed: int
    count: int
    faults: FaultTable = field(default_factory=lambda: FaultTable(()))
    timezone: str = TIMEZONE
    recordings: Path | None = None

    def __post_init__(self) -> None:
        if not 0 < self.count <= MAX_METERS:
            raise ValueError(f"{self.count} meters are not 1 to {MAX_METERS}")

    def who(self, index: int) -> Who:
        """The meter with the number ``index``, from 0."""
        drawn = octets(50, self.seed, index)
        supplier = SUPPLIERS[index % len(SUPPLIERS)]
        body = f"{TEST_EAN}{self._mark() % 10**SEED_DIGITS:0{SEED_DIGITS}d}{index:0{NUMBER_DIGITS}d}"
        return Who(
            number=index,
            meter=meter_name(index),
            ean=body + str(check_digit(body)),
            supplier=supplier,
            system_title=supplier.letters + drawn[48:50] + index.to_bytes(3, "big"),
            ek=drawn[:16],
            ak=drawn[16:32],
            kek=drawn[32:48],
        )

    def _mark(self) -> int:
        return _mark(self.seed)

    def fault(self, who: Who) -> Fault | None:
        """What is wrong with a meter."""
        return self.faults.of(self.seed, who.meter, who.number, who.cell) if self.faults.faults else None

    def household(self, index: int) -> Household:
        """Whom it counts."""
        seed = number(self.seed, "household", index)
        if self.recordings is not None:
            path = self.recordings / RECORDINGS[index // len(SUPPLIERS) % len(RECORDINGS)]
            if path.is_file():
                return _recorded(path, seed % (1 << 31))
        return seeded(seed)

    def disturbance(self, who: Who, fault: Fault | None) -> Disturbance:
        """What its fault makes of its counting."""
        if fault is None:
            return UNDISTURBED
        quarter = int(fraction(self.seed, "quarter", who.number) * DAY_QUARTERS)
        if fault.name == "reset":
            return Disturbance(reset_quarter=quarter)
        if fault.name == "exchanged-meter":
            return Disturbance(exchanged_quarter=quarter)
        if fault.name == "rollover":
            return Disturbance(modulus_wh=MODULUS_WH)
        if fault.name == "clock-jump":
            return Disturbance(adjusted_quarter=quarter)
        if fault.name == "missing-quarters":
            most = MAX_MISSING - MIN_MISSING + 1
            count = MIN_MISSING + int(fraction(self.seed, "missing", who.number) * most)
            return Disturbance(missing_quarter=quarter, missing_count=count)
        return UNDISTURBED

    def metering(self, index: int) -> MeteringModule:
        """The metering module of a meter, as it counts."""
        who = self.who(index)
        disturbance = self.disturbance(who, self.fault(who))
        return MeteringModule(self.household(index), timezone=self.timezone, disturbance=disturbance)

    def clock_error_s(self, who: Who, fault: Fault | None) -> int:
        """How far its clock is ahead where clocks may be wrong: a drift of seconds, or a jump of minutes."""
        drawn = fraction(self.seed, "clock", who.number)
        if fault is None or fault.name != "clock-jump":
            return round((2 * drawn - 1) * MAX_DRIFT_S)
        jump_s = MIN_JUMP_S + int(drawn * (MAX_JUMP_S - MIN_JUMP_S))
        return jump_s if octets(1, self.seed, "sign", who.number)[0] & 1 else -jump_s


@lru_cache(maxsize=64)
def _mark(seed: int) -> int:
    """What tells the codes of one seed's fleet from those of another's."""
    return number(seed, "fleet")


@lru_cache(maxsize=MAX_RECORDED)
def _recorded(path: Path, seed: int) -> Household:
    return recorded(path, seed)


@lru_cache(maxsize=16)
def companion_of(supplier: Supplier, null_clocks: bool = False) -> Companion:
    """What a supplier's meters have; with ``null_clocks``, the same with stamps left out where they follow."""
    companion = companions.load(supplier.companion)
    if not null_clocks:
        return companion
    quarter = replace(companion.quarter, encoding="null-compressed")
    return replace(companion, profiles=MappingProxyType({**companion.profiles, QUARTER: quarter}))


def numbers(names: Sequence[str], count: int) -> list[int]:
    """The numbers of meters by their names; ``KeyError`` for one that the fleet does not have."""
    found = []
    for name in names:
        digits = name.rpartition("-")[2]
        index = int(digits) - 1 if digits.isascii() and digits.isdigit() else -1
        if not 0 <= index < count or meter_name(index) != name:
            raise KeyError(name)
        found.append(index)
    return found
