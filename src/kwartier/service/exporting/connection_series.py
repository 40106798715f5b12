"""The series of a settled day, connection by connection in the order of EANs, however the rows lie on the disk.

Told are the connections that are settled by their readings, in areas that are settled. Rows lie in the order of random ids, so
the day is gone through once for every so many connections: of a million never more are in memory than of those.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

from kwartier.compute.local import Local
from kwartier.errors import StateError
from kwartier.export.document import Content
from kwartier.export.series import Series, combined
from kwartier.gate.volumes import Work
from kwartier.market.supplies import Supplies
from kwartier.model import Bytes8, Quality, Times
from kwartier.service.settling.versions import Version
from kwartier.settle.frozen import digest
from kwartier.settle.inputs import AREA_ENERGIES, CONNECTIONS, FRACTIONS, SUPPLIES, Inputs, eans, inputs
from kwartier.settle.kernel import QUALITIES, SettleKernel, matrix, qualities
from kwartier.settle.members import BY_READINGS, members
from kwartier.settle.recipe import by_readings, order
from kwartier.settle.tables import DIRECTIONS, Part, Settled, Sum

AT_ONCE = 100_000
"""Connections whose volumes are in memory at once: some hundred megabytes."""
SHOW_EVERY = 1_000
Integers: TypeAlias = npt.NDArray[np.int64]


def require_whole(work: Work, supplies: Supplies, version: Version, settled: Settled, content: Content) -> None:
    """The volumes of ``work`` come to the sums of the version, to the watt-hour, in every area that is told.

    Raises ``StateError`` volumes-gone where connections are not there any more; settlement-differs.
    """
    given = _inputs(work, supplies, content)
    who = members(given)
    partial = Local().run(work.source, work.pieces, SettleKernel(who.membership, given.quarters))
    found = _metered(by_readings(who, partial, given.quarters), content)
    told = _metered(settled.sums, content)
    counts = {order(one): one.connections for one in found}
    gone = sum(max(0, one.connections - counts.get(order(one), 0)) for one in told if one.direction == "import")
    name = f"version {version.version} of {content.day}"
    if gone:
        raise StateError("volumes-gone", f"the volumes of {gone} connections that {name} counts are not to be had")
    if _digest(found, content) != _digest(told, content):
        raise StateError("settlement-differs", f"the volumes that {name} was made from do not come to its sums")


def _metered(sums: "list[Sum] | tuple[Sum, ...]", content: Content) -> tuple[Sum, ...]:
    chosen = (one for one in sums if one.part == Part.METERED and one.grid_area in content.settled)
    return tuple(sorted(chosen, key=order))


def _digest(sums: tuple[Sum, ...], content: Content) -> str:
    return digest(Settled(day=content.day, areas=(), sums=sums, checks=()))


def _inputs(work: Work, supplies: Supplies, content: Content) -> Inputs:
    """What the groups of a day are made from. Meters at connections that nobody supplies are in no area that is settled."""
    columns = {name: supplies.eans if name == "ean" else getattr(supplies, name) for name in SUPPLIES.names}
    table = pyarrow.table({name: pyarrow.array(columns[name], SUPPLIES.field(name).type) for name in SUPPLIES.names})
    at = pyarrow.array(work.eans).cast(pyarrow.string())
    meters = pyarrow.table({"id": pyarrow.array(work.ids), "ean": at, "usable": pyarrow.array(work.usable)})
    return inputs(
        day=content.day,
        times=np.concatenate([content.times[:1] - np.diff(content.times[:2]), content.times]),
        connections=CONNECTIONS.empty_table(),
        meters=meters.filter(pc.is_in(at, value_set=table["ean"].combine_chunks())),
        supplies=table,
        infeed=AREA_ENERGIES.empty_table(),
        losses=AREA_ENERGIES.empty_table(),
        fractions=FRACTIONS.empty_table(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """The rows that are told, by connection: its place among the supplies, and the id of the row."""

    place: Integers = field(repr=False)
    ids: Integers = field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def connections(self) -> Integers:
        """Where each connection begins, and the end."""
        first = np.flatnonzero(np.diff(self.place, prepend=-1))
        return np.append(first, len(self))


def series(
    work: Work,
    supplies: Supplies,
    settled: frozenset[str],
    times: Times,
    show: Callable[[int, int], None] | None = None,
) -> Iterator[Series]:
    """Two series of each connection, of which one may be empty. ``settled``: the areas that are told.

    Quarters that are missing stay so, and the volume of a connection with two meters is the sum of both. Raises ``StateError``
    bad-table.
    """
    rows = _told(work, supplies, settled)
    edges = rows.connections()
    count = len(edges) - 1
    for first in range(0, count, AT_ONCE):
        starts = edges[first : first + AT_ONCE + 1]
        read = _read(work, rows.ids[starts[0] : starts[-1]], len(times))
        for number, (start, end) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True), first + 1):
            yield from _of_one(supplies, int(rows.place[start]), read, range(start - starts[0], end - starts[0]), times)
            if show is not None and (number % SHOW_EVERY == 0 or number == count):
                show(number, count)


def _told(work: Work, supplies: Supplies, settled: frozenset[str]) -> _Rows:
    """The rows of connections that are settled by their readings, whether these are complete or not."""
    supplied = eans(pyarrow.table({"ean": pyarrow.array(supplies.eans, pyarrow.string())}))
    there = eans(pyarrow.table({"ean": pyarrow.array(work.eans).cast(pyarrow.string())}))
    if not len(supplied):
        return _Rows(place=np.zeros(0, np.int64), ids=np.zeros(0, np.int64))
    said = zip(supplies.method, supplies.grid_area, strict=True)
    wanted = np.fromiter((method in BY_READINGS and area in settled for method, area in said), np.bool_, len(supplied))
    place = np.minimum(np.searchsorted(supplied, there), len(supplied) - 1)
    told = (supplied[place] == there) & wanted[place]
    by_connection = np.lexsort((work.ids[told], place[told]))
    return _Rows(place=place[told][by_connection], ids=work.ids[told][by_connection])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Volumes of some rows, by channel."""

    energy_wh: Mapping[str, npt.NDArray[np.int32]] = field(repr=False)
    quality: Mapping[str, Bytes8] = field(repr=False)


def _read(work: Work, ids: Integers, quarters: int) -> _Read:
    """The volumes of ``ids``, in their order."""
    by_id = np.argsort(ids)
    ascending = ids[by_id]
    found = _Read(
        energy_wh={channel: np.zeros((len(ids), quarters), np.int32) for channel in DIRECTIONS},
        quality={channel: np.full((len(ids), quarters), Quality.MEASURED, np.uint8) for channel in DIRECTIONS},
    )
    there = 0
    for piece in work.pieces:
        for batch in work.source.read(piece).to_batches():
            known = batch.column("id").to_numpy()
            place = np.minimum(np.searchsorted(ascending, known), len(ascending) - 1)
            chosen = np.flatnonzero(ascending[place] == known)
            if len(chosen):
                _take(batch, chosen, by_id[place[chosen]], found, quarters)
                there += len(chosen)
    if there != len(ids):
        # What was not read would be told as nothing used.
        raise StateError("bad-table", f"{there} of {len(ids)} rows of {work.day} were read")
    return found


def _take(batch: pyarrow.RecordBatch, chosen: Integers, onto: Integers, found: _Read, quarters: int) -> None:
    """Rows ``chosen`` of a batch, to the places ``onto``."""
    target = np.full(batch.num_rows, -1, np.int64)
    target[chosen] = onto
    for channel, name in QUALITIES.items():
        found.energy_wh[channel][onto] = matrix(batch.column(channel), quarters)[chosen]
        column = batch.column(name)
        if column.null_count < len(column):
            said, quality = qualities(column, quarters)
            wanted = target[said] >= 0
            found.quality[channel][target[said[wanted]]] = quality[wanted]


def _of_one(supplies: Supplies, place: int, read: _Read, rows: range, times: Times) -> Iterator[Series]:
    """What one connection took and fed in."""
    for channel, direction in DIRECTIONS.items():
        yield reduce(
            combined,
            (
                Series(
                    ean=supplies.eans[place],
                    direction=direction,
                    day=supplies.day,
                    times=times,
                    # Copies: what waits for its document must not keep all that was read with it.
                    energy_wh=read.energy_wh[channel][row].astype(np.int64),
                    quality=read.quality[channel][row].copy(),
                    grid_area=supplies.grid_area[place],
                    brp=supplies.brp[place],
                    supplier=supplies.supplier[place],
                )
                for row in rows
            ),
        )
