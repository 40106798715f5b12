"""The columns of the raw table: one row is one meter and one local day; the day itself is the partition."""

import pyarrow

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
TABLE_SCHEMA = pyarrow.schema([*FILE_SCHEMA, pyarrow.field("day", pyarrow.date32())])
