"""What a night stored, compared with what the meters really used."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from kwartier.clock import quarter_ends
from kwartier.gate.ids import Link
from kwartier.simulate.metering.module import ADJUSTED
from kwartier.simulate.truth import Truth
from kwartier.store.rows import Bytes2, Integers

PRESENT = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The readings of many meters on one local day: a row a meter, as the gate hands them out."""

    links: Sequence[Link]
    registers: Mapping[str, Integers]
    missing: Mapping[str, Bytes2]
    status: Bytes2
    versions: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Registers and status bytes of one local day, counted a quarter end and channel at a time."""

    compared: int = 0
    """Registers that were stored and are part of the fleet."""
    wrong: int = 0
    """Of these, such as differ from the truth in register or status, or that no meter can have said."""
    doubled: int = 0
    """Rows that are there more than once, or that no version accounts for."""
    lost: int = 0
    """Registers that could be had that night and are not stored."""
    unobtainable: int = 0
    """Registers that the faults of the fleet kept from everybody the whole night."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong, doubled or lost."""
        return self.wrong == self.doubled == self.lost == 0


def compare(truth: Truth, day: date, stored: Iterable[Stored], *, rows: int) -> Comparison:
    """Compare a local day; ``rows`` is how many rows the store holds for it, every version counted."""
    times = quarter_ends(day, day + timedelta(days=1), truth.timezone)
    known = set(truth.meters())
    seen: set[str] = set()
    compared = wrong = doubled = lost = unobtainable = versions = 0
    for stack in stored:
        versions += int(stack.versions.sum())
        for row, link in enumerate(stack.links):
            if link.meter not in known:
                continue
            meter = link.meter
            doubled += meter in seen
            seen.add(meter)
            obtainable, registers = truth.obtainable(meter, day), truth.registers(meter, times)
            status = truth.status(meter, times)
            for name, true in registers.items():
                column = stack.registers.get(name)
                if column is None:  # nothing of this channel was stored
                    lost += int(obtainable.sum())
                    unobtainable += int((~obtainable).sum())
                    continue
                there = stack.missing[name][row] == PRESENT
                said = stack.status[row]
                # Whoever reads a meter may set its clock, which the meter then says of that quarter.
                misspoken = (said != status) & (said != (status | ADJUSTED))
                differs = (column[row] != true) | misspoken | ~obtainable
                compared += int(there.sum())
                wrong += int((there & differs).sum())
                lost += int((obtainable & ~there).sum())
                unobtainable += int((~obtainable & ~there).sum())
            wrong += link.ean != truth.ean(meter)
    for meter in known - seen:
        obtainable = truth.obtainable(meter, day)
        channels = len(truth.registers(meter, times[:1]))
        lost += channels * int(obtainable.sum())
        unobtainable += channels * int((~obtainable).sum())
    doubled += max(0, rows - versions)
    return Comparison(compared=compared, wrong=wrong, doubled=doubled, lost=lost, unobtainable=unobtainable)
