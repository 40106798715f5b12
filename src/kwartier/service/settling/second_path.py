"""How far the registers of each meter moved over a day, told from the raw table and not from any sum of quarters.

The volumes of a meter that was measured as a whole add up to the difference of its last and its first register of the day,
whatever happened in between; so the raw table says what the groups of an area have to come to. Only of meters of which a part
was estimated, or that were exchanged on the day, the total is taken from the validated table. The registers are those that
validation looked at: what a meter was heard to say later is the matter of a later run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow

from kwartier.model import Missing, Quality, Stack, Volumes
from kwartier.settle.inputs import MOVED
from kwartier.settle.tables import DIRECTIONS

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
SURE = (Quality.MEASURED, Quality.CALCULATED, Quality.ABSENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Of each id of a day, ascending: what its volumes come to, and whether none of them was estimated.

    ``versions``: which version of its readings they were made from. The repr shows no value.
    """

    ids: Integers
    versions: Integers
    total_wh: Mapping[str, Integers] = field(repr=False)
    whole: Mask


def rows_of(volumes: Iterable[Volumes]) -> Rows:
    """Of validated volumes."""
    ids: list[Integers] = []
    versions: list[Integers] = []
    total: dict[str, list[Integers]] = {channel: [] for channel in DIRECTIONS}
    whole: list[Mask] = []
    for one in volumes:
        ids.append(one.ids)
        versions.append(one.state["raw_version"])
        sure = np.ones(len(one), np.bool_)
        for channel in DIRECTIONS:
            total[channel].append(one.energy_wh[channel].sum(axis=1, dtype=np.int64))
            sure &= np.logical_and.reduce(np.isin(one.quality[channel], SURE), axis=1)
        whole.append(sure)
    every = _whole(ids)
    order = np.argsort(every, kind="stable")
    return Rows(
        ids=every[order],
        versions=_whole(versions)[order],
        total_wh={name: _whole(parts)[order] for name, parts in total.items()},
        whole=np.concatenate(whole or [np.zeros(0, np.bool_)])[order],
    )


def _whole(parts: Sequence[Integers]) -> Integers:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def moved(rows: Rows, stacks: Iterable[Stack], exchanged: frozenset[int]) -> pyarrow.Table:
    """The table :data:`kwartier.settle.inputs.MOVED`. ``exchanged``: ids of which the raw registers do not say it alone."""
    found = {channel: rows.total_wh[channel].copy() for channel in DIRECTIONS}
    told = np.zeros(len(rows.ids), np.bool_)
    apart = np.array(sorted(exchanged), np.int64)
    for stack in stacks:
        if not len(rows.ids):
            break
        place = np.minimum(np.searchsorted(rows.ids, stack.ids), len(rows.ids) - 1)
        used = (rows.ids[place] == stack.ids) & (rows.versions[place] == stack.versions)
        used &= rows.whole[place] & ~np.isin(stack.ids, apart)
        for missing in stack.missing.values():
            used &= (missing[:, 0] == Missing.PRESENT) & (missing[:, -1] == Missing.PRESENT)
        for channel in DIRECTIONS:
            register = stack.registers.get(channel)
            difference = np.zeros(len(stack), np.int64) if register is None else register[:, -1] - register[:, 0]
            found[channel][place[used]] = difference[used]
        told[place[used]] = True
    columns = {"id": rows.ids, **found, "from_registers": told}
    return pyarrow.table({name: pyarrow.array(columns[name]) for name in MOVED.names}, schema=MOVED)
