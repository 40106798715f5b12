"""Sums over groups of connections, as far as a purpose allows them.

The energy of a quarter is the difference of two registers that follow each other; none is taken over a gap, nor where a
register starts anew. What becomes of a home that has not all of its quarters depends on the purpose:

* without a minimum group its energy counts as far as it goes, and the home does not count as ``counted``;
* with one it is in no sum of that day: else a hole in a sum would say which home it is;
* in statistics its whole block is in no sum of that day, see ``gate/blocks.py``.

One reading of the day is enough, but for a day on which statistics forms new blocks, which takes two.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kwartier.errors import Denied
from kwartier.gate.blocks import WAITING, Blocks, Split
from kwartier.gate.ids import Link
from kwartier.gate.places import AREAS, NOBODY, PARTIES, Grouping, Places
from kwartier.gate.purposes import Purpose, Resolution
from kwartier.gate.suppression import SHOWN, Path, withheld
from kwartier.model import Stack

Integers: TypeAlias = npt.NDArray[np.int64]
Booleans: TypeAlias = npt.NDArray[np.bool_]
Day: TypeAlias = Iterable[tuple[Stack, Sequence[Link]]]
"""The fleet on one local day, as ``Grant.day`` gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked for, within a purpose."""

    by: str
    """``grid_area``, ``transformer``, ``brp`` or ``supplier``."""
    channels: tuple[str, ...]
    complete_in: tuple[str, ...]
    """Of which channels a home must have every quarter, asked for or not: else what is asked for would say who is in it."""
    resolution: Resolution
    minimum: int
    whole_blocks: bool
    area: str = ""
    """The grid area to which the answer is confined; what is withheld is decided over all of them."""


def terms_of(
    purpose: Purpose,
    *,
    by: str,
    channels: Sequence[str] | None = None,
    resolution: Resolution | None = None,
    area: str = "",
) -> Terms:
    """What may be asked for under ``purpose``, as far as it goes unless less is named.

    Raises ``Denied`` out-of-scope where sums by ``by`` cannot be kept from being told apart.
    """
    if by not in (*AREAS, *PARTIES) or (purpose.minimum_group and by not in AREAS):
        raise Denied("out-of-scope", f"for {purpose.name} there are no sums by {by[:20]!r}")
    return Terms(
        by=by,
        channels=purpose.channels if channels is None else tuple(channels),
        complete_in=purpose.channels,
        resolution=purpose.resolution if resolution is None else resolution,
        minimum=purpose.minimum_group,
        whole_blocks=not purpose.per_connection,
        area=area,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What one group of connections took from the grid and fed into it."""

    group: str
    """Its name; the total has none."""
    within: str = ""
    """The grid area, of a transformer."""
    connections: int
    """How many there are in the group,"""
    counted: int
    """and how many of them are counted: what the sum covers."""
    energy_wh: Mapping[str, Integers] | None = field(repr=False)
    """Wh by channel, of each quarter of the day or of the day as a whole; None: withheld."""
    withheld: str = SHOWN
    """Why, if it is: ``below-minimum`` or ``complementary``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The sums of one local day, by group, and that of them all."""

    day: date
    by: str
    rows: tuple[Sum, ...]
    total: Sum


def sums_of(day: date, read: Callable[[], Day], *, places: Places, terms: Terms, blocks: Blocks) -> Sums:
    """The sums of one local day.

    ``read`` gives what is stored of all of the fleet that the grant reaches, in every channel of the purpose and in quarters,
    whatever part of that is asked for: else who is counted would depend on the question. It may be called twice.
    Raises ``InputError`` mixed-days.
    """
    grouping = _confined(places, terms)
    if terms.whole_blocks:
        energy_wh, counted = _of_whole_blocks(day, read, places, terms, blocks)
    else:
        tally = _Tally(day, places, terms, grouping)
        tally.read(read())
        energy_wh, counted = tally.energy_wh, _counts(grouping, tally.complete)
    connections = _counts(grouping, np.ones(len(places), np.bool_))
    return _Table(terms, grouping.paths, connections, counted, energy_wh).sums(day)


def _confined(places: Places, terms: Terms) -> Grouping:
    """The groups of the answer; a party has homes in many grid areas, and only those of the one are its own."""
    grouping = places.grouping(terms.by)
    if not terms.area or terms.by in AREAS:
        return grouping
    inside = np.array([path[0] == terms.area for path in places.areas.paths], np.bool_)[places.areas.codes]
    return Grouping(paths=grouping.paths, codes=np.where(inside, grouping.codes, NOBODY))


def _counts(grouping: Grouping, chosen: Booleans) -> Integers:
    """How many of the homes that are ``chosen`` each group has."""
    codes = grouping.codes[chosen & (grouping.codes != NOBODY)]
    return np.bincount(codes, minlength=len(grouping.paths)).astype(np.int64)


def _of_whole_blocks(
    day: date, read: Callable[[], Day], places: Places, terms: Terms, blocks: Blocks
) -> tuple[dict[str, Integers], Integers]:
    """Energy and how many are counted, by area, over the blocks that count on this day."""
    areas = places.areas
    split, tally = _over_blocks(day, read, places, terms, blocks)
    if blocks.form(_waiting(places, tally.complete & (split.codes == WAITING), terms.minimum), terms.minimum):
        split, tally = _over_blocks(day, read, places, terms, blocks)
    whole = split.whole(tally.complete, areas.codes, terms.minimum)
    members = np.flatnonzero(split.codes >= 0)
    area_of = np.zeros(len(split.sizes), np.int64)
    area_of[split.codes[members]] = areas.codes[members]  # of a block that counts, all its members are in one
    energy_wh = {
        name: np.zeros((len(areas.paths), column.shape[1]), np.int64) for name, column in tally.energy_wh.items()
    }
    for name, column in tally.energy_wh.items():
        _add(energy_wh[name], area_of[whole], column[whole])
    counted = np.zeros(len(areas.paths), np.int64)
    np.add.at(counted, area_of[whole], split.sizes[whole])
    return energy_wh, counted


def _over_blocks(
    day: date, read: Callable[[], Day], places: Places, terms: Terms, blocks: Blocks
) -> "tuple[Split, _Tally]":
    split = blocks.of(places.eans)
    names = tuple((str(number),) for number in range(len(split.sizes)))
    tally = _Tally(day, places, terms, Grouping(paths=names, codes=np.maximum(split.codes, NOBODY)))
    tally.read(read())
    return split, tally


def _waiting(places: Places, waits: Booleans, minimum: int) -> list[list[str]]:
    """The connections that wait, by finest area; with a person are none counted that are nobody's."""
    keys = places.areas.codes * 2 + places.simulated
    homes = np.flatnonzero(waits & (np.bincount(keys[waits], minlength=2 * len(places.areas.paths)) >= minimum)[keys])
    homes = homes[np.argsort(keys[homes], kind="stable")]
    edges = np.flatnonzero(np.diff(keys[homes])) + 1
    return [[places.eans[home] for home in several.tolist()] for several in np.split(homes, edges) if len(several)]


class _Tally:
    """What a reading of the day adds up to, by group, and which homes had all of their quarters."""

    def __init__(self, day: date, places: Places, terms: Terms, grouping: Grouping) -> None:
        self._places = places
        self._terms = terms
        self._codes = grouping.codes
        self._quarters = places.quarters(day)
        self._names = tuple(dict.fromkeys((*terms.channels, *terms.complete_in)))
        self._aside: dict[int, tuple[dict[str, Integers], dict[str, Booleans]]] = {}
        self.complete: Booleans = np.zeros(len(places), np.bool_)
        self.energy_wh = {name: np.zeros((len(grouping.paths), self._quarters), np.int64) for name in terms.channels}

    def read(self, found: Day) -> None:
        """Add all of a day."""
        for stack, links in found:
            # Where the day of a meter has another length than that of the fleet, its zone was another when it was read.
            if stack.status.shape[1] == self._quarters + 1:
                self._add(stack, self._places.homes(links))
        for home, (energy_wh, there) in self._aside.items():
            single = {name: column[np.newaxis] for name, column in energy_wh.items()}
            self._take(np.array([home]), single, {name: column[np.newaxis] for name, column in there.items()})

    def _add(self, stack: Stack, homes: Integers) -> None:
        energy_wh, there = {}, {}
        for name in self._names:
            energy_wh[name], there[name] = self._used(stack, name)
        several = (homes != NOBODY) & self._places.several[homes]
        for row in np.flatnonzero(several).tolist():
            self._put_aside(int(homes[row]), row, energy_wh, there)
        alone = (homes != NOBODY) & ~several
        if not alone.all():
            homes = homes[alone]
            energy_wh = {name: column[alone] for name, column in energy_wh.items()}
            there = {name: column[alone] for name, column in there.items()}
        self._take(homes, energy_wh, there)

    def _used(self, stack: Stack, name: str) -> tuple[Integers, Booleans]:
        """The energy of each quarter, and where there is any: not over a gap, nor where a register went back."""
        if name not in stack.registers:
            nothing = np.zeros((len(stack), self._quarters), np.int64)
            return nothing, nothing.astype(np.bool_)
        present = stack.missing[name] == 0
        energy_wh = np.diff(stack.registers[name], axis=1)
        there = present[:, 1:] & present[:, :-1] & (energy_wh >= 0)
        return np.where(there, energy_wh, 0), there

    def _put_aside(self, home: int, row: int, energy_wh: Mapping[str, Integers], there: Mapping[str, Booleans]) -> None:
        """One of several meters of a home: what they measured one after the other is what the home used."""
        before = self._aside.get(home)
        if before is None:
            before = (
                {name: np.zeros(self._quarters, np.int64) for name in self._names},
                {name: np.zeros(self._quarters, np.bool_) for name in self._names},
            )
            self._aside[home] = before
        for name in self._names:
            before[0][name][:] += energy_wh[name][row]
            before[1][name][:] |= there[name][row]

    def _take(self, homes: Integers, energy_wh: Mapping[str, Integers], there: Mapping[str, Booleans]) -> None:
        full = np.ones(len(homes), np.bool_)
        for name in self._terms.complete_in:
            full &= there[name].all(axis=1)
        self.complete[homes[full]] = True
        taken = self._codes[homes] != NOBODY
        if self._terms.minimum:
            taken &= full
        for name in self._terms.channels:
            _add(self.energy_wh[name], self._codes[homes[taken]], energy_wh[name][taken])


def _add(into: Integers, codes: Integers, rows: Integers) -> None:
    """Add each of ``rows`` to the row of ``into`` that its code names."""
    if not len(codes):
        return
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    edges = np.concatenate(([0], np.flatnonzero(np.diff(ordered)) + 1))
    into[ordered[edges]] += np.add.reduceat(rows[order], edges, axis=0)


class _Table:
    """The finest groups with all that is known of them, on the way to what is shown."""

    def __init__(
        self,
        terms: Terms,
        paths: Sequence[Path],
        connections: Integers,
        counted: Integers,
        energy_wh: Mapping[str, Integers],
    ) -> None:
        self._terms = terms
        self._paths = paths
        self._connections = connections
        self._counted = counted
        if terms.resolution is Resolution.DAY:
            energy_wh = {name: column.sum(axis=1, keepdims=True) for name, column in energy_wh.items()}
        self._energy_wh = energy_wh

    def sums(self, day: date) -> Sums:
        """Every group that was asked for, in order, and the total."""
        terms = self._terms
        reasons: Mapping[Path, str] = {}
        if terms.minimum:
            reasons = withheld(dict(zip(self._paths, self._counted.tolist(), strict=True)), terms.minimum)
        top = (terms.area,) if terms.area and terms.by in AREAS else ()
        depth = 1 + AREAS.index(terms.by) if terms.by in AREAS else 1
        groups: dict[Path, list[int]] = {top: []}
        for leaf, path in enumerate(self._paths):
            if path[: len(top)] == top:
                groups[top].append(leaf)
                if len(top) != depth:
                    groups.setdefault(path[:depth], []).append(leaf)
        found = {path: self._sum(path, leaves, reasons.get(path, SHOWN)) for path, leaves in sorted(groups.items())}
        total = found[top] if len(top) == depth else found.pop(top)
        rows = tuple(one for path, one in found.items() if self._connections[groups[path]].any())
        return Sums(day=day, by=terms.by, rows=rows, total=total)

    def _sum(self, path: Path, leaves: Sequence[int], reason: str) -> Sum:
        chosen = np.array(leaves, np.int64)
        energy_wh = {name: column[chosen].sum(axis=0) for name, column in self._energy_wh.items()}
        return Sum(
            group=path[-1] if path else "",
            within=path[0] if len(path) > 1 else "",
            connections=int(self._connections[chosen].sum()),
            counted=int(self._counted[chosen].sum()),
            energy_wh=None if reason else energy_wh,
            withheld=reason,
        )
