"""Rows of equal length, as numpy has them, to Arrow columns and back; no Python runs per row."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

from kwartier.store.rows import Bytes2, Mask

Values: TypeAlias = "pyarrow.Array[Any]"
Column: TypeAlias = "pyarrow.Array[Any] | pyarrow.ChunkedArray[Any]"


def binary_of(side: Bytes2, is_null: Mask) -> Values:
    """The rows of ``side`` as binary values, null where they are not wanted."""
    ends = np.cumsum(np.where(is_null, 0, side.shape[1]), dtype=np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    valid = np.packbits(~is_null, bitorder="little")
    buffers: list[pyarrow.Buffer | None] = [
        pyarrow.py_buffer(part.tobytes()) for part in (valid, offsets, side[~is_null])
    ]
    return pyarrow.Array.from_buffers(pyarrow.binary(), len(side), buffers)


def side_of(column: Column, count: int, length: int) -> Bytes2:
    """Binary values of equal length as rows of bytes; zeros where there is none."""
    side: Bytes2 = np.zeros((count, length), np.uint8)
    first = 0
    for chunk in column.chunks if isinstance(column, pyarrow.ChunkedArray) else (column,):
        if not chunk.null_count:
            side[first : first + len(chunk)] = _octets(chunk).reshape(-1, length)
        elif chunk.null_count < len(chunk):
            there = np.asarray(pc.is_valid(chunk))
            side[first : first + len(chunk)][there] = _octets(chunk.drop_null()).reshape(-1, length)
        first += len(chunk)
    return side


def _octets(column: Values) -> Bytes2:
    """The bytes of binary values of which none is null, one after the other."""
    _, ends, octets = column.buffers()
    edges = np.frombuffer(memoryview(ends or b""), np.int32)[column.offset : column.offset + len(column) + 1]
    return np.frombuffer(memoryview(octets or b""), np.uint8)[edges[0] : edges[-1]]


def lists_of(found: npt.NDArray[np.int32], kind: pyarrow.DataType) -> Values:
    """Rows of whole numbers as lists, none of them null."""
    offsets = pyarrow.array(np.arange(0, found.size + 1, found.shape[1], dtype=np.int32), pyarrow.int32())
    values = pyarrow.array(np.ascontiguousarray(found).ravel(), pyarrow.int32())
    return pyarrow.ListArray.from_arrays(offsets, values, type=kind)


def rows_of(column: Column, count: int) -> npt.NDArray[np.int32]:
    """Lists of equal length as rows of whole numbers."""
    return np.asarray(pc.list_flatten(column)).reshape(count, -1)
