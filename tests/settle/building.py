"""Days to settle, from plain rows; and the sums of volumes as a reader would add them up, one number after another."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, timedelta

import numpy as np
import pyarrow

from kwartier.clock import quarter_ends
from kwartier.model import STATE, Bytes8, Quality, Times, Volumes
from kwartier.settle.conservation import Bounds, Evidence, conserved
from kwartier.settle.inputs import AREA_ENERGIES, CONNECTIONS, FRACTIONS, METERS, MOVED, SUPPLIES, Inputs, inputs
from kwartier.settle.kernel import SettleKernel
from kwartier.settle.members import Members, members
from kwartier.settle.partial import CHANNELS, Partial, no_rows
from kwartier.settle.recipe import settled
from kwartier.settle.second import second
from kwartier.settle.tables import Energy, Membership, Settled, Sum
from kwartier.store.validated import encode

ZONE = "Europe/Amsterdam"
Rows = Iterable[Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """The volumes of one reading id: channel by quarter. ``moved_wh``: what its stored registers moved, where one knows."""

    id: int
    ean: str
    energy_wh: Energy
    quality: Bytes8
    moved_wh: tuple[int, int] | None = None

    @property
    def is_usable(self) -> bool:
        return not (self.quality == Quality.MISSING).any()

    @property
    def moved(self) -> dict[str, object]:
        """Its row of the table of what moved."""
        imported, exported = self.energy_wh.sum(axis=1).tolist() if self.moved_wh is None else self.moved_wh
        is_known = self.moved_wh is not None
        return {"id": self.id, "import_wh": imported, "export_wh": exported, "from_registers": is_known}


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Everything that a day is settled from, as plain rows."""

    day: date
    meters: Sequence[Meter]
    connections: Sequence[Mapping[str, object]]
    supplies: Sequence[Mapping[str, object]]
    infeed: Sequence[Mapping[str, object]]
    losses: Sequence[Mapping[str, object]]
    fractions: Sequence[Mapping[str, object]] = ()
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A day that went through the recipe, with what its steps gave."""

    given: Inputs
    who: Members
    partial: Partial
    evidence: Evidence

    def again(self, settlement: Settled) -> Settled:
        """Another settlement checked on the same evidence."""
        return conserved(replace(self.evidence, settled=settlement))


def times_of(day: date) -> Times:
    return quarter_ends(day, day + timedelta(days=1), ZONE)


def table(rows: Rows, schema: pyarrow.Schema) -> pyarrow.Table:
    found = list(rows)
    return pyarrow.table(
        {name: pyarrow.array([row[name] for row in found], schema.field(name).type) for name in schema.names}
    )


def given(day: Day) -> Inputs:
    meters = [{"id": one.id, "ean": one.ean, "usable": one.is_usable} for one in day.meters]
    return inputs(
        day=day.day,
        times=times_of(day.day),
        connections=table(day.connections, CONNECTIONS),
        meters=table(meters, METERS),
        supplies=table(day.supplies, SUPPLIES),
        infeed=table(day.infeed, AREA_ENERGIES),
        losses=table(day.losses, AREA_ENERGIES),
        fractions=table(day.fractions, FRACTIONS),
    )


def summed(membership: Membership, meters: Sequence[Meter], quarters: int) -> Partial:
    """What a kernel has to give."""
    found = no_rows(len(membership.groups), quarters)
    by_id = {one.id: one for one in meters}
    for number, group in zip(membership.ids.tolist(), membership.group.tolist(), strict=True):
        one = by_id[number]
        found.rows[group] += 1
        for channel in range(len(CHANNELS)):
            for quarter in range(quarters):
                volume = int(one.energy_wh[channel, quarter])
                found.energy_wh[group, channel, quarter] += volume
                if one.quality[channel, quarter] == Quality.CALCULATED:
                    found.calculated_wh[group, channel, quarter] += volume
                if one.quality[channel, quarter] == Quality.ESTIMATED:
                    found.estimated_wh[group, channel, quarter] += volume
    return found


def by_kernel(membership: Membership, day: Day, quarters: int) -> Partial:
    """What the kernel does give for the rows of the validated table; it has to be what plain adding gives."""
    expected = summed(membership, day.meters, quarters)
    if not day.meters:
        return expected
    meters = sorted(day.meters, key=lambda one: one.id)
    ids = np.array([one.id for one in meters], np.int64)
    stored = encode(
        1,
        Volumes(
            day=day.day,
            ids=ids,
            energy_wh={
                name: np.stack([one.energy_wh[at] for one in meters]).astype(np.int32)
                for at, name in enumerate(CHANNELS)
            },
            quality={name: np.stack([one.quality[at] for one in meters]) for at, name in enumerate(CHANNELS)},
            state={name: np.zeros(len(ids), np.int64) for name in STATE},
        ),
    )
    found = SettleKernel(membership, quarters).map(stored)
    for one, other in zip(fields(found), fields(expected), strict=True):
        assert np.array_equal(getattr(found, one.name), getattr(expected, other.name)), one.name
    return found


def make(day: Day) -> Made:
    """The recipe up to the checks."""
    taken = given(day)
    who = members(taken)
    partial = by_kernel(who.membership, day, taken.quarters)
    usable = set(who.membership.ids.tolist())
    moved = table([one.moved for one in day.meters if one.id in usable], MOVED)
    evidence = Evidence(
        settled=settled(taken, who, partial),
        membership=who.membership,
        partial=partial,
        second=second(taken, moved),
        bounds=day.bounds,
    )
    return Made(given=taken, who=who, partial=partial, evidence=evidence)


def settle(day: Day) -> Settled:
    """The whole recipe."""
    return conserved(make(day).evidence)


def meter(number: int, ean: str, import_wh: Sequence[int], export_wh: Sequence[int] | None = None) -> Meter:
    """A meter of which every quarter is measured."""
    energy = np.asarray([import_wh, [0] * len(import_wh) if export_wh is None else export_wh], dtype=np.int64)
    moved = (int(energy[0].sum()), int(energy[1].sum()))
    return Meter(id=number, ean=ean, energy_wh=energy, quality=np.zeros(energy.shape, np.uint8), moved_wh=moved)


def supply(ean: str, area: str, brp: str, **more: object) -> dict[str, object]:
    """A row of the market."""
    plain = {"supplier": "leverancier", "method": "cSMA", "profile": "E1A", "year_import_wh": 0, "year_export_wh": 0}
    return {"ean": ean, "grid_area": area, "brp": brp, **plain, **more}


def quarterly(day: date, key: Mapping[str, object], name: str, values: Sequence[int]) -> list[dict[str, object]]:
    """A row for each quarter of a day."""
    return [{**key, "quarter": end, name: value} for end, value in zip(times_of(day)[1:].tolist(), values, strict=True)]


def sum_of(settlement: Settled, *name: str) -> Sum:
    """The one sum whose area, part, direction and, where given, party are these."""
    found = [one for one in settlement.sums if (one.grid_area, one.part, one.direction, one.brp)[: len(name)] == name]
    assert len(found) == 1, name
    return found[0]
