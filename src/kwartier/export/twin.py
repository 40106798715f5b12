"""The twin of a message: the same as a table with a row a quarter, for who analyses rather than settles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow

from kwartier.export.document import Header
from kwartier.export.series import NOT_AVAILABLE, Energy
from kwartier.model import Times

Column: TypeAlias = "pyarrow.Array[pyarrow.Scalar[pyarrow.DataType]]"
STAMP = pyarrow.timestamp("s", tz="UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The rows of one series: what is the same in all of them, and by column what each quarter has."""

    words: Mapping[str, str] = field(repr=False)
    times: Times = field(repr=False)
    energy_wh: Mapping[str, Energy] = field(repr=False)
    """By column; null where its quality says that it is not available."""
    codes: Mapping[str, Sequence[str]] = field(repr=False)
    """The quality of each of these, in their order."""


def table(header: Header, lines: Sequence[Lines]) -> pyarrow.Table:
    """Series under one another, all of the same columns."""
    lengths = np.array([len(one.times) for one in lines])
    count = int(lengths.sum())
    columns: dict[str, Column] = {
        "message": pyarrow.array([header.message_id] * count, pyarrow.string()),
        "version": pyarrow.array(np.full(count, header.version, np.int32)),
    }
    for name in lines[0].words:
        values = np.repeat(np.array([one.words[name] for one in lines], dtype=object), lengths)
        columns[name] = pyarrow.array(values, pyarrow.string())
    columns["position"] = pyarrow.array(
        np.concatenate([np.arange(1, length + 1, dtype=np.int32) for length in lengths])
    )
    columns["quarter"] = pyarrow.array(np.concatenate([one.times for one in lines]), STAMP)
    for energy, quality in zip(lines[0].energy_wh, lines[0].codes, strict=True):
        codes = np.concatenate([one.codes[quality] for one in lines])
        values = np.concatenate([one.energy_wh[energy] for one in lines])
        columns[energy] = pyarrow.array(values, pyarrow.int64(), mask=codes == NOT_AVAILABLE)
        columns[quality] = pyarrow.array(codes.tolist(), pyarrow.string())
    return pyarrow.table(columns)
