"""Entries to Arrow tables, one per local day."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow

from kwartier.clock import quarter_ends
from kwartier.model import Missing, Readings
from kwartier.store.rows import Bytes2, Integers, Mask, differences, digests, said
from kwartier.store.schema import BASE, CHANNELS, FILE_SCHEMA

Number = TypeVar("Number", np.int64, np.uint8)
Column: TypeAlias = "pyarrow.Array[pyarrow.Scalar[pyarrow.DataType]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The readings of one id, as they became known at ``known_at``."""

    id: int
    readings: Readings
    timezone: str
    known_at: int


class Piece(NamedTuple):
    """One local day of an entry: the rows ``first`` to ``first + length`` of its columns."""

    entry: Entry
    first: int
    length: int


def pieces(entries: Sequence[Entry]) -> dict[tuple[date, int, tuple[bool, ...]], list[Piece]]:
    """The days of all entries, grouped by day, number of quarters and channels; days with nothing present are left out."""
    lengths: dict[tuple[date, str], int] = {}
    groups: dict[tuple[date, int, tuple[bool, ...]], list[Piece]] = defaultdict(list)
    for entry in entries:
        readings, first, day = entry.readings, 0, entry.readings.start
        kinds = tuple(channel in readings.registers for channel in CHANNELS)
        while day < readings.end:
            length = lengths.get((day, entry.timezone))
            if length is None:
                length = len(quarter_ends(day, day + timedelta(days=1), entry.timezone)) - 1
                lengths[day, entry.timezone] = length
            rows = slice(first, first + length + 1)
            if any(not m[rows].all() for c, m in readings.missing.items() if c in CHANNELS):
                groups[day, length, kinds].append(Piece(entry, first, length))
            first, day = first + length, day + timedelta(days=1)
    return groups


def encode(batch: str, group: list[Piece], kinds: tuple[bool, ...]) -> pyarrow.Table:
    """The table of one group of days of equal length and channels; versions are all 1."""
    columns: dict[str, Column] = {}
    count = len(group)
    status = _stack([p.entry.readings.status for p in group], group)
    clock_status = _stack([p.entry.readings.clock_status for p in group], group)
    parts: list[Bytes2] = [status, clock_status]
    bases: list[list[dict[str, int]] | None] = [None] * count
    for number, (channel, is_there) in enumerate(zip(CHANNELS, kinds, strict=True)):
        parts.append(np.full((count, 1), is_there, np.uint8))
        if not is_there:
            columns[f"opening_{channel}"] = pyarrow.nulls(count, pyarrow.int64())
            columns[channel] = pyarrow.nulls(count, pyarrow.list_(pyarrow.int32()))
            columns[f"missing_{channel}"] = pyarrow.nulls(count, pyarrow.binary())
            continue
        missing = _stack([p.entry.readings.missing[channel] for p in group], group)
        present = missing == Missing.PRESENT
        registers = _stack([p.entry.readings.registers[channel] for p in group], group)
        registers = np.ascontiguousarray(np.where(present, registers, 0))
        found, base = differences(registers, present)
        parts += [registers.view(np.uint8), said(missing)]
        for row, place in np.argwhere(base):
            at = {"place": int(place) + 1, "channel": number, "register": int(registers[row, place + 1])}
            bases[row] = [*(bases[row] or []), at]
        columns[f"opening_{channel}"] = pyarrow.array(registers[:, 0], mask=~present[:, 0])
        columns[channel] = _lists(found, present[:, 1:])
        columns[f"missing_{channel}"] = _binary(missing, present.all(axis=1))
    everything = np.zeros(count, np.bool_)
    columns["bases"] = pyarrow.array(bases, pyarrow.list_(BASE))
    columns["status"], columns["clock_status"] = _binary(status, everything), _binary(clock_status, everything)
    columns["id"] = pyarrow.array([p.entry.id for p in group], pyarrow.int64())
    columns["known_at"] = pyarrow.array([p.entry.known_at for p in group], pyarrow.int64())
    columns["version"] = pyarrow.array(np.ones(count, np.int32))
    columns["batch"] = pyarrow.array([batch] * count, pyarrow.string())
    columns["digest"] = pyarrow.array(digests(parts))
    return pyarrow.table([columns[name] for name in FILE_SCHEMA.names], schema=FILE_SCHEMA)


def _stack(whole: Sequence[npt.NDArray[Number]], group: list[Piece]) -> npt.NDArray[Number]:
    return np.stack([w[p.first : p.first + p.length + 1] for w, p in zip(whole, group, strict=True)])


def _lists(found: Integers, present: Mask) -> Column:
    values = pyarrow.array(found.astype(np.int32).ravel(), pyarrow.int32(), mask=~present.ravel())
    offsets = pyarrow.array(np.arange(0, found.size + 1, found.shape[1], dtype=np.int32), pyarrow.int32())
    return pyarrow.ListArray.from_arrays(offsets, values)


def _binary(side: Bytes2, is_null: Mask) -> Column:
    """The rows of ``side`` as binary values, null where they are not wanted; no Python runs per row."""
    ends = np.cumsum(np.where(is_null, 0, side.shape[1]), dtype=np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    valid = np.packbits(~is_null, bitorder="little")
    buffers: list[pyarrow.Buffer | None] = [
        pyarrow.py_buffer(part.tobytes()) for part in (valid, offsets, side[~is_null])
    ]
    return pyarrow.Array.from_buffers(pyarrow.binary(), len(side), buffers)
