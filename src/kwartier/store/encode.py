"""Entries to Arrow tables, one per local day."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import blake2b
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow

from kwartier.clock import quarter_ends
from kwartier.model import Beside, Missing, Readings
from kwartier.store.columns import binary_of
from kwartier.store.rows import Bytes2, Integers, Mask, differences, digests, said
from kwartier.store.schema import BASE, BESIDE, CHANNELS, FILE_SCHEMA

ONE_DAY = timedelta(days=1)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Days of equal length and channels, stacked: a row a day, and a place for the opening and each quarter end."""

    ids: Integers
    known_at: Integers
    registers: Mapping[str, Integers] = field(repr=False)
    missing: Mapping[str, Bytes2] = field(repr=False)
    status: Bytes2 = field(repr=False)
    clock_status: Bytes2 = field(repr=False)
    beside: Mapping[int, tuple[Beside, ...]] = field(default_factory=dict, repr=False)
    """By row: what came between quarter ends."""


def pieces(entries: Sequence[Entry]) -> dict[tuple[date, int, tuple[bool, ...]], list[Piece]]:
    """The days of all entries, grouped by day, number of quarters and channels."""
    cuts: dict[tuple[date, date, str], list[tuple[date, int, int]]] = {}
    groups: dict[tuple[date, int, tuple[bool, ...]], list[Piece]] = defaultdict(list)
    for entry in entries:
        readings = entry.readings
        span = (readings.start, readings.end, entry.timezone)
        days = cuts.get(span)
        if days is None:
            days = cuts[span] = _days(*span)
        kinds = tuple([channel in readings.registers for channel in CHANNELS])
        for day, first, length in days:
            groups[day, length, kinds].append(Piece(entry, first, length))
    return groups


def _days(start: date, end: date, timezone: str) -> list[tuple[date, int, int]]:
    """Each local day, the place of its opening, and how many quarters it has."""
    found, first, day = [], 0, start
    while day < end:
        length = len(quarter_ends(day, day + ONE_DAY, timezone)) - 1
        found.append((day, first, length))
        first, day = first + length, day + ONE_DAY
    return found


def block(group: list[Piece], kinds: tuple[bool, ...]) -> Block | None:
    """A group as a block, in the order of ids; days of which nothing is present are left out, and None is no day at all."""
    names = [name for name, is_there in zip(CHANNELS, kinds, strict=True) if is_there]
    missing = {name: _stack([p.entry.readings.missing[name] for p in group], group) for name in names}
    beside = {place: found for place, piece in enumerate(group) if (found := _beside(piece))}
    nothing = np.ones(len(group), np.bool_)
    nothing[list(beside)] = False
    for reasons in missing.values():
        nothing &= reasons.all(axis=1)
    ids = np.array([p.entry.id for p in group], np.int64)
    order = np.argsort(ids, kind="stable")
    order = order[~nothing[order]]
    if not len(order):
        return None
    chosen = [group[place] for place in order.tolist()]
    placed = {row: beside[place] for row, place in enumerate(order.tolist()) if place in beside} if beside else {}
    return Block(
        ids=ids[order],
        known_at=np.array([p.entry.known_at for p in chosen], np.int64),
        registers={name: _stack([p.entry.readings.registers[name] for p in chosen], chosen) for name in names},
        missing={name: reasons[order] for name, reasons in missing.items()},
        status=_stack([p.entry.readings.status for p in chosen], chosen),
        clock_status=_stack([p.entry.readings.clock_status for p in chosen], chosen),
        beside=placed,
    )


def _beside(piece: Piece) -> tuple[Beside, ...]:
    readings = piece.entry.readings
    if not readings.beside:
        return ()
    opening, closing = readings.times[piece.first], readings.times[piece.first + piece.length]
    return tuple(one for one in readings.beside if opening < one.time < closing)


def encode(batch: str, days: Block) -> pyarrow.Table:
    """The table of a block; versions are all 1."""
    columns: dict[str, Column] = {}
    count = len(days.ids)
    parts: list[Bytes2] = [days.status, days.clock_status]
    bases: list[list[dict[str, int]] | None] = [None] * count
    for number, channel in enumerate(CHANNELS):
        is_there = channel in days.registers
        parts.append(np.full((count, 1), is_there, np.uint8))
        if not is_there:
            columns[f"opening_{channel}"] = pyarrow.nulls(count, pyarrow.int64())
            columns[channel] = pyarrow.nulls(count, pyarrow.list_(pyarrow.int32()))
            columns[f"missing_{channel}"] = pyarrow.nulls(count, pyarrow.binary())
            continue
        missing, registers = days.missing[channel], days.registers[channel]
        present = missing == Missing.PRESENT
        if not present.all():
            registers = np.where(present, registers, 0)
        registers = np.ascontiguousarray(registers)
        found, base = differences(registers, present)
        parts += [registers.view(np.uint8), said(missing)]
        for row, place in np.argwhere(base):
            at = {"place": int(place) + 1, "channel": number, "register": int(registers[row, place + 1])}
            bases[row] = [*(bases[row] or []), at]
        columns[f"opening_{channel}"] = pyarrow.array(registers[:, 0], mask=~present[:, 0])
        columns[channel] = _lists(found, present[:, 1:])
        columns[f"missing_{channel}"] = binary_of(missing, present.all(axis=1))
    everything = np.zeros(count, np.bool_)
    columns["beside"] = pyarrow.array(
        [_row_beside(days.beside.get(row)) for row in range(count)], pyarrow.list_(BESIDE)
    )
    columns["bases"] = pyarrow.array(bases, pyarrow.list_(BASE))
    columns["status"], columns["clock_status"] = (
        binary_of(days.status, everything),
        binary_of(days.clock_status, everything),
    )
    columns["id"], columns["known_at"] = pyarrow.array(days.ids), pyarrow.array(days.known_at)
    columns["version"] = pyarrow.array(np.ones(count, np.int32))
    columns["batch"] = pyarrow.array([batch] * count, pyarrow.string())
    columns["digest"] = pyarrow.array(_with_beside(digests(parts), days.beside))
    return pyarrow.table([columns[name] for name in FILE_SCHEMA.names], schema=FILE_SCHEMA)


def _row_beside(found: tuple[Beside, ...] | None) -> list[dict[str, int | None]] | None:
    if found is None:
        return None
    return [
        {
            "time": one.time,
            **{name: one.registers.get(name) for name in CHANNELS},
            "status": one.status,
            "clock_status": one.clock_status,
        }
        for one in found
    ]


def _with_beside(plain: Integers, beside: Mapping[int, tuple[Beside, ...]]) -> Integers:
    """Digests of rows to which what came between quarter ends belongs, too."""
    if not beside:
        return plain
    found = plain.copy()
    for row, several in beside.items():
        text = repr([sorted(one.items(), key=str) for one in _row_beside(several) or ()])
        octets = int(plain[row]).to_bytes(8, "little", signed=True) + text.encode()
        found[row] = int.from_bytes(blake2b(octets, digest_size=8).digest(), "little", signed=True)
    return found


def _stack(whole: Sequence[npt.NDArray[Number]], group: list[Piece]) -> npt.NDArray[Number]:
    """The parts of some columns that belong to a group, one below the other."""
    width = group[0].length + 1
    if all(len(column) == width for column in whole):
        return np.concatenate(whole).reshape(len(group), width)
    return np.stack([w[p.first : p.first + width] for w, p in zip(whole, group, strict=True)])


def _lists(found: Integers, present: Mask) -> Column:
    gone = None if present.all() else ~present.ravel()
    values = pyarrow.array(found.astype(np.int32).ravel(), pyarrow.int32(), mask=gone)
    offsets = pyarrow.array(np.arange(0, found.size + 1, found.shape[1], dtype=np.int32), pyarrow.int32())
    return pyarrow.ListArray.from_arrays(offsets, values)
