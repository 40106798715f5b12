"""The tables of a store and their columns: one row is one meter and one local day; the day itself is the partition.

The raw table has what the meters sent, a row for each version of it. The validated table has what validation made of that, a
row for each run that looked at it. Both are written, rewritten, erased, pinned and copied alike.
"""

from dataclasses import dataclass

import pyarrow

from kwartier.model import STATE

CHANNELS = ("import_wh", "export_wh")

BASE = pyarrow.struct([("place", pyarrow.int16()), ("channel", pyarrow.int8()), ("register", pyarrow.int64())])
"""Where a run of differences begins anew: the place in the day, which channel, and the register itself."""

BESIDE = pyarrow.struct(
    [
        ("time", pyarrow.int64()),
        *((channel, pyarrow.int64()) for channel in CHANNELS),
        ("status", pyarrow.int16()),
        ("clock_status", pyarrow.int16()),
    ]
)
"""A row between two quarter ends, as it came."""

FILE_SCHEMA = pyarrow.schema(
    [
        pyarrow.field("id", pyarrow.int64(), nullable=False),
        *(pyarrow.field(f"opening_{channel}", pyarrow.int64()) for channel in CHANNELS),
        *(pyarrow.field(channel, pyarrow.list_(pyarrow.int32())) for channel in CHANNELS),
        *(pyarrow.field(f"missing_{channel}", pyarrow.binary()) for channel in CHANNELS),
        pyarrow.field("bases", pyarrow.list_(BASE)),
        pyarrow.field("beside", pyarrow.list_(BESIDE)),
        pyarrow.field("status", pyarrow.binary(), nullable=False),
        pyarrow.field("clock_status", pyarrow.binary(), nullable=False),
        pyarrow.field("version", pyarrow.int32(), nullable=False),
        pyarrow.field("batch", pyarrow.string(), nullable=False),
        pyarrow.field("known_at", pyarrow.int64(), nullable=False),
        pyarrow.field("digest", pyarrow.int64(), nullable=False),
    ]
)
QUALITIES = {"import_wh": "quality_import", "export_wh": "quality_export"}
"""By channel: where the quality of its quarters is, a byte each; null: all of them were measured."""
_VOLUME = pyarrow.list_(pyarrow.field("element", pyarrow.int32(), nullable=False))
VOLUME_SCHEMA = pyarrow.schema(
    [
        pyarrow.field("id", pyarrow.int64(), nullable=False),
        *(pyarrow.field(channel, _VOLUME, nullable=False) for channel in CHANNELS),
        *(pyarrow.field(name, pyarrow.binary()) for name in QUALITIES.values()),
        pyarrow.field("usable", pyarrow.bool_(), nullable=False),
        *(pyarrow.field(name, pyarrow.int64(), nullable=False) for name in STATE),
        pyarrow.field("run", pyarrow.int32(), nullable=False),
    ]
)
"""Nothing in the lists can be null: they are read in half the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableKind:
    """What one table of a store is."""

    folder: str
    below: str
    """Under which name its pins and the keys of its files stand; the table that was there first has none."""
    columns: pyarrow.Schema
    """Of its files."""
    newest: str
    """Of the rows of one id, the one with the largest of these is the latest."""
    split: tuple[str, ...]
    """Columns whose bytes are put apart before they are compressed: all first ones, all second ones."""
    dictionary: tuple[str, ...]
    """Columns with few different values."""
    row_group: int
    """Rows; what is read of a file at once."""
    page_bytes: int
    """Above which a column of a row group is compressed in several pieces."""
    segments: str
    """The folder of the segments into which its days are copied (:mod:`kwartier.store.months`)."""

    @property
    def table(self) -> pyarrow.Schema:
        """The columns of the table: the day comes from the folder that a file is in."""
        return pyarrow.schema([*self.columns, pyarrow.field("day", pyarrow.date32())])


RAW = TableKind(
    folder="raw",
    below="",
    columns=FILE_SCHEMA,
    newest="version",
    split=tuple(f"{channel}.list.element" for channel in CHANNELS),
    dictionary=("status", "clock_status", "batch", *(f"missing_{channel}" for channel in CHANNELS)),
    row_group=5_000,
    page_bytes=1 << 20,
    segments="months",
)
VALIDATED = TableKind(
    folder="validated",
    below="validated",
    columns=VOLUME_SCHEMA,
    newest="run",
    split=tuple(f"{channel}.list.element" for channel in CHANNELS),
    dictionary=(
        *("run", "raw_version", *QUALITIES.values()),
        *("last_import_at", "last_export_at", "mean_days", "zero_days", "eligible"),
    ),
    row_group=5_000,  # fewer cost footers, more leave the cache of a core
    page_bytes=4 << 20,  # one piece, which is read a fifth faster than two
    segments="validated-months",
)
KINDS = (RAW, VALIDATED)
